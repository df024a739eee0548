"""The experiment's frame: what a wait missed is the test's failure, what harm stays is the next one's error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acceptance.core.target import Component, Image
from acceptance.core.wait import WaitError
from acceptance.experiments import experiment
from acceptance.experiments.experiment import BaselineError, Experiment, ExperimentRunner
from acceptance.experiments.faults import FaultError, container_id, main_process, paused_container
from acceptance.kube.history import History, Version
from acceptance.provision.run import Run
from acceptance.report import timeline
from acceptance.traffic.attribution import Connection
from acceptance.traffic.availability import Availability, ExpectedRefusals
from acceptance.traffic.records import InconclusiveSampleError, Record
from acceptance.traffic.sampler import Plan, SampleRun

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

    def upgrade(self, changes: dict[str, Any]) -> None:
        self.upgrades.append(changes)


class FakeRecorder:
    def __init__(self) -> None:
        self.history = History()

    def wait_until_current(self) -> float:
        return 99.0


class FakeSampler:
    """Gives what it was told to, or finds the run void."""

    def __init__(self, *records: Record, void: bool = False) -> None:
        self.records = records
        self.void = void
        self.plans: list[Plan] = []

    @contextmanager
    def sample_all(self, plans: Mapping[str, Plan]) -> Iterator[dict[str, SampleRun]]:
        self.plans += plans.values()
        samplings = {label: SampleRun(plan, address="10.96.0.7") for label, plan in plans.items()}
        yield samplings
        for sampling in samplings.values():
            sampling.records = self.records
            if self.void:
                raise InconclusiveSampleError("late")


PLAN = Plan("h", 1, 1, "GET", "/{token}", "t", 200)


@pytest.fixture
def release() -> FakeRelease:
    return FakeRelease()


@pytest.fixture
def make(release: FakeRelease, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ExperimentRunner]:
    monkeypatch.setattr(experiment, "wait_rolled_out", lambda *_: ())

    def make(
        proof: Callable[[], object] = lambda: None,
        sampler: FakeSampler | None = None,
        publish: Callable[[Experiment], None] = lambda _: None,
    ) -> ExperimentRunner:
        return ExperimentRunner(
            release,  # type: ignore[arg-type]
            FakeRecorder(),  # type: ignore[arg-type]
            sampler or FakeSampler(),  # type: ignore[arg-type]
            proof,
            publish,
            lambda _: None,
            {"hpa": False},
        )

    return make


def test_an_experiment_begins_at_the_baseline_and_leads_back(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    published: list[Experiment] = []
    lab = make(publish=published.append)
    assert lab.unmodified
    with lab.experiment("one", backend=PLAN) as seen:
        assert not lab.unmodified
        assert release.upgrades == [{"hpa": False}]
        lab.upgrade({"tag": "other"})
    assert release.upgrades == [{"hpa": False}, {"hpa": False, "tag": "other"}, {"hpa": False}]
    assert published == [seen]
    assert seen.end == 99.0
    assert seen.traffic["backend"].plan == PLAN


def test_one_that_changed_no_value_needs_no_upgrade(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    lab = make()
    for _ in range(2):
        with lab.experiment("calm"):
            pass
    assert release.upgrades == [{"hpa": False}]


def test_harm_that_stays_makes_later_experiments_errors(make: Callable[..., ExperimentRunner]) -> None:
    answers = iter([None, WaitError("wanted an answer")])

    def proof() -> None:
        if error := next(answers):
            raise error

    lab = make(proof)
    with pytest.raises(BaselineError, match="the experiment one did not lead back"), lab.experiment("one"):
        pass
    with pytest.raises(BaselineError, match="the experiment one did not lead back"), lab.experiment("two"):
        pytest.fail("it must not begin")
    assert not issubclass(BaselineError, AssertionError)


def test_the_baseline_is_restored_where_the_disturbance_itself_fails(
    make: Callable[..., ExperimentRunner], release: FakeRelease
) -> None:
    lab = make()

    def disturb() -> None:
        with lab.experiment("one"):
            lab.upgrade({"tag": "other"})
            raise RuntimeError("no such pod")

    with pytest.raises(RuntimeError, match="no such pod"):
        disturb()
    assert release.upgrades[-1] == {"hpa": False}
    assert not lab.baseline_error


def test_void_traffic_is_an_error_and_published_nowhere(make: Callable[..., ExperimentRunner]) -> None:
    published: list[Experiment] = []
    lab = make(sampler=FakeSampler(void=True), publish=published.append)
    with pytest.raises(InconclusiveSampleError), lab.experiment("one", backend=PLAN):
        pass
    assert published == []
    assert not lab.baseline_error


def test_requests_are_attributed_by_what_the_node_has_tracked_before_they_are_published(
    make: Callable[..., ExperimentRunner],
) -> None:
    record = Record(0, 1.0, 1.0, 1.1, 0, 0, 40100, 0, "reset", echo=False, close=False, pod="")
    published: list[Experiment] = []
    lab = make(sampler=FakeSampler(record), publish=published.append)
    lab.connections = lambda: [Connection(1.0, 40100, ("10.96.0.7", PLAN.port), "10.244.0.7")]
    item = {"metadata": {"name": "shop-api-1", "uid": "1"}, "status": {"podIP": "10.244.0.7"}}
    lab.recorder.history.add(Version("Pod", 0.5, item))
    with lab.experiment("one", backend=PLAN):
        pass
    (failure,) = published[0].traffic["backend"].availability.failures
    assert failure.record.pod == "shop-api-1"


def test_a_wait_that_missed_its_deadline_fails_the_test_that_asks() -> None:
    seen = Experiment("one", History(), 0.0)

    def missing() -> None:
        raise WaitError("wanted it")

    seen.attempt("it", missing)
    seen.attempt("another", lambda: 7)
    assert not seen.came("it")
    with pytest.raises(WaitError, match="wanted it"):
        seen.took("it")
    assert seen.took("another") < 1
    assert seen.value("another") == 7
    with pytest.raises(KeyError):
        seen.took("what nobody waited for")


def test_an_error_of_another_kind_is_not_kept() -> None:
    def broken() -> None:
        raise OSError("no cluster")

    with pytest.raises(OSError, match="no cluster"):
        Experiment("one", History(), 0.0).attempt("it", broken)


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


def watched() -> Experiment:
    history = History()
    for moment, item in ((2.0, pod(ready=False)), (4.0, pod(ready=True)), (8.0, pod(ready=True, leaving=True))):
        history.add(Version("Pod", moment, item))
    history.add(Version("Pod", 9.0, pod(ready=True), deleted=True))
    history.watched_since("Pod", 0.0)
    history.complete_until("Pod", 10.0)
    seen = Experiment("one", history, 1.0, 10.0)
    records = tuple(
        Record(n, n, n, n + 0.1, 0, n, 1, 200 if n != 5 else 503, "", echo=True, close=False, pod="shop-api-1")
        for n in range(1, 10)
    )
    seen.traffic = {"backend": SampleRun(PLAN, records)}
    return seen


def test_a_pods_life_is_told_in_stretches() -> None:
    told = [(each.phase, each.start, each.end) for each in timeline.pod_phases(watched(), COMPONENT)]
    assert told == [("starting", 2.0, 4.0), ("ready", 4.0, 8.0), ("leaving", 8.0, 9.0)]


def test_a_timeline_shows_failures_pods_and_marks_and_is_the_same_each_time() -> None:
    seen = watched()
    seen.annotations.append(experiment.Annotation(3.0, "upgrade"))
    first = timeline.availability(seen, [COMPONENT])
    assert first.count("<svg") == 1
    for words in ("failed: 1 of 9", "upgrade", "shop-api"):
        assert words in first
    assert timeline.availability(seen, [COMPONENT]) == first


def test_a_timeline_tells_what_was_refused_as_meant_from_failures() -> None:
    seen = watched()
    assert "refused" not in timeline.availability(seen, [COMPONENT])
    seen.traffic["backend"].expected_refusals = ExpectedRefusals(frozenset({503}), 5.0)
    drawn = timeline.availability(seen, [COMPONENT])
    for words in ("failed: 0 of 9", "refused as meant: 1"):
        assert words in drawn


def test_curves_show_every_row() -> None:
    drawn = timeline.curves([], 0.0, 10.0, {"replicas": {"wanted": [(0.0, 2.0), (5.0, 5.0)], "Ready": []}})
    assert all(words in drawn for words in ("replicas", "wanted", "Ready"))


def test_rates_and_percentiles_are_of_their_own_time() -> None:
    assert timeline.rate([10.0, 10.9, 12.0, 99.0], 10.0, 13.0) == [(10.0, 2.0), (11.0, 0.0), (12.0, 1.0)]
    records = watched().traffic["backend"].records
    slow = [replace(record, sent=record.sent + 20, done=record.sent + 22) for record in records]
    points = timeline.slowest([*records, *slow], 1.0, 30.0)
    assert [(moment, round(value, 3)) for moment, value in points] == [(1.0, 0.1), (21.0, 2.0)]


class FakeNode:
    """The node of a run in a folder, with one task, which can be paused."""

    node = "node-1"

    def __init__(self, folder: Path, *, leaves: bool = False) -> None:
        self.run = Run("0badc0de", folder, kept=False)
        self.state = "RUNNING"
        self.leaves = leaves

    def node_exec(self, *argv: str) -> str:
        match argv[-2:]:
            case ["task", "ls"]:
                task = "" if self.leaves and self.state == "PAUSED" else f"abc 4711 {self.state}\n"
                return f"TASK PID STATUS\n{task}"
            case ["pause", "abc"]:
                self.state = "PAUSED"
            case ["resume", "abc"]:
                self.state = "RUNNING"
        return ""


def test_a_freeze_undoes_itself_even_where_its_body_fails(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)

    def freeze() -> None:
        with paused_container(node, pod(ready=True), "api"):  # type: ignore[arg-type]
            assert node.state == "PAUSED"
            raise RuntimeError("while frozen")

    with pytest.raises(RuntimeError, match="while frozen"):
        freeze()
    assert node.state == "RUNNING"


def test_a_container_that_was_restarted_meanwhile_is_not_thawed(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, leaves=True)
    with paused_container(node, pod(ready=True), "api"):  # type: ignore[arg-type]
        pass
    assert node.state == "PAUSED"


def test_a_container_that_does_not_run_is_no_finding(tmp_path: Path) -> None:
    assert main_process(FakeNode(tmp_path), pod(ready=True), "api") == 4711  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="container other of pod shop-api-1 does not run"):
        container_id(pod(ready=True), "other")


def test_availability_of_nothing_is_no_verdict() -> None:
    with pytest.raises(InconclusiveSampleError):
        assert SampleRun(PLAN).availability
    assert Availability((), ()).longest_outage == 0.0
