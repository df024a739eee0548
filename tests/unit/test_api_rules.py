"""The API server's rules without a cluster: what is judged, what is not, and what happens where they are missing."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest

from acceptance.checks import api_server
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Check
from acceptance.checks.snapshot import ChartState, Rendering, Snapshot
from acceptance.core.target import Target
from acceptance.kube import api_rules
from acceptance.kube.api_rules import ApiRules
from toolchain import api_validator, binaries, pins
from toolchain.console import ToolchainError

PAUSE = {"name": "pause", "image": "registry.k8s.io/pause:3.10"}
PLANTED = "hunter2hunter2"


@pytest.fixture(scope="module")
def rules() -> ApiRules:
    return api_rules.shared()


@pytest.fixture
def failed_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ToolchainError("no Go")

    monkeypatch.setattr(api_rules, "_outcome", [])
    monkeypatch.setattr(api_validator, "ensure", fail)


def named(kind: str, api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}


def workload(kind: str, version: str, **labels: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "a", **labels}}, "spec": {"containers": [PAUSE]}}
    return named(kind, "apps/v1", spec={"selector": {"matchLabels": labels or {"app": "a"}}, "template": pod}) | {
        "metadata": {"name": "a", "labels": {"version": version}}
    }


def job(image: str) -> dict[str, Any]:
    spec = {"restartPolicy": "Never", "containers": [PAUSE | {"image": image}]}
    return named("Job", "batch/v1", spec={"template": {"spec": spec}})


def role_binding(name: str) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return named("RoleBinding", "rbac.authorization.k8s.io/v1", roleRef=reference)


def claim(storage_class: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return named("PersistentVolumeClaim", spec=spec | {"storageClassName": storage_class})


def service(**spec: Any) -> dict[str, Any]:
    return named("Service", spec={"ports": [{"port": 80}], **spec})


def fields(rules: ApiRules, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [refusal.field for _, refusal in rules.update_refusals([old], [new], "default")]


def snapshot(*objects: dict[str, Any], templates: dict[str, str] | None = None) -> Snapshot:
    rendering = Rendering(objects)
    chart = ChartState({}, {}, templates or {}, None, {}, {}, rendering=rendering, rerendering=rendering)
    return Snapshot("static", objects, chart=chart)


def findings(given: Snapshot, target: Target) -> list[str]:
    check = Check("CHT-09", "static", None, (api_server.api_server_would_accept_each,))
    return [f"{each.object}: {each.field}: {each.actual}" for each in check(given, target)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (workload("Deployment", "1", v="1"), workload("Deployment", "2", v="2"), ["spec.selector"]),
        (workload("Deployment", "1"), workload("Deployment", "2"), []),
        (job("a:1"), job("a:2"), ["spec.template"]),
        (role_binding("a"), role_binding("b"), ["roleRef"]),
        (claim("a"), claim("b"), ["spec"]),
        (service(), service(clusterIP="None"), ["spec.clusterIPs[0]"]),
        (service(), service(type="NodePort"), []),
        (named("Secret", type="a/b"), named("Secret", type="a/c"), ["type"]),
        (named("ConfigMap", data={"A": "1"}, immutable=True), named("ConfigMap", data={"A": "2"}), ["data"]),
    ],
    ids=["selector", "label", "job", "role", "claim", "headless", "type", "secret", "immutable"],
)
def test_what_an_upgrade_may_not_change(
    rules: ApiRules, old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    assert fields(rules, old, new)[:1] == expected
    assert fields(rules, old, copy.deepcopy(old)) == []


def test_hooks_are_replaced_and_not_changed(rules: ApiRules) -> None:
    old, new = job("a:1"), job("a:2")
    for each in (old, new):
        each["metadata"]["annotations"] = {"helm.sh/hook": "pre-upgrade"}
    assert fields(rules, old, new) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"data": {"A": PLANTED}},
        {"data": {"A": 12345678}},
        {"data": {"A B": PLANTED}},
        {"stringData": {"A": [PLANTED]}},
        {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": PLANTED}},
        {"type": "kubernetes.io/tls", "stringData": {"tls.crt": PLANTED}},
        {"metadata": {"name": "a", "labels": {"a+b": "c"}}, "stringData": {"A": PLANTED}},
    ],
)
def test_value_of_a_secret_is_never_quoted(broken: dict[str, Any], target: Target) -> None:
    found = findings(snapshot(named("Secret") | broken), target)
    assert found
    assert not any(PLANTED in each or "12345678" in each for each in found)


@pytest.mark.parametrize(
    ("path", "value"),
    [("limits", {"memory": "1GB", "cpu": "1"}), ("requests", {"cpu": 1, "memory": "512 Mi"})],
)
def test_field_of_a_wrong_type_is_named(path: str, value: dict[str, Any], target: Target) -> None:
    item = workload("Deployment", "1")
    item["spec"]["template"]["spec"]["containers"] = [PAUSE | {"resources": {path: value}}]
    (found,) = findings(snapshot(item), target)
    assert f"spec.template.spec.containers[pause].resources.{path}.memory" in found


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("spec.containers[0].env[1].name", "spec.containers[pause].env[B].name"),
        ('spec.containers[name="pause"].env', "spec.containers[pause].env"),
        ("spec.ports[3].port", "spec.ports[3].port"),
        ("data[a.b c]", "data[a.b c]"),
        ("object", "object"),
    ],
)
def test_items_have_names_in_paths(field: str, expected: str) -> None:
    item = {"spec": {"containers": [PAUSE | {"env": [{"name": "A"}, {"name": "B"}]}], "ports": []}}
    assert api_server.by_names(item, field) == expected


def test_one_defect_is_one_finding(target: Target) -> None:
    item = workload("Deployment", "1")
    item["spec"]["replica"] = 2
    assert len(findings(snapshot(item), target)) == 1
    item = workload("Deployment", "1")
    item["spec"]["template"]["spec"]["containers"] *= 2
    assert len(findings(snapshot(item), target)) == 1


def test_items_of_a_list_are_judged(target: Target) -> None:
    broken = named("ConfigMap", data={"a b": "c"})
    (found,) = findings(snapshot(named("List", items=[named("ConfigMap"), broken])), target)
    assert found.startswith("ConfigMap/a: data[a b]")


def test_version_that_the_cluster_chooses_is_untested(target: Target) -> None:
    old = named("PodDisruptionBudget", "policy/v1beta1")
    assert "use policy/v1" in findings(snapshot(old), target)[0]
    template = '{{ if .Capabilities.APIVersions.Has "policy/v1beta1" }}policy/v1beta1{{ else }}policy/v1{{ end }}'
    with pytest.raises(Untested, match="the cluster decides on policy/v1beta1"):
        findings(snapshot(old, templates={"templates/budget.yaml": template}), target)


@pytest.mark.usefixtures("failed_build")
def test_without_the_program_the_schema_judges(target: Target) -> None:
    with pytest.raises(Untested, match="no Go"):
        findings(snapshot(named("ConfigMap", data={"a b": "c"})), target)
    (found,) = findings(snapshot(named("ConfigMap", data={"a": 1})), target)
    assert found.startswith("ConfigMap/a: data.a")


def test_program_that_is_missing_is_an_error() -> None:
    broken = ApiRules(binaries.HERE / "missing")
    with pytest.raises(ToolchainError, match="ended unexpectedly"):
        broken.judge([named("ConfigMap")], "default")


def test_program_has_the_versions_of_the_other_tools() -> None:
    def versions(path: str) -> dict[str, str]:
        text = (binaries.HERE / path / "go.mod").read_text(encoding="utf-8")
        return dict(re.findall(r"^\t(\S+) (v\S+)", text, re.MULTILINE))

    own, others = versions(api_validator.NAME), versions("go")
    assert own["k8s.io/kubernetes"] == pins.KUBERNETES
    assert {name: version for name, version in own.items() if others.get(name, version) != version} == {}


def test_chart_that_does_not_render_has_no_object(target: Target) -> None:
    given = snapshot()
    assert given.chart is not None
    failed = replace(given, chart=replace(given.chart, rendering=Rendering(error="nil pointer")))
    assert list(api_server.api_server_would_accept_each(ComponentView(failed, target, None))) == []
