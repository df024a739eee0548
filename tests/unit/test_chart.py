"""This repository's own chart: optional values, names, and documentation that agrees with values.yaml."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import mapping_at, mappings_at, name_of
from acceptance.core.rules import ROOT
from acceptance.core.target import COMPONENTS, Target
from acceptance.core.values import merge_values, nested
from acceptance.kube.helm import find_helm
from acceptance.kube.pod_templates import selects

CHART = ROOT / "chart"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
CREDENTIALS = ("databaseUrl", "betterAuthSecret", "openaiApiKey")


@pytest.fixture(scope="module")
def renderer(target: Target) -> Renderer:
    return Renderer(find_helm(), target)


def rendered(renderer: Renderer, *changes: Mapping[str, Any]) -> Rendering:
    rendering = renderer.render(merge_values(renderer.required(), *changes))
    assert rendering.error is None
    return rendering


def refusal(renderer: Renderer, *changes: Mapping[str, Any]) -> str:
    error = renderer.render(merge_values(renderer.required(), *changes)).error
    assert error is not None
    return error


def without_credentials(renderer: Renderer, name: str) -> dict[str, Any]:
    empty = {"secrets": dict.fromkeys(CREDENTIALS, "")}
    return merge_values(renderer.required(), empty, nested("secrets.existingSecret", name))


def pods(rendering: Rendering) -> dict[str, Any]:
    """Pod templates and pods by name: those of the components, and the test's."""
    found = {
        name_of(item): item["spec"]["template"] if item["kind"] == "Deployment" else item
        for item in rendering.objects
        if item["kind"] in ("Deployment", "Pod")
    }
    assert found.keys() >= {*map("todo-{}".format, COMPONENTS), "todo-chatbot-test"}
    return found


def names(rendering: Rendering) -> set[str]:
    return {f"{item['kind']}/{name_of(item)}" for item in rendering.objects}


# --- names


def test_full_name_override_is_the_base_of_every_name(renderer: Renderer) -> None:
    assert names(rendered(renderer, {"fullnameOverride": "acme"})) == {
        "ConfigMap/acme-config", "Secret/acme-secrets", "Pod/acme-test", "HorizontalPodAutoscaler/acme-backend-hpa",
        "Deployment/acme-backend", "Service/acme-backend-service",
        "Deployment/acme-frontend", "Service/acme-frontend-service",
    }  # fmt: skip


def test_name_prefix_keeps_the_rest_of_the_specified_names(renderer: Renderer) -> None:
    default = names(rendered(renderer))
    assert "ConfigMap/todo-chatbot-config" in default
    prefixed = {name.replace("/todo-", "/acme-") for name in default}
    assert names(rendered(renderer, {"namePrefix": "acme"})) == prefixed


@pytest.mark.parametrize("value", ["namePrefix", "fullnameOverride"])
def test_the_longest_prefix_gives_names_of_at_most_63_characters(renderer: Renderer, value: str) -> None:
    lengths = [len(name.partition("/")[2]) for name in names(rendered(renderer, {value: "a" * 46}))]
    assert max(lengths) == 63
    assert value in refusal(renderer, {value: "a" * 47})


def test_name_override_changes_a_label_and_no_selector(renderer: Renderer) -> None:
    def selectors(rendering: Rendering) -> list[Any]:
        return [mapping_at(item, "spec").get("selector") for item in rendering.objects]

    other = rendered(renderer, {"nameOverride": "acme"})
    assert {item["metadata"]["labels"]["app.kubernetes.io/name"] for item in other.objects} == {"acme"}
    assert {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods(other).values()} == {"acme"}
    assert selectors(other) == selectors(rendered(renderer))


def test_full_name_override_and_name_prefix_exclude_each_other(renderer: Renderer) -> None:
    error = refusal(renderer, {"fullnameOverride": "a", "namePrefix": "b"})
    assert "fullnameOverride" in error
    assert "namePrefix" in error


# --- an existing Secret


