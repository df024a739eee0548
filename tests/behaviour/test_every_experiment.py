"""What must hold in every experiment, whatever it disturbs: judged of all of them together, after the last one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.response_watch import ResponseWatch
from acceptance.core.inconclusive import InconclusiveError
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.runner import ExperimentRunner, UnfinishedError
from acceptance.experiments.termination import stopped_pods, termination_findings
from acceptance.experiments.undisturbed import pod_findings, request_findings
from acceptance.kube.log_follower import LogFollower


def conclusive(ended: list[Experiment]) -> list[Experiment]:
    """Return the experiments whose measurement can be judged; raises `InconclusiveError` if there is none.

    Raises:
        Untested: None has run to its end, which its own tests report.
    """
    found = [each for each in ended if each.inconclusive is None]
    if all(isinstance(each.inconclusive, UnfinishedError) for each in ended):
        raise Untested(f"no experiment has run to its end: {ended[0].inconclusive}")
    if not found:
        raise InconclusiveError("every experiment was inconclusive")
    return found


@pytest.mark.rule("PER-05")
def test_writes_of_every_experiment_are_stored_once(
    ended_experiments: list[Experiment], experiments: ExperimentRunner
) -> None:
    """Inconclusive attempts count too: what was acknowledged must be stored even on the busiest machine."""
    if not any(experiment.ledgers for experiment in ended_experiments):
        raise Untested("no experiment wrote anything that this run can count in PostgreSQL")
    findings = [
        replace(finding, field=f"{experiment.name}: {label}: {finding.field}")
        for experiment in ended_experiments
        for label, ledger in experiment.ledgers.items()
        for finding in ledger.findings("PER-05")
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
def test_no_request_fails_while_nothing_is_disturbed(
    ended_experiments: list[Experiment], experiments: ExperimentRunner
) -> None:
    target = experiments.target
    report_findings([each for one in conclusive(ended_experiments) for each in request_findings(one, target)], target)


@pytest.mark.rule("POD-05", "STA-12")
def test_nothing_restarts_or_becomes_unready_by_itself(
    ended_experiments: list[Experiment], experiments: ExperimentRunner
) -> None:
    target = experiments.target
    report_findings([each for one in conclusive(ended_experiments) for each in pod_findings(one, target)], target)


@pytest.mark.rule("POD-21")
def test_deleted_pods_stop_within_their_grace_period(
    ended_experiments: list[Experiment], experiments: ExperimentRunner
) -> None:
    """They must stop whatever they were doing: a process that is killed loses what it was about to answer."""
    target, judged = experiments.target, conclusive(ended_experiments)
    if not any(stopped_pods(each, target) for each in judged):
        raise Untested("no experiment saw a Ready pod deleted with a grace period")
    report_findings([each for one in judged for each in termination_findings(one, target)], target)


@pytest.mark.rule("SCY-10")
@pytest.mark.usefixtures("ended_experiments")
def test_no_response_contains_a_credential(response_watch: ResponseWatch, experiments: ExperimentRunner) -> None:
    """The responses are also those of refused and failed requests, and those without a database or a model."""
    if not response_watch.searched_for:
        raise Untested("the release has no credential that is distinct from ordinary words")
    report_findings(response_watch.findings("SCY-10"), experiments.target)


@pytest.mark.rule("SCY-10")
@pytest.mark.usefixtures("ended_experiments")
def test_no_container_logs_a_secret(log_follower: LogFollower, experiments: ExperimentRunner) -> None:
    """The logs are also those of slow and failed requests, starts without the database, and removed containers."""
    if not log_follower.has_lines():
        raise Untested("no line of any container's log could be read")
    findings = [
        Finding("SCY-10", f"Pod/{log.pod}", log.title, "no password, token or key", f"{log.leaks}")
        for log in log_follower.leaking()
    ]
    report_findings(findings, experiments.target)
