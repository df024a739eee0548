"""Pods are deleted and processes killed under traffic: nothing acknowledged is lost, and pods are replaced in time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.prompts import spoken_in
from acceptance.client.user import User, wait_answered
from acceptance.core.deadlines import ENDPOINT_GONE, POD_REPLACED
from acceptance.core.fields import Object, name_of
from acceptance.core.interval import Interval
from acceptance.core.target import COMPONENTS, Component, ComponentName
from acceptance.core.wait import WaitError
from acceptance.experiments import faults
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.recovery import late_findings, uids, wait_replaced, wait_restarted
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.steps import Step, StepResult, run_step
from acceptance.kube.status import is_ready, pods_of, restarts_of
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.changes import Changer
from acceptance.traffic.outages import OutageBound
from acceptance.traffic.plans import chat_turns, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError
from acceptance.traffic.write_ledger import Ledger

pytestmark = pytest.mark.timeout(900)
"""Eight steps and those of `SUCCESSIVE_SECONDS`, each with a recovery of up to a minute."""
WRITES_PER_SECOND = 10.0
CHATS_PER_SECOND = 2.0
PAGES_PER_SECOND = 4.0
"""Together they take 0.2 of a core here, two fifths of the limit of the only backend pod during a replacement."""
SUCCESSIVE_SECONDS = 60.0
"""How long backend pods are deleted one after the other."""
QUIET_SECONDS = 2.0
"""Time after each recovery, so that its outage ends within its own interval."""
GRACEFUL = "deleted gracefully"
IMMEDIATE = "deleted without grace period"
KILLED = "main process killed"
GRACE_PERIOD = {GRACEFUL: None, IMMEDIATE: 0}
"""Seconds; None for the pod's own."""

PodStep = Step[list[Object], list[Object]]
"""It affects some pods, and recovers with the Ready pods in their place."""
PodStepResult = StepResult[list[Object], list[Object]]


@dataclass
class Conversation:
    """A conversation that gets one turn after each recovery."""

    user: User
    id: object = None
    messages: list[str] = field(default_factory=list)

    def add_turn(self) -> None:
        message = f"word {secrets.token_hex(6)}"
        answer = self.user.send_message(message, self.id)
        self.id = self.user.conversation_of(answer)
        self.messages.append(message)


@dataclass(frozen=True)
class PodKills:
    """The experiment, its steps, and a conversation that went on meanwhile."""

    experiment: Experiment
    steps: list[PodStepResult]
    conversation: Conversation
    turns: list[WaitResult[None]]
    """The conversation's first turn, and that after each recovery of the backend; none if it can't be continued."""

    def ledger(self, traffic: str, what: str) -> Ledger:
        """Return the ledger, compared with PostgreSQL; raises `Untested` if the release's database is not the run's."""
        label = f"{traffic}: {what}"
        if label not in self.experiment.ledgers:
            raise Untested(f"the ledger of {label} could not be compared with PostgreSQL, or no write was acknowledged")
        return self.experiment.ledgers[label]

    def of(self, component: str, *kinds: str) -> list[PodStepResult]:
        return [each for each in self.steps if each.step.component == component and each.step.kind in kinds]


def require_disturbed(pods: list[Object], component: str) -> None:
    """Raise `WaitError` if there was no pod to disturb: the release has not recovered from the step before."""
    if not pods:
        raise WaitError(f"expected a Ready pod of the {component} after the step before, got none")


def deletion(experiments: ExperimentRunner, name: str, component: str, kind: str, pods: int) -> PodStep:
    """Delete the oldest Ready pods; recovered when as many others are Ready."""
    part, cluster = experiments.target.component(component), experiments.release.cluster

    def delete_pods() -> list[Object]:
        chosen = [pod for pod in experiments.pods(part) if is_ready(pod)][:pods]
        for pod in chosen:
            faults.delete(cluster, pod, GRACE_PERIOD[kind])
        return chosen

    def replaced(deleted: list[Object]) -> list[Object]:
        require_disturbed(deleted, component)
        return wait_replaced(experiments, part, uids(deleted))

    return Step(f"{component}: {name} {kind}", delete_pods, replaced, component, kind, restarts=False)


def process_kill(experiments: ExperimentRunner, component: str) -> PodStep:
    """Kill a container's main process; recovered when the same pod is Ready again."""
    part, cluster = experiments.target.component(component), experiments.release.cluster

    def kill_process() -> list[Object]:
        chosen = [pod for pod in experiments.pods(part) if is_ready(pod)][:1]
        for pod in chosen:
            faults.kill(cluster, pod, part.container)
        return chosen

    def restarted(killed: list[Object]) -> list[Object]:
        require_disturbed(killed, component)
        return [wait_restarted(experiments, part, pod) for pod in killed]

    return Step(f"{component}: {KILLED}", kill_process, restarted, component, KILLED)