def test_an_existing_secret_replaces_the_charts_own(renderer: Renderer) -> None:
    rendering = renderer.render(without_credentials(renderer, "todo.credentials"))
    assert rendering.error is None
    assert "Secret" not in {item["kind"] for item in rendering.objects}
    read = re.findall(r'"secretKeyRef": \{"name": "([^"]*)", "key": "([^"]*)"', json.dumps(rendering.objects))
    assert {name for name, _ in read} == {"todo.credentials"}
    assert {key for _, key in read} == {"DATABASE_URL", "BETTER_AUTH_SECRET", "OPENAI_API_KEY"}
    for pod in pods(rendering).values():
        assert "checksum/secret" not in mapping_at(pod, "metadata.annotations")


def test_the_checksum_of_the_charts_own_secret_is_kept(renderer: Renderer) -> None:
    for name, pod in pods(rendered(renderer)).items():
        assert ("checksum/secret" in mapping_at(pod, "metadata.annotations")) == (not name.endswith("-test"))


@pytest.mark.parametrize("name", ["Todo", "todo_secrets", "-todo", "todo-", "a b", "a..b", "a" * 254])
def test_a_bad_name_of_an_existing_secret_is_refused(renderer: Renderer, name: str) -> None:
    error = renderer.render(without_credentials(renderer, name)).error
    assert error is not None
    assert "secrets.existingSecret: must be the name of a Secret" in error


def test_an_existing_secret_and_credentials_exclude_each_other(renderer: Renderer) -> None:
    error = refusal(renderer, nested("secrets.existingSecret", "mine"))
    assert all(f"secrets.{key}" in error for key in ("existingSecret", *CREDENTIALS))
    assert not any(secret in error for secret in renderer.credentials.values())


# --- images and scheduling


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_digest_replaces_the_tag(renderer: Renderer, component: str) -> None:
    images = set(
        re.findall(
            r'"image": "([^"]*)"', json.dumps(rendered(renderer, nested(f"{component}.image.digest", DIGEST)).objects)
        )
    )
    assert f"todo-{component}@{DIGEST}" in images
    assert f"todo-{component}:latest" not in images


@pytest.mark.parametrize("digest", ["latest", "sha256:0123", DIGEST.upper(), f"{DIGEST}0"])
def test_a_bad_digest_is_refused(renderer: Renderer, digest: str) -> None:
    assert "digest" in refusal(renderer, nested("backend.image.digest", digest))


def test_every_pod_has_the_pull_secrets(renderer: Renderer) -> None:
    secrets = [{"name": "registry.one"}, {"name": "two"}]
    for pod in pods(rendered(renderer, {"imagePullSecrets": secrets})).values():
        assert pod["spec"]["imagePullSecrets"] == secrets


SCHEDULING: dict[str, Any] = {
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "todo", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"component": "x"}},
        }
    ],
}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("key", SCHEDULING)
def test_scheduling_values_reach_the_pods_of_their_component(renderer: Renderer, component: str, key: str) -> None:
    made = pods(rendered(renderer, nested(f"{component}.{key}", SCHEDULING[key])))
    reached = {name for name, pod in made.items() if pod["spec"].get(key) == SCHEDULING[key]}
    tested = {"todo-chatbot-test"} if component == "backend" and key != "topologySpreadConstraints" else set()
    assert reached == {f"todo-{component}", *tested}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nodeSelector", {"a b": "c"}),
        ("nodeSelector", {"a": "b c"}),
        ("tolerations", [{"effect": "Never"}]),
        ("tolerations", [{"seconds": 1}]),
        ("affinity", {"antiAffinity": {}}),
        ("topologySpreadConstraints", [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
        ("topologySpreadConstraints", [{"maxSkew": 1}]),
    ],
)
def test_bad_scheduling_values_are_refused(renderer: Renderer, key: str, value: Any) -> None:
    for component in COMPONENTS:
        error = refusal(renderer, nested(f"{component}.{key}", value))
        assert component in error
        assert key in error


