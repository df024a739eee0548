"""A cluster without metrics of its pods: whether the autoscaler works is untested there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.autoscaler import works_on_real_metrics
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.core.target import load
from acceptance.kube.helm import find_helm
from mutants.bases import base_snapshots


def test_autoscaler_is_untested_without_metrics_of_pods() -> None:
    target = load()
    live = base_snapshots(Renderer(find_helm(), target))["live"]
    assert live.cluster is not None
    assert list(works_on_real_metrics(ComponentView(live, target, "backend"))) == []
    without = tuple(
        {**item, "status": {}} if item["kind"] == "HorizontalPodAutoscaler" else item for item in live.objects
    )
    broken = replace(live, objects=without)
    assert len(list(works_on_real_metrics(ComponentView(broken, target, "backend")))) == 2
    elsewhere = replace(broken, cluster=replace(live.cluster, metrics=False))
    with pytest.raises(Untested, match="install metrics-server"):
        list(works_on_real_metrics(ComponentView(elsewhere, target, "backend")))
