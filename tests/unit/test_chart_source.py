"""`init` refuses what is no chart, or no chart that Helm can load, in one sentence with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from acceptance.chart import propose_target
from acceptance.kube.helm import Helm, find_helm

CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
DEPENDENCY = CHART + 'dependencies: [{name: postgresql, version: 1.0.0, repository: "https://charts.example.com"}]\n'


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "it has no Chart.yaml; name the chart's folder"),
        ({"a/Chart.yaml": CHART, "b/c/Chart.yaml": CHART}, "name one of .*a, .*c"),
        ({"chart.yml": CHART}, "has chart.yml, but Helm only reads Chart.yaml: rename the file"),
        ({"kustomization.yaml": "resources: []"}, "a Kustomize folder"),
        ({"backend.yaml": "kind: Deployment"}, "plain manifests"),
        ({"Chart.yaml": "name: ["}, "Chart.yaml is not valid YAML.*correct it"),
        ({"Chart.yaml": "- a"}, "Chart.yaml is not a mapping"),
        ({"Chart.yaml": "apiVersion: v2\nversion: 1.0.0"}, "Chart.yaml has no name.*add it"),
        ({"Chart.yaml": CHART + "type: library"}, "a library chart.*name the chart that uses it"),
        ({"Chart.yaml": DEPENDENCY}, r"not built \(postgresql\): run `helm dependency build .*shop`$"),
        ({"Chart.yaml": CHART, "values.yaml": "a: [1\nb: {"}, "values.yaml is not what Helm can read.*correct it"),
        ({"Chart.yaml": CHART, "values.schema.json": '{"a": '}, "values.schema.json is not valid JSON.*correct it"),
        ({"Chart.yaml": CHART + 'kubeVersion: ">=9.0.0"'}, "correct kubeVersion in .*Chart.yaml"),
        (
            {"Chart.yaml": CHART, ".helmignore": "# docs\n!README.md\n"},
            r'helmignore, line 2: with "!README.md" Helm ignores every file .*Chart.yaml too; remove the line',
        ),
        (
            {"Chart.yaml": CHART, ".helmignore": "*.md\n!Chart.yaml\n!values.yaml\n"},
            r"helmignore, lines 2, 3: .* match each of these, Chart.yaml too; remove the lines",
        ),
        ({"Chart.yaml": CHART, ".helmignore": "*.yaml\n"}, r'helmignore, line 1: with "\*.yaml" .*remove the line'),
    ],
)
def test_dead_end_names_its_cure(files: dict[str, str], message: str, helm: Helm, tmp_path: Path) -> None:
    chart = tmp_path / "shop"
    for name, text in files.items():
        (chart / name).parent.mkdir(parents=True, exist_ok=True)
        (chart / name).write_text(text, encoding="utf-8")
    if "Chart.yaml" in files:
        (chart / "templates").mkdir()
        (chart / "templates" / "a.yaml").write_text(CONFIG_MAP, encoding="utf-8")
    chart.mkdir(exist_ok=True)
    with pytest.raises(propose_target.InitError, match=message) as refusal:
        propose_target.propose(chart, helm, {}, tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("oci://registry.example.com/charts/shop", "run `helm pull oci://.* --untar` and name the folder"),
        ("https://charts.example.com/shop-1.0.0.tgz", "helm pull"),
        ("nowhere", "does not exist; name the chart's folder or its .tgz"),
        ("bitnami/postgresql", "does not exist.*helm pull NAME --untar"),
    ],
)
def test_chart_that_is_not_here(named: str, message: str, helm: Helm, tmp_path: Path) -> None:
    with pytest.raises(propose_target.InitError, match=message):
        propose_target.propose(named, helm, {}, tmp_path)


def test_file_that_is_no_archive(helm: Helm, tmp_path: Path) -> None:
    broken, text = tmp_path / "shop.tgz", tmp_path / "shop.txt"
    for path in (broken, text):
        path.write_text("no archive", encoding="utf-8")
    with pytest.raises(propose_target.InitError, match="can't be unpacked as a chart archive"):
        propose_target.propose(broken, helm, {}, tmp_path)
    with pytest.raises(propose_target.InitError, match=r"no chart archive \(.tgz\)"):
        propose_target.propose(text, helm, {}, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot read the values file"), ("a: [", "is not valid YAML"), ("- a", "is not a mapping of values")],
)
def test_values_file_that_has_no_values(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(propose_target.InitError, match=message):
        propose_target.given_values(path)