def test_spread_constraints_select_the_components_pods(renderer: Renderer) -> None:
    constraint = {
        key: value for key, value in SCHEDULING["topologySpreadConstraints"][0].items() if key != "labelSelector"
    }
    values = merge_values(*(nested(f"{component}.topologySpreadConstraints", [constraint]) for component in COMPONENTS))
    deployments = [item for item in rendered(renderer, values).objects if item["kind"] == "Deployment"]
    assert len(deployments) == len(COMPONENTS)
    for item in deployments:
        (made,) = mappings_at(item, "spec.template.spec.topologySpreadConstraints")
        assert made == {**constraint, "labelSelector": {"matchLabels": item["spec"]["selector"]["matchLabels"]}}


# --- helm test


def test_no_service_or_deployment_selects_the_test_pod(renderer: Renderer) -> None:
    objects = rendered(renderer).objects
    (pod,) = [item for item in objects if item["kind"] == "Pod"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    selectors = [{"matchLabels": item["spec"]["selector"]} for item in objects if item["kind"] == "Service"]
    selectors += [item["spec"]["selector"] for item in objects if item["kind"] == "Deployment"]
    assert len(selectors) == 2 * len(COMPONENTS)
    assert not [selector for selector in selectors if selects(selector, pod["metadata"]["labels"])]


# --- documentation


def documented(text: str) -> Iterator[tuple[str, str]]:
    """Path and description of each value that has a `# --` comment, as helm-docs reads them."""
    path: list[str] = []
    words: list[str] = []
    for line in text.splitlines():
        if comment := re.fullmatch(r" *# ?(.*)", line):
            if comment[1].startswith("-- "):
                words = [comment[1].removeprefix("-- ")]
            elif words:
                words.append(comment[1])
            continue
        if key := re.match(r"( *)(\w+):", line):
            path[len(key[1]) // 2 :] = [key[2]]
            if words:
                yield ".".join(path), " ".join(words)
        words = []


def leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value:
            yield from leaves(value, where)
        else:
            yield where, value


def test_readme_lists_every_value(renderer: Renderer) -> None:
    descriptions = dict(documented((CHART / "values.yaml").read_text(encoding="utf-8")))
    defaults = dict(leaves(renderer.shipped))
    assert descriptions.keys() == defaults.keys()
    rows = [f"| {key} | `{json.dumps(defaults[key])}` | {descriptions[key]} |" for key in defaults]
    readme = (CHART / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in readme if line.startswith("| ")][1:] == rows


def test_the_schema_describes_every_property() -> None:
    def bare(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, dict):
            for key, value in schema.items():
                if key == "properties" and not path.endswith("contains") and "/if" not in path:
                    yield from (f"{path}/{name}" for name, body in value.items() if not body.get("description"))
                if key not in ("contains", "if", "then"):
                    yield from bare(value, f"{path}/{key}")
        elif isinstance(schema, list):
            for index, value in enumerate(schema):
                yield from bare(value, f"{path}/{index}")

    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert list(bare(schema, "")) == []


# --- defaults of the application


def test_the_defaults_of_chart_and_application_agree(renderer: Renderer) -> None:
    settings = (ROOT / "app/backend/todo_backend/settings.py").read_text(encoding="utf-8")
    drain = (ROOT / "app/frontend/drain.js").read_text(encoding="utf-8")
    values = renderer.shipped
    assert f'openai_model: str = Field("{values["config"]["openaiModel"]}"' in settings
    assert re.search(r"drain_seconds: .* = Field\((\d+)", settings)[1] == str(values["backend"]["drainSeconds"])  # type: ignore[index]
    assert f"DRAIN_SECONDS ?? {values['frontend']['drainSeconds']})" in drain


def test_the_versions_of_chart_application_and_images_agree(renderer: Renderer) -> None:
    versions = {
        str(renderer.metadata["appVersion"]),
        str(tomllib.loads((ROOT / "app/backend/pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]),
        str(json.loads((ROOT / "app/frontend/package.json").read_text(encoding="utf-8"))["version"]),
    }
    for component in COMPONENTS:
        dockerfile = (ROOT / f"dockerfiles/{component}.Dockerfile").read_text(encoding="utf-8")
        versions |= set(re.findall(r"^ARG VERSION=(.*)$", dockerfile, re.MULTILINE))
    assert len(versions) == 1
