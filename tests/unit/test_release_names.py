"""Renderings with other release names: each cause is told once, and nothing again of objects that are renamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acceptance.chart import propose_target
from acceptance.chart.assessment import RenderedChart
from acceptance.chart.long_names import longest_release_name
from acceptance.chart.renderer import Renderer
from acceptance.chart.variations import OTHER_RELEASE
from acceptance.checks import for_level
from acceptance.checks.renderings import check_all
from acceptance.core.target import Target
from acceptance.kube.helm import Helm, find_helm
from tests.unit.test_propose_target import SECRET, VALUES, deployment, write


@pytest.fixture(scope="module")
def helm() -> Helm:
    return find_helm()


def chart_of(helm: Helm, folder: Path, name: str, more: str = "") -> RenderedChart:
    """A chart of a backend and a frontend whose names begin with `name`."""
    backend = deployment(f"{name}-backend", "shop-backend:1", 8000)
    text = backend + deployment(f"{name}-frontend", "shop-frontend:1", 3000) + more
    chart = write(folder / "shop", {"values.yaml": VALUES, "templates/all.yaml": text})
    document: dict[str, Any] = propose_target.propose(chart, helm, {}, folder).document
    return RenderedChart(Renderer(helm, Target.model_validate({**document, "root": folder})))


def test_names_cut_before_their_suffix_are_one_finding(helm: Helm, tmp_path: Path) -> None:
    cut = '{{ printf "%s-the-shop" .Release.Name | trunc 63 }}'
    chart = chart_of(helm, tmp_path, cut)
    (found,) = longest_release_name(chart.renderer, chart.defaults)
    assert (found.rule, found.object, found.advice) == ("CHT-09", "chart", True)
    for name in ("Service/…-the-shop-backend", "Deployment/…-the-shop-frontend"):
        assert found.actual.count(name) == 1
    assert not [each for each in chart.variations if "longest" in each.variation.name]


def test_names_cut_with_their_suffix_are_right(helm: Helm, tmp_path: Path) -> None:
    chart = chart_of(helm, tmp_path, "{{ .Release.Name | trunc 40 }}")
    assert not longest_release_name(chart.renderer, chart.defaults)


@pytest.mark.parametrize("more", ["", SECRET], ids=["without a Secret", "with one of a fixed name"])
def test_renamed_components_are_not_told_again(helm: Helm, tmp_path: Path, more: str) -> None:
    """Neither fixed names nor the specification's, of what the chart does not make, have a part that follows."""
    chart = chart_of(helm, tmp_path, "{{ .Release.Name }}", more)
    for rule in ("POD-06", "POD-23", "SCY-01"):
        for check in (each for each in for_level("static") if each.rule == rule):
            found = check_all(check, chart.shipped(rule), chart.others(rule))
            assert not [each for each in found if each.rendering == OTHER_RELEASE]
