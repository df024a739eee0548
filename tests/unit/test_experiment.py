"""The experiment runner: a failed wait fails its test, and an unrestored baseline is the next experiment's error."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from acceptance.checks.finding import Untested
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.rules import ROOT
from acceptance.core.target import Component, Image, Values
from acceptance.core.wait import WaitError
from acceptance.experiments import experiment, steps
from acceptance.experiments import runner as runner_module
from acceptance.experiments.experiment import SKIPPED, Experiment, Traffic
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import BaselineError, ExperimentRunner, UnfinishedError
from acceptance.experiments.steps import Step, rollout_step, run_step
from acceptance.kube.history import History, Version
from acceptance.plugin.collection import experiments_are_last
from acceptance.report import timeline
from acceptance.report.experiments import attempt_at
from acceptance.report.results import Attempt
from acceptance.traffic.attribution import Connection
from acceptance.traffic.availability import Availability, ExpectedRefusals
from acceptance.traffic.machine_load import LoadSample, MachineLoad, StarvedMachineError
from acceptance.traffic.plans import Plan, StoredIn
from acceptance.traffic.records import InconclusiveSampleError, Record
from acceptance.traffic.sampler import SampleRun
from acceptance.traffic.write_ledger import Ledger, Write, reconcile

COMPONENT = Component(
    deployment="shop-api",
    service="shop-api",
    container="api",
    port=8000,
    service_port=8000,
    labels={"component": "api"},
    replicas=1,
    image=Image(repository="shop-api", max_bytes=1),
)


class FakeRelease:
    """Remembers what it was upgraded to."""

    def __init__(self) -> None:
        self.upgrades: list[dict[str, Any]] = []
        self.objects = None
        self.target = self
        self.components = {"backend": COMPONENT}
        self.strict = False
        self.values = Values()

    def upgrade(self, changes: dict[str, Any], _: Mapping[str, str] | None = None) -> None:
        self.upgrades.append(changes)


class FakeRecorder:
    def __init__(self) -> None:
        self.history = History()

    def wait_until_current(self) -> float:
        return 99.0


class FakeSampler:
    """Returns given records, or finds them inconclusive."""

    def __init__(self, *records: Record, inconclusive: bool = False, load: MachineLoad | None = None) -> None:
        self.load = load or MachineLoad()
        self.records = records
        self.inconclusive = inconclusive
        self.plans: list[Plan] = []

    @contextmanager
    def sample_all(self, plans: Mapping[str, Plan]) -> Iterator[dict[str, SampleRun]]:
        self.plans += plans.values()
        samplings = {label: SampleRun(plan, address="10.96.0.7") for label, plan in plans.items()}
        yield samplings
        for sampling in samplings.values():
            sampling.records = self.records
            if self.inconclusive:
                raise InconclusiveSampleError("late")

    def machine_load(self, _since: float) -> MachineLoad:
        return self.load


PLAN = Plan("h", 1, 1, "GET", "/{token}", "t", 200)


@pytest.fixture
def release() -> FakeRelease:
    return FakeRelease()


@pytest.fixture
def make(release: FakeRelease, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExperimentRunner]:
    monkeypatch.setattr(runner_module, "wait_rolled_out", lambda *_: ())

    def make(
        verify_serving: Callable[[], object] = lambda: None,
        sampler: FakeSampler | None = None,
        publish: Callable[[Experiment], None] = lambda _: None,
        plan_obstacle: Callable[[Plan], str | None] = lambda _: None,
    ) -> ExperimentRunner:
        return ExperimentRunner(
            release,  # type: ignore[arg-type]
            FakeRecorder(),  # type: ignore[arg-type]
            sampler or FakeSampler(),  # type: ignore[arg-type]
            verify_serving,
            publish,
            lambda _: None,
            {"hpa": False},
            plan_obstacle=plan_obstacle,
        )

    return make


def test_experiment_starts_from_the_baseline_and_restores_it(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    published: list[Experiment] = []
    runner = make(publish=published.append)
    assert runner.unmodified
    with runner.experiment("one", backend=PLAN) as run:
        assert not runner.unmodified
        assert release.upgrades == [{"hpa": False}]
        runner.upgrade({"tag": "other"})
    assert release.upgrades == [{"hpa": False}, {"hpa": False, "tag": "other"}, {"hpa": False}]
    assert published == [run]
    assert run.end == 99.0
    assert run.traffic["backend"].plan == PLAN


def test_refused_plan_leaves_the_other_plans(make: Callable[..., ExperimentRunner]) -> None:
    runner = make(plan_obstacle=lambda plan: "the page does not echo" if plan.path == "/page" else None)
    with runner.experiment("one", backend=PLAN, frontend=replace(PLAN, path="/page")) as run:
        pass
    assert list(run.traffic) == ["backend"]
    with pytest.raises(Untested, match="the page does not echo"):
        run.traffic["frontend"]
    with pytest.raises(Untested, match="sent no requests to the chat"):
        run.traffic["chat"]


def test_experiment_without_a_possible_plan_disturbs_nothing(make: Callable[..., ExperimentRunner]) -> None:
    runner = make(plan_obstacle=lambda _: "the page does not echo")
    with pytest.raises(Untested, match="the page does not echo"), runner.experiment("one", backend=PLAN):
        pytest.fail("the body ran")


def test_silence_before_the_disturbance_is_inconclusive_on_a_starved_machine(
    make: Callable[..., ExperimentRunner],
) -> None:
    def plan_obstacle(_: Plan) -> None:
        raise AssertionError("GET /: expected an answer, got none")

    with (
        pytest.raises(AssertionError, match="expected an answer"),
        make(plan_obstacle=plan_obstacle).experiment("one", backend=PLAN),
    ):
        pytest.fail("the body ran")
    load = MachineLoad(tuple(LoadSample(moment, 0.9, 0.0) for moment in (0.0, 1.0, 2.0)))
    starved = make(plan_obstacle=plan_obstacle, sampler=FakeSampler(load=load))
    message = r"expected an answer, got none, before anything was disturbed, while the machine was starved of CPU time"
    with pytest.raises(StarvedMachineError, match=message), starved.experiment("one", backend=PLAN):
        pytest.fail("the body ran")


def test_experiment_without_changed_values_needs_no_upgrade(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    runner = make()
    for _ in range(2):
        with runner.experiment("unchanged"):
            pass
    assert release.upgrades == [{"hpa": False}]


def test_unrestored_baseline_is_an_error_of_later_experiments(make: Callable[..., ExperimentRunner]) -> None:
    answers = iter([None, WaitError("expected an answer"), WaitError("expected an answer of new pods")])

    def verify_serving() -> None:
        if error := next(answers):
            raise error

    runner = make(verify_serving)
    with (
        pytest.raises(BaselineError, match="one did not restore the baseline"),
        runner.experiment("one"),
    ):
        pass
    with (
        pytest.raises(BaselineError, match="one did not restore the baseline"),
        runner.experiment("two"),
    ):
        pytest.fail("it must not start")
    assert not issubclass(BaselineError, AssertionError)


def test_release_that_recovers_with_new_pods_only_is_recorded(make: Callable[..., ExperimentRunner]) -> None:
    answers: list[WaitError | None] = [None, WaitError("expected an answer"), None, None]
    deleted: list[int] = []

    def verify_serving() -> None:
        if error := answers.pop(0):
            raise error

    runner = make(verify_serving)
    runner.delete_pods = lambda: deleted.append(len(answers))
    with runner.experiment("one") as first:
        pass
    with runner.experiment("two") as second:
        pass
    assert (first.unrecovered, second.unrecovered) == ("expected an answer", "")
    assert deleted == [2]


def test_unrestored_baseline_does_not_hide_an_interrupt(make: Callable[..., ExperimentRunner]) -> None:
    answers = iter([None, WaitError("expected an answer"), WaitError("expected an answer of new pods")])

    def verify_serving() -> None:
        if error := next(answers):
            raise error

    with pytest.raises(KeyboardInterrupt), make(verify_serving).experiment("one"):
        raise KeyboardInterrupt


def test_late_recorder_makes_an_experiment_inconclusive_and_the_baseline_is_restored(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    def wait_until_current() -> float:
        raise WaitError("expected the recorder to have every Pod")

    runner = make()
    runner.recorder.wait_until_current = wait_until_current  # type: ignore[method-assign]
    with pytest.raises(InconclusiveError, match="to have every Pod"), runner.experiment("one"):
        runner.upgrade({"tag": "other"})
    assert release.upgrades[-1] == {"hpa": False}


def test_refused_upgrade_to_the_baseline_is_tried_again(
    make: Callable[..., ExperimentRunner], release: FakeRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make()
    with runner.experiment("one"):
        pass
    runner.upgrade({"tag": "other"})
    upgrade = release.upgrade
    monkeypatch.setattr(release, "upgrade", lambda *_: pytest.fail("refused"))
    with pytest.raises(pytest.fail.Exception):
        runner.upgrade({})
    monkeypatch.setattr(release, "upgrade", upgrade)
    with runner.experiment("two"):
        pass
    assert release.upgrades[-1] == {"hpa": False}


def test_lost_write_of_an_inconclusive_attempt_is_kept(make: Callable[..., ExperimentRunner]) -> None:
    ledger = Ledger(StoredIn("tasks", "task", "title"), reconcile([Write("t-0", acknowledged=True)], {}))
    runner = make(sampler=FakeSampler(inconclusive=True))
    runner.reconcile = lambda _: {"backend: tasks": ledger}
    with pytest.raises(InconclusiveSampleError), runner.experiment("one", backend=PLAN):
        pass
    (ended,) = runner.ended
    assert ended.inconclusive
    assert ended.ledgers["backend: tasks"].findings("PER-05")


def test_baseline_is_restored_if_the_disturbance_fails(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    runner = make()

    def disturb() -> None:
        with runner.experiment("one"):
            runner.upgrade({"tag": "other"})
            raise RuntimeError("no such pod")

    with pytest.raises(RuntimeError, match="no such pod"):
        disturb()
    assert release.upgrades[-1] == {"hpa": False}
    assert not runner.baseline_error


@pytest.mark.parametrize("error", [RuntimeError("no such pod"), Untested("no form"), KeyError("id")])
def test_experiment_that_ends_early_keeps_its_ledgers(make: Callable[..., ExperimentRunner], error: Exception) -> None:
    """What was acknowledged before must be stored, whatever has ended the experiment."""
    ledger = Ledger(StoredIn("tasks", "task", "title"), reconcile([Write("t-0", acknowledged=True)], {}))
    published: list[Experiment] = []
    runner = make(publish=published.append)
    runner.reconcile = lambda _: {"backend: tasks": ledger}
    with pytest.raises(type(error)) as raised, runner.experiment("one", backend=PLAN):
        raise error
    assert raised.value is error
    (ended,) = runner.ended
    assert isinstance(ended.inconclusive, UnfinishedError)
    assert str(ended.inconclusive) == f"{type(error).__name__}: {error}"
    assert ended.ledgers["backend: tasks"].findings("PER-05")
    assert published == [ended]


def test_experiment_that_does_not_restore_the_baseline_keeps_its_ledgers(
    make: Callable[..., ExperimentRunner],
) -> None:
    answers = iter([None, WaitError("expected an answer"), WaitError("expected an answer of new pods")])

    def verify_serving() -> None:
        if error := next(answers):
            raise error

    runner = make(verify_serving)
    with pytest.raises(BaselineError), runner.experiment("one", backend=PLAN):
        pass
    assert [each.name for each in runner.ended] == ["one"]


def test_inconclusive_attempt_is_published_as_such(make: Callable[..., ExperimentRunner]) -> None:
    published: list[Experiment] = []
    runner = make(sampler=FakeSampler(inconclusive=True), publish=published.append)
    with pytest.raises(InconclusiveSampleError), runner.experiment("one", backend=PLAN):
        pass
    assert [str(each.inconclusive) for each in published] == ["late"]
    assert not runner.baseline_error


FAILED = Record(0, 10.0, 10.0, 12.0, 0, 0, 40100, 503, "", echo=False, close=False, pod="")


@pytest.mark.parametrize(
    ("samples", "inconclusive"),
    [
        ([(9.5, 0.0, 0.0), (10.0, 0.4, 0.1), (10.5, 0.4, 0.1), (11.0, 0.0, 0.0)], True),
        ([(9.5, 0.0, 0.0), (11.0, 0.0, 1.25)], True),
        ([(7.0, 0.0, 0.0), (7.5, 0.4, 0.0), (8.0, 0.4, 0.0), (8.5, 0.0, 0.0)], True),
        ([(9.5, 0.0, 0.0), (10.0, 0.1, 0.1), (10.5, 0.1, 0.1)], False),
        ([(9.5, 0.0, 0.0), (9.75, 0.4, 0.0), (10.0, 0.0, 0.0)], False),
        ([(1.0, 0.0, 0.0), (1.5, 0.4, 0.0), (2.0, 0.4, 0.0), (2.5, 0.0, 0.0)], False),
        ([(12.5, 0.0, 0.0), (13.0, 0.4, 0.0), (13.5, 0.4, 0.0)], False),
        ([], False),
    ],
    ids=["steal", "late", "before", "little", "short", "long before", "after", "no samples"],
)
def test_failure_on_a_starved_machine_is_inconclusive(
    make: Callable[..., ExperimentRunner], samples: list[tuple[float, float, float]], inconclusive: bool
) -> None:
    load = MachineLoad(tuple(LoadSample(*sample) for sample in samples))
    runner = make(sampler=FakeSampler(FAILED, load=load))
    if inconclusive:
        with pytest.raises(StarvedMachineError, match="1 requests failed"), runner.experiment("one", backend=PLAN):
            pass
    else:
        with runner.experiment("one", backend=PLAN) as run:
            pass
        assert run.traffic["backend"].availability.failures


@pytest.mark.parametrize("strict", [True, False])
def test_traffic_that_a_rate_limit_refuses_is_untested(
    make: Callable[..., ExperimentRunner], release: FakeRelease, *, strict: bool
) -> None:
    """Many applications allow each address some hundred requests in a quarter of an hour."""
    release.strict = strict
    runner = make(sampler=FakeSampler(replace(FAILED, status=429)))
    with runner.experiment("one", backend=PLAN) as run:
        pass
    if strict:
        assert [each.reason for each in run.traffic["backend"].availability.failures] == ["status 429 instead of 200"]
        return
    with pytest.raises(Untested, match=r"^1 of 1 requests GET /\{token\}: refused by the application's rate limit"):
        assert run.traffic["backend"]


def test_failure_beside_a_starvation_stays_a_finding(make: Callable[..., ExperimentRunner]) -> None:
    starved = MachineLoad((LoadSample(9.5, 0.0, 0.0), LoadSample(11.0, 0.5, 1.0)))
    later = replace(FAILED, number=1, due=30.0, sent=30.0, done=30.1)
    runner = make(sampler=FakeSampler(FAILED, later, load=starved))
    with runner.experiment("one", backend=PLAN) as run:
        pass
    assert len(run.traffic["backend"].availability.failures) == 2


def test_inconclusive_experiment_is_repeated_once(make: Callable[..., ExperimentRunner]) -> None:
    published: list[Experiment] = []
    sampler = FakeSampler(FAILED, load=MachineLoad((LoadSample(9.5, 0.0, 0.0), LoadSample(11.0, 0.5, 1.0))))
    runner = make(sampler=sampler, publish=published.append)

    @repeat_if_inconclusive
    def one(experiments: ExperimentRunner) -> Experiment:
        with experiments.experiment("one", backend=PLAN) as run:
            pass
        sampler.load = MachineLoad()
        return run

    with pytest.raises(StarvedMachineError):
        one(runner)
    assert [each.inconclusive is None for each in published] == [False, False]
    attempts: list[Attempt] = []
    for each in published:
        attempts.append(attempt_at(each, attempts))
    assert [(each.number, each.max_lateness) for each in attempts] == [(1, 1.0), (2, 1.0)]


def test_conclusive_experiment_is_not_repeated(make: Callable[..., ExperimentRunner]) -> None:
    published: list[Experiment] = []
    runner = make(sampler=FakeSampler(FAILED), publish=published.append)

    @repeat_if_inconclusive
    def one(experiments: ExperimentRunner) -> Experiment:
        with experiments.experiment("one", backend=PLAN) as run:
            pass
        return run

    assert one(runner).traffic["backend"].availability.failures
    assert len(published) == 1


@pytest.mark.parametrize(("order", "last"), [("", True), ("..", True), ("..ee", True), ("e", True), (".e.e", False)])
def test_tests_after_an_experiment_are_noticed(order: str, *, last: bool) -> None:
    class Item:
        def __init__(self, kind: str) -> None:
            self.kind = kind

        def get_closest_marker(self, name: str) -> object:
            return name if self.kind == "e" else None

    assert experiments_are_last(map(Item, order)) == last  # type: ignore[arg-type]


def test_every_experiment_with_traffic_can_be_repeated() -> None:
    unmarked = []
    for path in (ROOT / "tests" / "behaviour").glob("test_*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.keywords]
            made = [call for call in calls if ast.unparse(call.func) == "experiments.experiment"]
            if made and "repeat_if_inconclusive" not in map(ast.unparse, function.decorator_list):
                unmarked.append(f"{path.name}: {function.name}")
    assert unmarked == []


def test_requests_are_attributed_before_publishing(
    make: Callable[..., ExperimentRunner],
) -> None:
    record = Record(0, 1.0, 1.0, 1.1, 0, 0, 40100, 0, "reset", echo=False, close=False, pod="")
    published: list[Experiment] = []
    runner = make(sampler=FakeSampler(record), publish=published.append)
    runner.connections = lambda: [Connection(1.0, 40100, ("10.96.0.7", PLAN.port), "10.244.0.7")]
    item = {"metadata": {"name": "shop-api-1", "uid": "1"}, "status": {"podIP": "10.244.0.7"}}
    runner.recorder.history.add(Version("Pod", 0.5, item))
    with runner.experiment("one", backend=PLAN):
        pass
    (failure,) = published[0].traffic["backend"].availability.failures
    assert failure.record.pod == "shop-api-1"


def fail(message: str) -> Callable[[], None]:
    """A wait that fails."""

    def wait() -> None:
        raise WaitError(message)

    return wait


def test_failed_wait_raises_in_the_test_that_asks_for_it() -> None:
    run = Experiment("one", History(), 0.0)
    failed = run.wait_for("pod Ready", fail("expected it"))
    assert not failed.ok
    for ask in (lambda: failed.value, lambda: failed.seconds, failed.raise_if_failed):
        with pytest.raises(WaitError, match="expected it"):
            ask()
    assert [annotation.text for annotation in run.annotations] == ["failed: pod Ready"]


def test_successful_wait_has_its_value_and_duration() -> None:
    run = Experiment("one", History(), 0.0)
    result = run.wait_for("pod Ready", lambda: 7)
    result.raise_if_failed()
    assert result.ok
    assert result.value == 7
    assert result.seconds < 1
    assert run.annotations == []


def test_wait_that_was_not_reached_raises() -> None:
    with pytest.raises(WaitError, match="an earlier wait of the experiment failed"):
        SKIPPED.raise_if_failed()


def test_other_errors_of_a_wait_are_raised_at_once() -> None:
    def broken() -> None:
        raise OSError("no cluster")

    with pytest.raises(OSError, match="no cluster"):
        Experiment("one", History(), 0.0).wait_for("pod Ready", broken)


def test_step_disturbs_waits_and_dwells(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(steps, "dwell", lambda seconds, _: calls.append(seconds))
    run = Experiment("one", History(), 0.0)

    def delete() -> list[str]:
        calls.append("deleted")
        return ["pod-1"]

    def replaced(pods: list[str]) -> int:
        calls.append(f"{pods} replaced")
        return len(pods)

    step = Step("backend: one pod deleted", delete, replaced, "backend", "deleted")
    result = run_step(run, step, quiet=2.0)
    assert calls == ["deleted", "['pod-1'] replaced", 2.0]
    assert (result.step, result.affected, result.recovery.value) == (step, ["pod-1"], 1)
    assert [annotation.text for annotation in run.annotations] == ["backend: one pod deleted"]
    assert result.interval.start == run.annotations[0].moment
    assert result.interval.seconds == pytest.approx(-1.0, abs=0.5)  # half of the quiet time, which did not pass here


def test_step_that_does_not_recover_has_a_failed_recovery() -> None:
    run = Experiment("one", History(), 0.0)
    result = run_step(run, Step("upgrade", lambda: None, lambda _: fail("not rolled out")()))
    assert not result.recovery.ok
    assert [annotation.text for annotation in run.annotations] == ["upgrade", "failed: upgrade"]


def test_rollout_step_recovers_when_every_rollout_is_complete(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    runner = make()
    with runner.experiment("one") as run:
        result = run_step(run, rollout_step(runner, "upgrade", lambda: runner.upgrade({"tag": "other"})))
    assert result.recovery.ok
    assert release.upgrades == [{"hpa": False}, {"hpa": False, "tag": "other"}, {"hpa": False}]


def test_run_until_counts_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    dwelt: list[float] = []
    monkeypatch.setattr(experiment, "dwell", lambda seconds, _: dwelt.append(seconds))
    Experiment("one", History(), time.time() - 3).run_until(10)
    assert dwelt == [pytest.approx(7, abs=0.5)]


def pod(*, ready: bool, leaving: bool = False) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "shop-api-1",
            "uid": "1",
            "labels": {"component": "api", "pod-template-hash": "r1"},
            **({"deletionTimestamp": "now"} if leaving else {}),
        },
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "api", "containerID": "containerd://abc"}],
        },
    }


def recorded_experiment() -> Experiment:
    history = History()
    for moment, item in ((2.0, pod(ready=False)), (4.0, pod(ready=True)), (8.0, pod(ready=True, leaving=True))):
        history.add(Version("Pod", moment, item))
    history.add(Version("Pod", 9.0, pod(ready=True), deleted=True))
    history.watched_since("Pod", 0.0)
    history.complete_until("Pod", 10.0)
    run = Experiment("one", history, 1.0, 10.0)
    records = tuple(
        Record(n, n, n, n + 0.1, 0, n, 1, 200 if n != 5 else 503, "", echo=True, close=False, pod="shop-api-1")
        for n in range(1, 10)
    )
    run.traffic = Traffic({"backend": SampleRun(PLAN, records)})
    return run


def test_pod_phases_follow_its_status() -> None:
    phases = [(each.phase, each.start, each.end) for each in timeline.pod_phases(recorded_experiment(), COMPONENT)]
    assert phases == [("starting", 2.0, 4.0), ("ready", 4.0, 8.0), ("leaving", 8.0, 9.0)]


def test_timeline_shows_failures_pods_and_annotations() -> None:
    run = recorded_experiment()
    run.annotations.append(experiment.Annotation(3.0, "upgrade"))
    first = timeline.availability(run, [COMPONENT])
    assert first.count("<svg") == 1
    for words in ("failed: 1 of 9", "upgrade", "shop-api"):
        assert words in first
    assert timeline.availability(run, [COMPONENT]) == first


def test_timeline_separates_expected_refusals_from_failures() -> None:
    run = recorded_experiment()
    assert "refused" not in timeline.availability(run, [COMPONENT])
    run.traffic["backend"].expected_refusals = ExpectedRefusals(frozenset({503}), 5.0)
    drawn = timeline.availability(run, [COMPONENT])
    for words in ("failed: 0 of 9", "refused as expected: 1"):
        assert words in drawn


def test_curves_show_every_row() -> None:
    drawn = timeline.curves([], 0.0, 10.0, {"replicas": {"desired": [(0.0, 2.0), (5.0, 5.0)], "Ready": []}})
    assert all(words in drawn for words in ("replicas", "desired", "Ready"))


def test_rates_and_percentiles_are_per_interval() -> None:
    assert timeline.rate([10.0, 10.9, 12.0, 99.0], 10.0, 13.0) == [(10.0, 2.0), (11.0, 0.0), (12.0, 1.0)]
    records = recorded_experiment().traffic["backend"].records
    slow = [replace(record, sent=record.sent + 20, done=record.sent + 22) for record in records]
    points = timeline.slowest([*records, *slow], 1.0, 30.0)
    assert [(moment, round(value, 3)) for moment, value in points] == [(1.0, 0.1), (21.0, 2.0)]


def test_availability_without_records_is_inconclusive() -> None:
    with pytest.raises(InconclusiveSampleError):
        assert SampleRun(PLAN).availability
    assert Availability((), ()).longest_outage == 0.0
