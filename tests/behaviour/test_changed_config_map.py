"""A changed ConfigMap under traffic, and `helm rollback` to the earlier one: both reach the pods, no request fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.other_origins import written_origins
from acceptance.client.user import User
from acceptance.core.fields import at
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, Target
from acceptance.core.values import ROUND_TRIP, in_shipped_form
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.settings import (
    MIN_SECONDS,
    Change,
    change_findings,
    make_change,
    request_findings,
    settings_traffic,
)
from acceptance.experiments.steps import rollout_step
from acceptance.kube.manifests import shipped

ENVIRONMENTS = ("staging", "production")
FREE_KEY = next(iter(ROUND_TRIP))
"""One of the keys that the run adds to the ConfigMap."""


@dataclass(frozen=True)
class ChangedConfigMap:
    """An upgrade that changes the ConfigMap, and the `helm rollback` to the revision before it."""

    experiment: Experiment
    given: dict[str, str]
    """The changed keys, with the values that the ConfigMap then had."""
    upgrade: Change
    rollback: Change


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def changed_config_map(experiments: ExperimentRunner, writer: User, reader: User) -> ChangedConfigMap:
    """Every key of the ConfigMap that a value sets is changed, and then changed back by `helm rollback`."""
    release, name = experiments.release, experiments.target.config_map.name
    settings = changed_settings(experiments.target, release.objects.data("ConfigMap", name))
    if not settings:
        raise Untested("the target names no value that sets a key of the ConfigMap")
    changes = dict(settings.values())
    with experiments.experiment("changed ConfigMap and rollback", **settings_traffic(writer, reader)) as experiment:
        revision = experiments.release.helm.revision()
        upgrade_step = rollout_step(experiments, "upgrade", lambda: experiments.upgrade(changes))
        upgrade = make_change(experiments, experiment, upgrade_step, settings)
        data = release.objects.data("ConfigMap", name)
        experiment.run_until(upgrade.interval.start - experiment.start + MIN_SECONDS)
        rollback_step = rollout_step(experiments, "rollback", lambda: experiments.rollback(revision))
        rollback = make_change(experiments, experiment, rollback_step, settings)
        experiment.run_until(rollback.interval.start - experiment.start + MIN_SECONDS)
    return ChangedConfigMap(experiment, {key: data.get(key, "") for key in settings}, upgrade, rollback)


def changed_settings(target: Target, data: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Return the path and another value of each setting that the target maps to a value, by key in the ConfigMap."""
    paths, keys = target.values, target.config_map
    listed = ",".join([*written_origins(data.get(keys.cors_origins, "")), "http://changed.example.com"])
    origins = in_shipped_form(listed, at(shipped(target.chart_path), paths.cors_origins or ""))
    settings: dict[str, tuple[str | None, object]] = {
        keys.environment: (
            paths.environment,
            next(each for each in ENVIRONMENTS if each != data.get(keys.environment)),
        ),
        keys.debug: (paths.debug, data.get(keys.debug) != "true"),
        keys.cors_origins: (paths.cors_origins, origins),
        FREE_KEY: (paths.extra_config and f"{paths.extra_config}.{FREE_KEY}", "changed"),
    }
    return {key: (path, value) for key, (path, value) in settings.items() if path}


@pytest.mark.rule("CFG-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_changed_config_map_reaches_new_pods(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    change, given = changed_config_map.upgrade, changed_config_map.given
    change.rollout.raise_if_failed()
    findings = change_findings("CFG-10", experiments, change, component, given)
    findings += [
        Finding("CFG-10", f"ConfigMap/{experiments.target.config_map.name}", f"data.{key}", "the value given", "kept")
        for key, value in given.items()
        if change.uses(component, key) and value in {before.get(key) for before in change.before[component]}
    ]
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
    changed, rollback = changed_config_map.upgrade, changed_config_map.rollback
    given = changed_config_map.given
    used = [key for key in given if changed.uses(component, key) or any(changed.values(component, key))]
    if not used:
        raise Untested(f"the {component} has none of {', '.join(given)} in its environment")
    findings = []
    for key in used:
        earlier = {environment.get(key, "") for environment in changed.before[component]}
        values = rollback.values(component, key)
        if not values or set(values) != earlier:
            expected, actual = f"{sorted(earlier)}, as in the earlier revision", f"{values}"
            field = f"environment {key}"
            findings += [Finding(rule, object_, field, expected, actual) for rule in ("DEP-08", "CHT-13")]
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rollback_fails_no_request(
    changed_config_map: ChangedConfigMap, component: str, experiments: ExperimentRunner
) -> None:
    experiment = changed_config_map.experiment
    interval = Interval(changed_config_map.rollback.interval.start, experiment.end)
    report_findings(request_findings(experiment, component, interval, experiments), experiments.target)
