"""Kills while writers write: nothing acknowledged is lost, pods come back by themselves, outages are measured."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User
from acceptance.core.deadlines import POD_REPLACED
from acceptance.core.fields import Object, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.core.target import Component
from acceptance.core.wait import NotYet, consistently, eventually
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.faults import delete, kill
from acceptance.kube.status import is_ready, pods_of, restarts_of
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.traffic.availability import failed_request_findings
from acceptance.traffic.plans import chat_turns, page_views, task_writes
from acceptance.traffic.write_ledger import Reconciliation, count, discrepancies, reconcile, writes

COMPONENTS = ("backend", "frontend")
WRITES_PER_SECOND = 10.0
CHATS_PER_SECOND = 2.0
PAGES_PER_SECOND = 4.0
"""They take 0.2 of a core here, two fifths of what the one backend pod may that is left while another is replaced."""
IN_TURN_SECONDS = 60.0
"""How long pods are deleted one after the other."""
GRACEFULLY = "deleted gracefully"
AT_ONCE = "deleted at once"
GRACE = {GRACEFULLY: None, AT_ONCE: 0}
"""Each deletion's grace period in seconds; the pod's own where there is none."""
KILLED = "main process killed"
LEDGER = "PER-05: each acknowledged write is in PostgreSQL once, each other one at most once"
BETWEEN = 2.0
"""Seconds of quiet after each recovery, so that its outage ends within its own time."""


@dataclass
class Kills:
    """The experiment: when each kind of kill began and was recovered from, and what stood afterwards."""

    seen: Experiment
    times: dict[str, Interval] = field(default_factory=dict)
    restarted: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """By component: restarts of each pod before and after its main process was killed."""
    conversation: list[str] = field(default_factory=list)
    """What was said in one conversation, a turn after each recovery."""
    conversation_id: object = None
    ledgers: dict[str, Reconciliation] = field(default_factory=dict)


def wait_ready(experiments: ExperimentRunner, component: str, gone: set[str]) -> None:
    """Wait until as many pods as are wanted are Ready, none of them of `gone` (UIDs)."""
    part = experiments.target.component(component)

    def probe() -> None:
        there = [pod for pod in experiments.pods(part) if is_ready(pod) and text_at(pod, "metadata.uid") not in gone]
        if len(there) < part.replicas:
            raise NotYet(f"{len(there)} of {part.replicas} pods are Ready: {[name_of(pod) for pod in there]}")

    eventually(f"replacements of the {component}'s pods to be Ready", probe, POD_REPLACED)


def wait_restarted(experiments: ExperimentRunner, component: str, pod: Object, before: int) -> int:
    """Wait until the pod's container was started again and is Ready; its restarts."""
    part = experiments.target.component(component)

    def probe() -> int:
        for item in experiments.pods(part):
            if text_at(item, "metadata.uid") == text_at(pod, "metadata.uid"):
                now = restarts_of(item)
                if now > before and is_ready(item):
                    return now
                raise NotYet(f"restarts: {now}, Ready: {is_ready(item)}")
        raise NotYet("the pod is gone")

    return eventually(f"the {component}'s container to be started again and Ready", probe, POD_REPLACED)


def turn(user: User, pod_kills: Kills) -> None:
    """One more turn of the conversation, right after a recovery."""
    message = f"word {secrets.token_hex(6)}"
    answer = user.send_message(message, pod_kills.conversation_id)
    pod_kills.conversation_id = answer[user.target.api.conversation_field]
    pod_kills.conversation.append(message)


