"""Upgrades under traffic: from the previous chart, back by `helm rollback`, and forward with `--reuse-values`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.target import COMPONENTS
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.rollout import image_tag_path
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.steps import StepResult, rollout_step, run_step
from acceptance.kube.helm import RefusedReleaseError
from acceptance.provision.images import BuiltImage
from acceptance.provision.previous_chart import PreviousChart, previous_chart
from acceptance.report.results import RunMetadata
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

WRITES_PER_SECOND = 12.0
PAGES_PER_SECOND = 6.0
"""Both components start new pods at once, which leaves less CPU time for requests than a rollout of one."""
MIN_REQUESTS = 10
"""In the time of one upgrade, so that traffic is known to have run: one that replaces no pod takes 4 s, with 24 pages.
The rollout experiment judges thousands."""
QUIET_SECONDS = 2.0
"""Quiet seconds after each upgrade, so that the requests in flight belong to it."""
SETUP = "to the previous chart"
UPGRADE, ROLLBACK, REUSE = "from the previous chart", "helm rollback", "upgrade with --reuse-values"


@dataclass(frozen=True)
class Upgrades:
    """The experiment, its steps by name, and the values that the release had before and after `--reuse-values`."""

    experiment: Experiment
    steps: dict[str, StepResult[None, None]]
    reused: tuple[dict[str, Any] | None, dict[str, Any] | None]


@pytest.fixture(scope="module")
def previous(
    experiments: ExperimentRunner,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    run_metadata: RunMetadata,
) -> PreviousChart:
    """The chart to upgrade from."""
    found = previous_chart(
        experiments.target.chart_path, pytestconfig.option.upgrade_from, tmp_path_factory.mktemp("previous")
    )
    run_metadata.subject["upgraded from"] = found.origin
    return found


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def upgrades(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    previous: PreviousChart,
    rebuilt_images: dict[str, BuiltImage],
) -> Upgrades:
    """Upgrades to the previous chart with other images, to this chart, back, and to this one with reused values."""
    helm = experiments.release.helm
    tags = {image_tag_path(experiments.target, name): image.tag for name, image in rebuilt_images.items()}
    plans = {"backend": task_writes(writer, WRITES_PER_SECOND), "frontend": page_views(reader, PAGES_PER_SECOND)}
    steps: dict[str, StepResult[None, None]] = {}
    values: list[dict[str, Any] | None] = []

    def reuse_values() -> None:
        values.append(helm.values())
        experiments.upgrade_with_reused_values()
        values.append(helm.values())

    with experiments.experiment("upgrade", **plans) as experiment:

        def make(name: str, change: Callable[[], None]) -> bool:
            steps[name] = run_step(experiment, rollout_step(experiments, name, change), QUIET_SECONDS)
            return steps[name].recovery.ok

        def install_previous() -> None:
            try:
                experiments.upgrade_to_chart(previous.path, tags)
            except RefusedReleaseError as error:
                if previous.renumbered:
                    raise
                raise Untested(f"{previous.origin} is refused with this run's values: {error}") from error

        installed = make(SETUP, install_previous)
        if not installed and not previous.renumbered:
            raise Untested(f"{previous.origin} can't be started: {steps[SETUP].recovery.outcome}")
        if installed:
            revision = helm.revision()
            if make(UPGRADE, lambda: experiments.upgrade({})) and make(
                ROLLBACK, lambda: experiments.rollback(revision)
            ):
                make(REUSE, reuse_values)
    before, after = values or [None, None]
    return Upgrades(experiment, steps, (before, after))


def completed(upgrades: Upgrades, name: str) -> StepResult[None, None]:
    """Return the step, if it and those before it were completed; raises the error of the first that was not."""
    for step in upgrades.steps.values():
        step.recovery.raise_if_failed()
    return upgrades.steps[name]


@pytest.mark.rule("CHT-13", "STA-08")
@pytest.mark.parametrize("name", [UPGRADE, ROLLBACK, REUSE])
@pytest.mark.parametrize("component", COMPONENTS)
def test_upgrade_under_traffic_fails_no_request(
    upgrades: Upgrades, name: str, component: str, experiments: ExperimentRunner
) -> None:
    step = completed(upgrades, name)
    availability = upgrades.experiment.traffic[component].availability.between(step.interval)
    if len(availability.records) < MIN_REQUESTS:
        raise InconclusiveSampleError(f"{len(availability.records)} requests are fewer than {MIN_REQUESTS}")
    service = experiments.target.component(component).service
    report_findings(failed_request_findings("STA-08", f"Service/{service}", availability), experiments.target)


@pytest.mark.rule("CHT-13")
def test_upgrade_with_reused_values_keeps_them(upgrades: Upgrades, experiments: ExperimentRunner) -> None:
    completed(upgrades, REUSE)
    before, after = upgrades.reused
    assert before, "the release had no values"
    findings = []
    if after != before:
        changed = sorted(key for key in {**before, **(after or {})} if before.get(key) != (after or {}).get(key))
        release = f"Release/{experiments.target.chart.release}"
        findings.append(Finding("CHT-13", release, "values", "those of the revision before", f"changed: {changed}"))
    report_findings(findings, experiments.target)