def planned_steps(experiments: ExperimentRunner) -> Iterator[PodStep]:
    """One kill of each kind per component; then backend pods one after the other, for `SUCCESSIVE_SECONDS`."""
    for component in COMPONENTS:
        replicas = experiments.target.component(component).replicas
        yield deletion(experiments, "one pod", component, GRACEFUL, 1)
        yield deletion(experiments, "one pod", component, IMMEDIATE, 1)
        yield process_kill(experiments, component)
        yield deletion(experiments, "all pods", component, IMMEDIATE, replicas)
    start, number = time.time(), 0
    while time.time() - start < SUCCESSIVE_SECONDS:
        number += 1
        yield deletion(experiments, f"pod {number} in succession", "backend", IMMEDIATE if number % 2 else GRACEFUL, 1)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def pod_kills(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
) -> PodKills:
    """Pods are deleted and processes killed in turn, under traffic, during a conversation."""
    plans = {
        "backend": task_writes(writer, WRITES_PER_SECOND),
        "frontend": page_views(reader, PAGES_PER_SECOND),
    }
    if not writer.chat_obstacle:
        plans["chat"] = chat_turns(writer, CHATS_PER_SECOND)
    conversation, steps, turns = Conversation(reader), [], []
    changer = Changer(reader, experiments.release.origin)
    with experiments.experiment("kills", **plans) as experiment, changer.changing() as experiment.changes:
        converses = "chat" in plans and experiments.target.api.conversation_field is not None
        if converses:
            try:
                turns.append(experiment.wait_for("first chat turn", conversation.add_turn))
            except Untested:  # such as a stream: the rest of the experiment needs no conversation
                converses = False
        for step in planned_steps(experiments):
            result = run_step(experiment, step, QUIET_SECONDS)
            steps.append(result)
            if converses and step.component == "backend" and result.recovery.ok:
                experiment.wait_for("the backend's Service", lambda: wait_answered(reader.gateway, "backend"))
                turns.append(experiment.wait_for(f"chat turn after {step.name}", conversation.add_turn))
    return PodKills(experiment, steps, conversation, turns)


@pytest.mark.rule("PER-05")
def test_acknowledged_writes_are_stored_once(pod_kills: PodKills, experiments: ExperimentRunner) -> None:
    report_findings(pod_kills.ledger("backend", "tasks").findings("PER-05"), experiments.target)