@pytest.fixture(scope="module")
def pod_kills(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    cluster: Cluster,
    database: Database,
    record_measurement: Callable[[str, float, str, str], None],
) -> Kills:
    plans = {
        "backend": task_writes(writer, WRITES_PER_SECOND),
        "chat": chat_turns(writer, CHATS_PER_SECOND),
        "frontend": page_views(reader, PAGES_PER_SECOND),
    }

    def uids(pods: list[Object]) -> set[str]:
        return {text_at(pod, "metadata.uid") for pod in pods}

    with experiments.experiment("kills", **plans) as seen:
        found = Kills(seen)
        turn(reader, found)

        def step(name: str, component: str, do: Callable[[], Callable[[], object]]) -> None:
            began = seen.annotate(name)
            wait = do()
            seen.attempt(f"{component}: {name}", wait)
            consistently("quiet", lambda: None, BETWEEN)
            # What is sent later may still be in flight at the next kill.
            found.times[f"{component}: {name}"] = Interval(began, time.time() - BETWEEN / 2)
            if component == "backend" and seen.came(f"{component}: {name}"):
                seen.attempt(f"turn after {name}", lambda: turn(reader, found))

        def deletion(name: str, component: str, count: int, how: str) -> None:
            def do() -> Callable[[], object]:
                pods = [pod for pod in experiments.pods(experiments.target.component(component)) if is_ready(pod)][
                    :count
                ]
                for pod in pods:
                    delete(cluster, pod, GRACE[how])
                return lambda: wait_ready(experiments, component, uids(pods))

            step(f"{name} {how}", component, do)

        def killing(component: str) -> Callable[[], Callable[[], object]]:
            def do() -> Callable[[], object]:
                part = experiments.target.component(component)
                pod = next(pod for pod in experiments.pods(part) if is_ready(pod))
                before = restarts_of(pod)
                kill(cluster, pod, part.container)

                def wait() -> None:
                    now = wait_restarted(experiments, component, pod, before)
                    found.restarted.setdefault(component, {})[name_of(pod)] = before, now

                return wait

            return do

        for component in COMPONENTS:
            everyone = experiments.target.component(component).replicas
            deletion("one pod", component, 1, GRACEFULLY)
            deletion("one pod", component, 1, AT_ONCE)
            step(KILLED, component, killing(component))
            deletion("all pods", component, everyone, AT_ONCE)
        turns_begin = time.time()
        number = 0
        while time.time() - turns_begin < IN_TURN_SECONDS:
            number += 1
            deletion(f"in turn {number},", "backend", 1, AT_ONCE if number % 2 else GRACEFULLY)
    tables = experiments.target.tables
    with database.admin() as admin:
        for label, name, table, column, where in (
            ("tasks", "backend", tables.task, tables.task_title, {}),
            ("user messages", "chat", tables.message, tables.message_content, {tables.message_role: "user"}),
            ("assistant messages", "chat", tables.message, tables.message_content, {tables.message_role: "assistant"}),
            ("effects", "chat", tables.task, tables.task_title, {}),
        ):
            sampling = seen.traffic[name]
            there = count(admin, table, column, sampling.plan.token, where)
            found.ledgers[label] = reconcile(writes(sampling), there)
            for figure, value in found.ledgers[label].figures().items():
                record_measurement(f"kills: {label}: {figure}", value, "writes", LEDGER)
    return found


@pytest.mark.rule("PER-05")
def test_every_acknowledged_write_is_there_once(pod_kills: Kills, experiments: ExperimentRunner) -> None:
    report_findings(
        discrepancies("PER-05", experiments.target.tables.task, pod_kills.ledgers["tasks"]), experiments.target
    )


@pytest.mark.rule("PER-04", "PER-05")
def test_every_acknowledged_chat_turn_is_there_once(pod_kills: Kills, experiments: ExperimentRunner) -> None:
    tables = experiments.target.tables
    report_findings(
        [
            finding
            for label, table in (
                ("user messages", tables.message),
                ("assistant messages", tables.message),
                ("effects", tables.task),
            )
            for rule in ("PER-04", "PER-05")
            for finding in discrepancies(rule, f"{table} ({label})", pod_kills.ledgers[label])
        ],
        experiments.target,
    )


