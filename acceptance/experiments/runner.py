"""Runs experiments, each of which starts from the baseline, disturbs the release under traffic, and restores it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acceptance.checks.finding import Untested
from acceptance.client.user import RATE_LIMITED, TOO_MANY
from acceptance.core.fields import Object
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.target import Component, Target
from acceptance.core.values import credential_values, set_paths
from acceptance.core.wait import WaitError
from acceptance.experiments.experiment import Experiment, Traffic
from acceptance.experiments.rollout import wait_rolled_out
from acceptance.kube.client import Objects
from acceptance.kube.recorder import Recorder
from acceptance.kube.status import pods_of
from acceptance.provision.kube_proxy import longest_delay
from acceptance.provision.release import Release
from acceptance.traffic.attribution import Connection, attribute
from acceptance.traffic.late_rules import raise_if_rules_were_late
from acceptance.traffic.machine_load import StarvedMachineError, describe, raise_if_starved
from acceptance.traffic.plans import Plan
from acceptance.traffic.sampler import Sampler
from acceptance.traffic.write_ledger import Ledger


class BaselineError(Exception):
    """The release could not be restored after an earlier experiment; never a finding."""


class UnfinishedError(InconclusiveError):
    """An experiment ended early by an error or for lack of something, so that only what it wrote can be judged."""


@dataclass
class ExperimentRunner:
    """The release, and how to disturb it: every experiment starts from the baseline and restores it afterwards.

    Attributes:
        release: The release under test.
        recorder: Records the versions of its objects.
        sampler: Sends requests by plans.
        verify_serving: Sends a user's request to the release; raises `AssertionError` if it fails.
        publish: Receives every experiment that ended, for the report.
        record_override: Receives every change of values, for the report.
        baseline_values: Changes of values by dotted path that apply in every experiment unless it overrides them.
        connections: Returns the sampler's connections that the node has tracked so far.
        plan_obstacle: Returns why the requests of a plan can't succeed, so that it is not executed; None if they can.
        progress: Shows a line while an experiment runs.
        reconcile: Compares with PostgreSQL what an experiment wrote, and returns the ledgers.
        rule_delays: Counts the delays of the rules for Services on the sampler's node, by upper bound in seconds.
        delete_pods: Deletes every pod of the components, as an operator does if a release does not recover.
        ended: The experiments so far, inconclusive ones too: a write that was lost or stored twice is a finding on any
            machine.
        baseline_error: Why an earlier experiment could not restore the baseline; empty if all could.
        unmodified: Whether the release is as it was installed, since no experiment has run yet.
    """

    release: Release
    recorder: Recorder
    sampler: Sampler
    verify_serving: Callable[[], object]
    publish: Callable[[Experiment], None]
    record_override: Callable[[Mapping[str, Any]], None]
    baseline_values: Mapping[str, Any]
    connections: Callable[[], Sequence[Connection]] = tuple
    plan_obstacle: Callable[[Plan], str | None] = lambda _: None
    progress: Callable[[str], None] = lambda _: None
    reconcile: Callable[[Experiment], dict[str, Ledger]] = lambda _: {}
    rule_delays: Callable[[], Counter[float]] = Counter
    delete_pods: Callable[[], None] = lambda: None
    ended: list[Experiment] = field(default_factory=list)
    baseline_error: str = ""
    unmodified: bool = True
    _at_baseline: bool = False

    @property
    def target(self) -> Target:
        """What is under test."""
        return self.release.target

    @property
    def objects(self) -> Objects:
        """Reads the objects of the release's namespace."""
        return self.release.objects

    def pods(self, component: Component) -> list[Object]:
        """Return the component's pods as they are now, oldest first.

        Before the first experiment the baseline is restored: otherwise the autoscaler could remove one of them.
        """
        if self.unmodified:
            self.restore()
        pods = pods_of(self.objects.list("Pod").objects, component)
        return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def upgrade(self, changes: Mapping[str, Any], credentials: Mapping[str, str] | None = None) -> None:
        """`helm upgrade` to the baseline with further changes, without waiting for the pods.

        Args:
            changes: Further values by dotted path.
            credentials: Other credentials by their names in the target's `[values]`: as values of the chart, or in
                existing Secrets, whose users are then restarted.
        """
        self._leave_baseline()
        self.record_override({**self.baseline_values, **changes, **credential_values(self.target, credentials or {})})
        self.release.upgrade({**self.baseline_values, **changes}, credentials)
        self._at_baseline = not changes and not credentials

    def upgrade_to_chart(self, chart: Path, changes: Mapping[str, Any]) -> None:
        """`helm upgrade` to another chart, with the run's values and changes to them, without waiting for the pods."""
        self._leave_baseline()
        self.release.helm.upgrade(chart, set_paths(self.release.values, {**self.baseline_values, **changes}))

    def upgrade_with_reused_values(self) -> None:
        """`helm upgrade --reuse-values` to the chart under test, without waiting for the pods."""
        self._leave_baseline()
        self.release.helm.upgrade_with_reused_values(self.target.chart_path)

    def rollback(self, revision: int) -> None:
        """`helm rollback` to a revision, without waiting for the pods."""
        self._leave_baseline()
        self.release.rollback(revision)

    def _leave_baseline(self) -> None:
        self.unmodified = self._at_baseline = False

    def wait_rolled_out(self) -> None:
        """Wait until the rollout of every component is complete; raises `WaitError` at the deadline."""
        for component in self.target.components.values():
            wait_rolled_out(self.objects, component)

    @contextmanager
    def experiment(self, name: str, **plans: Plan) -> Iterator[Experiment]:
        """Send requests by `plans` while the body disturbs the release; the report labels them by the keywords.

        Afterwards the baseline is restored and verified. If the release does not recover, its pods are deleted, which
        the experiment records as `unrecovered`.

        What it wrote is reconciled however it ends, also if the body raises: that error is then raised at the end.

        Raises:
            BaselineError: This experiment or an earlier one could not restore the baseline.
            InconclusiveError: The sampler's or the recorder's records are not reliable, or the machine was starved
                when requests failed; `repeat_if_inconclusive` then repeats the experiment.
            Untested: The requests of no plan can succeed, even though nothing is disturbed.
        """
        if self.baseline_error:
            raise BaselineError(self.baseline_error)
        if not self._at_baseline:
            self.restore()
        refused = self._obstacles(plans)
        accepted = {label: plan for label, plan in plans.items() if label not in refused}
        if refused and not accepted:
            raise Untested(next(iter(refused.values())))
        delays = self.rule_delays() if accepted else Counter[float]()
        experiment = Experiment(name, self.recorder.history, time.time())
        unfinished: Exception | None = None
        try:
            with self.sampler.sample_all(accepted) as runs:
                experiment.traffic = Traffic(runs, refused)
                yield experiment
        except InconclusiveError as error:
            experiment.inconclusive = error
        except Exception as error:  # noqa: BLE001 - raised at the end
            unfinished = error
            experiment.inconclusive = UnfinishedError(f"{type(error).__name__}: {error}")
        finally:
            is_interrupted = isinstance(sys.exception(), KeyboardInterrupt)
            experiment.end = time.time()
            try:
                experiment.end = self.recorder.wait_until_current()
            except WaitError as error:
                experiment.inconclusive = InconclusiveError(str(error))
            finally:
                # The run ends with the interruption, not with what can't be restored any more.
                with suppress(BaselineError) if is_interrupted else nullcontext():
                    try:
                        self._restore_after(experiment)
                    finally:
                        if not is_interrupted:
                            self._conclude(experiment, delays)
        if unfinished is not None:
            raise unfinished
        if experiment.inconclusive is not None:
            raise experiment.inconclusive

    def _conclude(self, experiment: Experiment, delays: Counter[float]) -> None:
        """Complete the record of an experiment that has ended, and publish it."""
        if experiment.traffic:
            experiment.load = self.sampler.machine_load(experiment.start)
        self._attribute(experiment)
        experiment.ledgers = self.reconcile(experiment)
        if not self.target.strict:
            withdraw_limited(experiment.traffic)
        if experiment.inconclusive is None:
            experiment.inconclusive = self._inconclusive(experiment, delays)
        self.ended.append(experiment)
        self.publish(experiment)

    def _obstacles(self, plans: Mapping[str, Plan]) -> dict[str, str]:
        """Return by label why a plan's requests can't succeed; raises `AssertionError` or `InconclusiveError`."""
        start = time.time()
        try:
            return {label: reason for label, plan in plans.items() if (reason := self.plan_obstacle(plan))}
        except AssertionError as error:
            if starved := self.sampler.machine_load(start).starved:
                raise StarvedMachineError(
                    f"{error}, before anything was disturbed, while the machine was starved of CPU time, "
                    f"{describe(starved)}"
                ) from error
            raise

    def restore(self) -> None:
        """Restore the baseline and verify that it serves; raises `WaitError` or `AssertionError` if it does not."""
        if not self._at_baseline:
            self.upgrade({})
        self.wait_rolled_out()
        self.verify_serving()

    def _restore_after(self, experiment: Experiment) -> None:
        try:
            self.restore()
        except AssertionError as error:
            experiment.unrecovered = str(error)
            self._restore_with_new_pods(experiment)
        except Exception:  # noqa: BLE001 - such as a command that failed, which says nothing of the release
            self._restore_with_new_pods(experiment)

    def _restore_with_new_pods(self, experiment: Experiment) -> None:
        self._at_baseline = False  # a part of it may have been changed by hand
        try:
            self.delete_pods()
            self.restore()
        except Exception as error:
            self.baseline_error = f"the experiment {experiment.name} did not restore the baseline: {error}"
            raise BaselineError(self.baseline_error) from error

    def _inconclusive(self, experiment: Experiment, delays: Counter[float]) -> InconclusiveError | None:
        """Return why the experiment can't be judged, by its own evidence; None if it can."""
        if not experiment.traffic:
            return None
        try:
            experiment.history.raise_if_lost("Pod", experiment.start, experiment.end)
            traffic = [run.availability for run in experiment.traffic.values() if run.records]
            raise_if_starved(experiment.load, traffic)
            if any(availability.failures for availability in traffic):
                raise_if_rules_were_late(longest_delay(delays, self.rule_delays()), traffic)
        except InconclusiveError as error:
            return error
        return None

    def _attribute(self, experiment: Experiment) -> None:
        """Attribute the requests to pods, where the node has tracked their connections."""
        connections = self.connections()
        for run in experiment.traffic.values():
            destination = run.address, run.plan.port
            run.records = attribute(run.records, destination, connections, experiment.history)


def withdraw_limited(traffic: Traffic) -> None:
    """Take out each kind of traffic of which a rate limit refused requests: it would be blamed on the disturbance."""
    for label, run in list(traffic.items()):
        if limited := sum(record.status == TOO_MANY for record in run.records):
            request = f"{limited} of {len(run.records)} requests {run.plan.method} {run.plan.path}"
            traffic.withdraw(label, f"{request}: {RATE_LIMITED}")