@pytest.mark.rule("PER-04", "PER-05")
def test_acknowledged_chat_turns_are_stored_once(
    pod_kills: PodKills, writer: User, experiments: ExperimentRunner
) -> None:
    assert writer.chat_path
    findings = [
        finding
        for what in ("user messages", "assistant messages", "tasks by chat")
        for rule in ("PER-04", "PER-05")
        for finding in pod_kills.ledger("chat", what).findings(rule)
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-04")
def test_conversation_survives_kills(pod_kills: PodKills, reader: User, experiments: ExperimentRunner) -> None:
    api, tables, conversation = experiments.target.api, experiments.target.tables, pod_kills.conversation
    assert reader.chat_path
    if not pod_kills.turns:
        raise Untested("the target names no field that continues a conversation, or no turn can be read")
    pod_kills.turns[0].raise_if_failed()
    texts = [text for _, text in spoken_in(api, reader.messages(conversation.id))]
    counts = [texts.count(message) for message in conversation.messages]
    findings = []
    for turn in pod_kills.turns:
        if not turn.ok:
            object_ = f"Service/{experiments.target.component('backend').service}"
            expected = "answered as soon as the backend has recovered"
            findings.append(Finding("PER-04", object_, "chat turn", expected, str(turn.outcome)))
    if counts != [1] * len(counts) or len(texts) != 2 * len(counts):
        expected = f"each of {len(counts)} turns once, with one answer"
        actual = f"{counts}, {len(texts)} messages"
        findings.append(Finding("PER-04", f"Table/{tables.message}", "messages of one conversation", expected, actual))
    report_findings(findings, experiments.target)
    turns = len(pod_kills.turns)
    assert turns > 4, f"expected a turn at first and after each recovery of the backend, got {turns}"


@pytest.mark.rule("POD-17")
@pytest.mark.parametrize("component", COMPONENTS)
def test_deleted_pod_is_replaced_in_time(
    pod_kills: PodKills, component: str, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    deletions = pod_kills.of(component, GRACEFUL, IMMEDIATE)
    assert len(deletions) >= 3, f"expected three deletions at least, got {len(deletions)}"
    part, findings = experiments.target.component(component), []
    for each in deletions:
        limit = Limit.of(POD_REPLACED)
        record_measurement(f"{each.step.name}: Ready again", each.recovery.seconds, "s", limit)
        object_ = f"Deployment/{part.deployment}"
        findings += late_findings(
            "POD-17", object_, f"{each.step.name}: Ready again", each.recovery, experiments.target
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-09", "POD-05")
@pytest.mark.parametrize("component", COMPONENTS)
def test_killed_process_is_restarted_once_in_its_pod(
    pod_kills: PodKills,
    component: str,
    experiments: ExperimentRunner,
    record_measurement: RecordMeasurement,
) -> None:
    (kill,) = pod_kills.of(component, KILLED)
    record_measurement(f"{kill.step.name}: Ready again", kill.recovery.seconds, "s", Limit.of(POD_REPLACED))
    (before,), (after,) = kill.affected, kill.recovery.value
    expected, actual = restarts_of(before) + 1, restarts_of(after)
    findings = [
        Finding(rule, f"Pod/{name_of(before)}", "restartCount", f"{expected}", f"{actual}")
        for rule in ("STA-09", "POD-05")
        if actual != expected
    ]
    findings += late_findings("STA-09", f"Pod/{name_of(before)}", kill.step.name, kill.recovery, experiments.target)
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-09")
def test_graceful_deletion_fails_no_request(pod_kills: PodKills, experiments: ExperimentRunner) -> None:
    """No request may fail if another pod is Ready all the time."""
    backend = experiments.target.component("backend")
    if backend.replicas < 2:
        raise Untested("the target has one backend pod, so no other can be Ready")
    intervals = [
        each.interval
        for each in pod_kills.of("backend", GRACEFUL)
        if one_pod_is_always_ready(pod_kills, backend, each.interval)
    ]
    assert intervals, "at each deletion there was a time without a Ready pod"
    findings = []
    for label in pod_kills.experiment.traffic.keys() & {"backend", "chat"}:
        for interval in intervals:
            availability = pod_kills.experiment.traffic[label].availability.between(interval)
            if not availability.records:
                raise InconclusiveSampleError(f"{label}: no request was sent during a graceful deletion")
            findings += failed_request_findings("STA-09", f"Service/{backend.service}", availability)
    report_findings(findings, experiments.target)


def one_pod_is_always_ready(pod_kills: PodKills, component: Component, interval: Interval) -> bool:
    """Return whether, at every change in the interval, a pod was Ready and not being deleted."""
    states = pod_kills.experiment.history.states("Pod", interval.start, interval.end)
    return all(any(is_ready(pod) for pod in pods_of(state.objects, component)) for state in states)


def outage_bound(pod_kills: PodKills, component: Component, step: PodStepResult) -> OutageBound:
    """Return the bound of one step, which depends on whether another pod is Ready all the time."""
    if not one_pod_is_always_ready(pod_kills, component, step.interval):
        return OutageBound(POD_REPLACED.seconds, POD_REPLACED.source)
    killed = frozenset(name_of(pod) for pod in step.affected)
    if step.step.kind == GRACEFUL:
        return OutageBound(0.0, "a pod that is deleted gracefully answers until no request reaches it")
    return OutageBound(ENDPOINT_GONE.seconds, ENDPOINT_GONE.source, killed)


@pytest.mark.rule("STA-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_every_outage_ends(
    pod_kills: PodKills,
    component: ComponentName,
    experiments: ExperimentRunner,
    record_measurement: RecordMeasurement,
) -> None:
    """In each step requests fail within its bound only; after the last step none fails."""
    part, traffic = experiments.target.component(component), pod_kills.experiment.traffic
    findings = []
    for step in pod_kills.of(component, GRACEFUL, IMMEDIATE, KILLED):
        bound = outage_bound(pod_kills, part, step)
        limit = Limit(bound.longest, f"STA-09: {bound.source}")
        for label in traffic if component == "backend" else [component]:
            availability = traffic[label].availability
            during = availability.between(step.interval)
            failed = f"{label}: {len(during.failures)} of {len(during.records)} failed"
            outage = round(during.longest_outage, 2)
            record_measurement(f"{step.step.name}: longest outage ({failed})", outage, "s", limit)
            through = replace(bound, pods=None) if label == "frontend" != component else bound
            found = through.findings(step.step.name, step.interval, availability, traffic[label].plan.service)
            by_start = bound.source == POD_REPLACED.source  # how long a start may take is a derived figure
            findings += of_derived_part(found, experiments.target) if by_start else found
    availability = traffic[component].availability
    last = availability.records[-1].sent
    end = availability.between(Interval(last - QUIET_SECONDS / 2, last))
    findings += failed_request_findings("STA-09", f"Service/{part.service}", end)
    report_findings(findings, experiments.target)