@pytest.mark.rule("PER-04")
def test_a_conversation_goes_on(pod_kills: Kills, reader: User, experiments: ExperimentRunner) -> None:
    if experiments.target.api.messages is None:
        raise Untested("the target names no path for a conversation's messages")
    listed = reader.request_json("GET", reader.path(experiments.target.api.messages, id=pod_kills.conversation_id))
    said = [item[experiments.target.api.content_field] for item in listed]
    counts = [sum(message == text for text in said) for message in pod_kills.conversation]
    assert len(counts) > 4
    findings = []
    if counts != [1] * len(counts) or len(said) != 2 * len(counts):
        wanted = f"each of {len(counts)} turns once, with one answer"
        found = f"{counts}, {len(said)} messages"
        findings.append(
            Finding(
                "PER-04", f"Table/{experiments.target.tables.message}", "messages of one conversation", wanted, found
            )
        )
    report_findings(findings, experiments.target)


@pytest.mark.rule("POD-17")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_replacement_is_ready_in_time(
    pod_kills: Kills, component: str, record_measurement: Callable[[str, float, str, str], None]
) -> None:
    names = [name for name in pod_kills.times if name.startswith(component) and KILLED not in name]
    assert len(names) >= 3
    for name in names:
        record_measurement(f"{name}: Ready again", pod_kills.seen.took(name), "s", POD_REPLACED.source)


@pytest.mark.rule("STA-09", "POD-05")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_process_is_started_again_in_its_pod(
    pod_kills: Kills,
    component: str,
    experiments: ExperimentRunner,
    record_measurement: Callable[[str, float, str, str], None],
) -> None:
    seconds = pod_kills.seen.took(f"{component}: {KILLED}")
    record_measurement(f"{component}: {KILLED}: Ready again", seconds, "s", "measured, not judged")
    ((pod, (before, now)),) = pod_kills.restarted[component].items()
    findings = [
        Finding(rule, f"Pod/{pod}", "restartCount", f"{before + 1}", f"{now}")
        for rule in ("STA-09", "POD-05")
        if now != before + 1
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-09")
def test_a_graceful_deletion_loses_no_request_while_another_pod_is_ready(
    pod_kills: Kills, experiments: ExperimentRunner
) -> None:
    part = experiments.target.component("backend")
    if part.replicas < 2:
        raise Untested("the target wants one backend pod, so that no other can be Ready")
    times = [
        time_
        for name, time_ in pod_kills.times.items()
        if name.startswith("backend") and name.endswith(GRACEFULLY) and always_one_ready(pod_kills, part, time_)
    ]
    assert times, "no other pod was Ready whenever one was deleted"
    findings = []
    for label in ("backend", "chat"):
        for time_ in times:
            availability = pod_kills.seen.traffic[label].availability.between(time_)
            assert availability.records
            findings += failed_request_findings("STA-09", f"Service/{part.service}", availability)
    report_findings(findings, experiments.target)


def always_one_ready(pod_kills: Kills, part: Component, time_: Interval) -> bool:
    """Whether at every change in that time a pod was Ready that was not being deleted."""
    states = pod_kills.seen.history.states("Pod", time_.start, time_.end)
    return all(any(is_ready(pod) for pod in pods_of(state.objects, part)) for state in states)


@pytest.mark.rule("STA-09")
@pytest.mark.parametrize("component", COMPONENTS)
def test_every_outage_is_measured_and_ends(
    pod_kills: Kills,
    component: str,
    experiments: ExperimentRunner,
    record_measurement: Callable[[str, float, str, str], None],
) -> None:
    for name, time_ in pod_kills.times.items():
        if not name.startswith(component):
            continue
        availability = pod_kills.seen.traffic[component].availability.between(time_)
        source = f"{len(availability.failures)} of {len(availability.records)} requests failed; measured, not judged"
        record_measurement(f"{name}: longest outage", round(availability.longest_outage, 2), "s", source)
    sampled = pod_kills.seen.traffic[component].availability
    last = sampled.records[-1].sent
    tail = sampled.between(Interval(last - BETWEEN / 2, last))
    report_findings(
        failed_request_findings("STA-09", f"Service/{experiments.target.component(component).service}", tail),
        experiments.target,
    )
