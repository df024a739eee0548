"""Third-party charts: correct findings, no crash, and a target proposed from their rendering."""

from __future__ import annotations

import copy
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acceptance import checks
from acceptance.chart import propose_target
from acceptance.chart.proposal import application
from acceptance.chart.renderer import Renderer
from acceptance.checks import CheckResults
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target, load
from acceptance.kube.helm import Helm, find_helm
from mutants.bases import base_snapshots

CHARTS = Path(__file__).parent / "charts"
ALTERATIONS = 100
"""Number of random alterations per level, drawn from a fixed seed."""


@pytest.fixture(autouse=True)
def no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """This repository's Dockerfiles are not those of the charts."""
    monkeypatch.setattr(application, "project_of", lambda chart, _: chart)


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


def proposed(name: str, helm: Helm) -> Target:
    document = propose_target.propose(CHARTS / name, helm, {}, CHARTS).document
    return Target.model_validate({**document, "root": CHARTS})


def own_target(name: str) -> Target:
    """Return this repository's target for a third-party chart, as if it used the specification's names."""
    own = load()
    chart = {
        **own.chart.model_dump(),
        "path": name,
        "name": name,
        "version": None,
        "app_version": None,
        "values_files": (),
    }
    document = {**own.model_dump(), "root": CHARTS, "chart": chart, "values": {}, "strict": False}
    return Target.model_validate(document)


def run_checks(target: Target, helm: Helm) -> tuple[CheckResults, set[str]]:
    """Return the results of all checks, and the rules with blocking findings."""
    results = checks.run_checks(Renderer(helm, target).snapshot(), target)
    return results, {each.rule for each in results.findings if not each.advice}


def test_chart_with_other_names_and_no_hpa(helm: Helm, tmp_path: Path) -> None:
    target = proposed("plain", helm)
    assert {name: (part.deployment, part.service, part.port) for name, part in target.components.items()} == {
        "backend": ("plain-api", "plain-api", 7860),
        "frontend": ("plain-web", "plain-web", 8080),
    }
    assert target.values.database_url == "database_url"
    assert target.values.auth_secret == "auth.better_auth_secret"  # noqa: S105 - a path
    assert target.values.model_key == "openai-api-key"
    assert target.components["backend"].probes.readiness == "/api/ready"
    assert target.components["backend"].values.replicas == "api.replicas"
    assert target.components["frontend"].values.image_repository == "web.image.name"
    _, rules = run_checks(target, helm)
    assert rules == {
        "CHT-09",  # requests above limits, which the API server refuses
        "IMG-01",  # an underscore
        "POD-06",
        "POD-07",  # 1 CPU of 500m
        "POD-09",
        "SVC-03",  # NodePort
        "CFG-03",  # prod
        "CFG-05",  # a slash
        "HPA-01",
        "CHT-08",  # no helpers, NOTES.txt and Namespace
        "REL-01",
        "REL-05",  # the URL's port
        "SCY-01",
        "SCY-02",
        "SCY-05",
        "SCY-06",
    }
    written = tmp_path / "target.toml"
    draft = propose_target.propose(CHARTS / "plain", helm, {}, tmp_path)
    written.write_text(propose_target.toml(draft.document, draft.comments, draft.notes), encoding="utf-8")
    assert load(written).components == target.components


def test_toml_keeps_nested_values() -> None:
    values = {"tolerations": [{"key": "a", "value": None}, {"key": "b"}], "a.b": 'ü"\n', "empty": {}, "ports": [1, 2]}
    written = tomllib.loads(propose_target.toml({"chart": {"path": "chart", "values": values}, "values": {}}))
    nulls_left_out = {**values, "tolerations": [{"key": "a"}, {"key": "b"}]}
    assert written == {"chart": {"path": "chart", "values": nulls_left_out}}


def test_absent_entity_is_one_finding(helm: Helm) -> None:
    results, _ = run_checks(proposed("plain", helm), helm)
    about = [each for each in results.findings if each.rule.startswith("HPA")]
    assert [each.rule for each in about] == ["HPA-01"]
    assert results.untested["HPA-04-backend"] == "HorizontalPodAutoscaler/(any) is absent (HPA-01)"


def test_chart_with_subcharts_hooks_and_custom_kinds(helm: Helm) -> None:
    target = proposed("umbrella", helm)
    assert {part.service for part in target.components.values()} == {"backend-svc", "frontend-svc"}
    assert target.autoscaler is not None
    results, rules = run_checks(target, helm)
    assert {"HPA-07", "SCY-03"} <= rules  # memory alone; the hook's job is privileged
    assert not {"POD-02", "CHT-07", "DEP-04", "CFG-03", "CFG-11"} & rules
    absent = {each.expected for each in results.findings if each.rule == "CHT-08"}
    assert "Secret/todo-chatbot-secrets" in absent
    assert "the backend's Deployment/backend" not in absent


def test_chart_with_one_component(helm: Helm) -> None:
    target = proposed("single", helm)
    assert set(target.components) == {"backend"}
    results, _ = run_checks(target, helm)
    assert results.untested["DEP-01-frontend"] == "the target names no frontend"
    assert {each.expected for each in results.findings if each.rule == "CHT-08"} >= {
        "the frontend's Deployment",
        "the frontend's Service",
    }


def test_chart_that_does_not_render(helm: Helm) -> None:
    results, rules = run_checks(own_target("broken"), helm)
    assert rules == {"CHT-09"}
    assert [each.rule for each in results.findings].count("CHT-09") == 1
    assert results.untested["POD-04-backend"] == "the chart does not render (CHT-09)"
    with pytest.raises(propose_target.InitError, match=r"no Deployment"):
        proposed("broken", helm)


def test_empty_chart(helm: Helm) -> None:
    _, rules = run_checks(own_target("empty"), helm)
    assert rules == {"CHT-08", "HPA-01"}
    with pytest.raises(propose_target.InitError, match="no Deployment"):
        proposed("empty", helm)


def test_chart_with_wrong_types_everywhere(helm: Helm) -> None:
    results, rules = run_checks(own_target("odd"), helm)
    assert {"CHT-09", "POD-06", "DEP-04", "SVC-05", "CFG-11", "SEC-07", "HPA-05", "HPA-06"} <= rules
    assert all(str(each) for each in results.findings)


def test_missing_chart_is_reported(helm: Helm, tmp_path: Path) -> None:
    with pytest.raises(propose_target.InitError, match=r"has no Chart\.yaml"):
        propose_target.propose(tmp_path, helm, {}, tmp_path)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a structure."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys:
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize("level", ["static", "live", "image"])
def test_no_check_crashes_on_any_field(level: str, target: Target, helm: Helm) -> None:
    draw = random.Random(level)  # noqa: S311 - no secret
    unmodified: Snapshot = base_snapshots(Renderer(helm, target))[level]  # type: ignore[index]
    for _ in range(ALTERATIONS):
        altered = copy.deepcopy(unmodified)
        roots = [*altered.objects, *(image.config for image in altered.images.values())]
        if altered.cluster is not None:
            roots += [*altered.cluster.pods, *altered.cluster.replica_sets, *altered.cluster.endpoint_slices]
        where, key = draw.choice([place for root in roots for place in places(root)])
        where[key] = draw.choice([None, "text", 5, -1, True, [], {}, [None], ["a"], {"a": None}, 0.5])
        checks.run_checks(altered, target)
