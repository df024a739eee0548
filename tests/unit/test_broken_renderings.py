"""Charts that Helm can't render: one finding with Helm's message, and nothing else to say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from acceptance.chart.assessment import RenderedChart, assertions
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Untested
from acceptance.core.target import TargetError, load
from acceptance.kube.helm import find_helm
from acceptance.kube.manifests import documents, duplicate_keys
from mutants.edits import Edit, append, replace

TARGET = load()
ASSERTIONS = {each.id: each for each in assertions()}


def chart_with(*edits: Edit, folder: Path) -> RenderedChart:
    """Return our chart with edits."""
    copy = folder / "chart"
    shutil.copytree(TARGET.chart_path, copy)
    for edit in edits:
        edit(copy)
    return RenderedChart(Renderer(find_helm(), TARGET, copy))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (append("values.yaml", "backend: {\n"), "values.yaml"),
        (append("templates/hpa.yaml", "{{ if }}"), "templates/hpa.yaml"),
        (append("templates/hpa.yaml", "\n  a: b: c\n"), "hpa.yaml"),
    ],
    ids=["values.yaml", "template", "template's output"],
)
def test_chart_that_does_not_render(edit: Edit, message: str, tmp_path: Path) -> None:
    chart = chart_with(edit, folder=tmp_path)
    (finding,) = ASSERTIONS["CHT-09"].findings(chart)
    assert message in finding.actual
    for name in ("SVC-08-backend", "HPA-01-backend", "SCY-05", "CHT-08-unused", "CHT-10-unused", "CFG-03-prod-refused"):
        with pytest.raises(Untested, match="does not render") as caught:
            ASSERTIONS[name].findings(chart)
        assert caught.value.cause is not None
        assert message in caught.value.cause.actual
    assert ASSERTIONS["CHT-02"].findings(chart) == []


def test_values_file_that_is_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("backend: {", encoding="utf-8")
    target = TARGET.model_copy(
        update={"chart": TARGET.chart.model_copy(update={"values_files": (tmp_path / "broken.yaml",)})}
    )
    chart = RenderedChart(Renderer(find_helm(), target))
    (finding,) = ASSERTIONS["CHT-09"].findings(chart)
    assert "failed to parse" in finding.actual
    assert finding.rendering == "broken.yaml"
    assert ASSERTIONS["SVC-08-backend"].findings(chart) == []


def test_values_file_that_is_absent(tmp_path: Path) -> None:
    text = (TARGET.root / "target.toml").read_text(encoding="utf-8")
    text = text.replace("chart/values-production.yaml", "chart/values-live.yaml")
    path = tmp_path / "target.toml"
    path.write_text(text.replace('"chart', f'"{TARGET.root}/chart'), encoding="utf-8")
    with pytest.raises(TargetError, match=r"values-live\.yaml"):
        load(path)


def test_key_twice(tmp_path: Path) -> None:
    chart = chart_with(
        replace("templates/frontend-service.yaml", "type: ClusterIP", "type: NodePort\n  type: ClusterIP"),
        append("values.yaml", "publicUrl: http://localhost:3000\n"),
        folder=tmp_path,
    )
    places = {(each.object, each.field) for each in ASSERTIONS["CHT-09"].findings(chart)}
    assert places == {("Service/todo-frontend-service", "spec.type"), ("values.yaml", "publicUrl")}
    assert ASSERTIONS["SVC-03-frontend"].findings(chart) == []


def test_key_that_a_helper_writes_twice_is_one_finding(tmp_path: Path) -> None:
    start, label = '{{- define "todo-chatbot.labels" -}}\n', "app: todo-chatbot\n"
    chart = chart_with(replace("templates/_helpers.tpl", start + label, start + label * 2), folder=tmp_path)
    found = [each for each in ASSERTIONS["CHT-09"].findings(chart) if each.expected == "the key once"]
    (first,) = found
    assert (first.object, first.field) == ("chart", "metadata.labels.app")
    assert {"Secret/todo-chatbot-secrets", "ConfigMap/todo-chatbot-config"} <= set(
        re.findall(r"\w+/[\w-]+", first.actual)
    )


def test_anchor_that_a_text_defines_twice_has_its_last_value() -> None:
    text = "kind: A\nfirst: &x {k: 'yes'}\nsecond: *x\nthird: &x 2020-01-01\nfourth: *x\nfifth: on\n"
    (document,) = documents(text)
    values = [document[key] for key in ("first", "second", "third", "fourth", "fifth")]
    assert values == [{"k": "yes"}, {"k": "yes"}, "2020-01-01", "2020-01-01", True]


def test_paths_of_keys_that_occur_twice() -> None:
    text = "kind: A\nmetadata: {name: x}\nlist:\n- a: 1\n  a: 2\n---\na: 1\n"
    assert list(duplicate_keys(text)) == [("A/x", "list[0].a")]
    assert documents(text)[0]["list"] == [{"a": 2}]
