"""A changed ConfigMap under traffic, and `helm rollback` to the earlier one: both reach the pods, no request fails."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.settings import (
    MIN_SECONDS,
    Change,
    change_findings,
    make_change,
    request_findings,
    settings_traffic,
)
from acceptance.experiments.steps import rollout_step

OTHER_ENVIRONMENT = "staging"


@dataclass(frozen=True)
class ChangedConfigMap:
    """An upgrade that changes the ConfigMap, and the `helm rollback` to the revision before it."""

    experiment: Experiment
    upgrade: Change
    rollback: Change


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def changed_config_map(experiments: ExperimentRunner, writer: User, reader: User) -> ChangedConfigMap:
    """The ConfigMap has another ENVIRONMENT, and then the earlier one again."""
    path, key = experiments.target.values.environment, experiments.target.config_map.environment
    if path is None:
        raise Untested("the target names no value for the environment")
    with experiments.experiment("changed ConfigMap and rollback", **settings_traffic(writer, reader)) as experiment:
        revision = experiments.release.helm.revision()
        upgrade_step = rollout_step(experiments, "upgrade", lambda: experiments.upgrade({path: OTHER_ENVIRONMENT}))
        upgrade = make_change(experiments, experiment, upgrade_step, key)
        experiment.run_until(MIN_SECONDS)
        rollback_step = rollout_step(experiments, "rollback", lambda: experiments.rollback(revision))
        rollback = make_change(experiments, experiment, rollback_step, key)
        experiment.run_until(rollback.interval.start - experiment.start + MIN_SECONDS)
    return ChangedConfigMap(experiment, upgrade, rollback)


@pytest.mark.rule("CFG-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_changed_config_map_reaches_new_pods(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    change, key = changed_config_map.upgrade, experiments.target.config_map.environment
    change.rollout.raise_if_failed()
    findings = change_findings("CFG-10", experiments, change, component, key, OTHER_ENVIRONMENT)
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_changed_config_map_fails_no_request(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    upgrade, rollback = changed_config_map.upgrade.interval, changed_config_map.rollback.interval
    findings = request_findings(
        changed_config_map.experiment, component, Interval(upgrade.start, rollback.start), experiments
    )
    report_findings(findings, experiments.target)


@pytest.mark.rule("DEP-08", "CHT-13")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rollback_restores_the_earlier_config_map(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    changed_config_map.upgrade.rollout.raise_if_failed()
    changed_config_map.rollback.rollout.raise_if_failed()
    object_ = f"Deployment/{experiments.target.component(component).deployment}"
    values = changed_config_map.rollback.values[component]
    findings = []
    if not values or OTHER_ENVIRONMENT in values:
        findings = [
            Finding(rule, object_, "environment", "that of the earlier revision", str(values))
            for rule in ("DEP-08", "CHT-13")
        ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rollback_fails_no_request(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    experiment = changed_config_map.experiment
    interval = Interval(changed_config_map.rollback.interval.start, experiment.end)
    report_findings(request_findings(experiment, component, interval, experiments), experiments.target)
