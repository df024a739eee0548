"""A chat turn is in flight, since the model is slow, when its pod is deleted: it is answered, and stored once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.forms import Form, form_with_button
from acceptance.client.pods import origin
from acceptance.client.prompts import wait_until_asked
from acceptance.client.user import User
from acceptance.client.visitor import Visitor
from acceptance.core.fields import name_of
from acceptance.core.wait import WaitError
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.faults import delete, model_slow
from acceptance.experiments.recovery import uids, wait_replaced
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import grace_period
from acceptance.provision.database import Database
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release
from acceptance.traffic.plans import new_token
from acceptance.traffic.write_ledger import count

MODEL_SECONDS = 5.0
"""How long the model takes for each of the two answers that a turn with a tool call needs: the turn takes 10 s."""
MARGIN = 5.0
"""Seconds that a turn may take besides the model's answers, on a busy machine."""
TURN_SECONDS = 2 * MODEL_SECONDS + MARGIN


@dataclass(frozen=True)
class Turn:
    """A chat turn that was sent.

    Attributes:
        pod: The pod to which it was sent; empty for a turn by the page's form.
        marker: What its message contains, and no other one.
        status: The response's status; 0 if there was none.
        body: The response's body, or why there was none.
        rows: How many rows of each kind have the marker.
    """

    pod: str
    marker: str
    status: int
    body: str
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether the response says that the turn succeeded."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True)
class InFlight:
    """Turns that were in flight at the same time, when the pod of one was deleted.

    Attributes:
        experiment: The experiment.
        turn: The turn of the deleted pod.
        undisturbed: That of another pod.
        by_page: One by the page's form; None where the page has no form that works without scripts.
        grace_period: The deleted pod's, in seconds.
    """

    experiment: Experiment
    turn: Turn
    undisturbed: Turn
    by_page: Turn | None
    grace_period: float


def send_by_page(visitor: Visitor, form: Form, path: str, marker: str) -> Turn:
    """Send a turn that adds a task by the page's form, and wait for its end however long it takes."""
    entered = {visitor.screens.message: f"add task: {marker}"}
    try:
        answer = visitor.submit(form, path, entered, timeout=2 * TURN_SECONDS)
    except AssertionError as error:
        return Turn("", marker, 0, str(error))
    return Turn("", marker, answer.status_code, answer.text)


def page_sender(release: Release, writer: User) -> Callable[[str], Turn] | None:
    """Sends a turn by its marker from the page of chat; None where the page has no form that works without scripts."""
    page = release.target.pages.chat
    if not page or not release.target.screens or not release.target.auth.has_cookie:
        return None
    visitor = Visitor.signed_in(release, writer)
    form = form_with_button(visitor.read(page).text, visitor.screens.send_button)
    return partial(send_by_page, visitor, form, page) if form else None


def send_turn(writer: User, pod: str, address: str, marker: str) -> Turn:
    """Send a turn that adds a task to one pod, and wait for its end however long it takes."""
    message = {writer.target.api.message_field: f"add task: {marker}"}
    try:
        answer = writer.call("POST", writer.chat_path, address, json=message, timeout=2 * TURN_SECONDS)
    except AssertionError as error:
        return Turn(pod, marker, 0, str(error))
    return Turn(pod, marker, answer.status_code, answer.text)


def with_rows(writer: User, turn: Turn, database: Database) -> Turn:
    """Return the turn with the rows that PostgreSQL has of it now."""
    tables = writer.target.tables
    sources = {
        "user messages": (tables.message, tables.message_content, {tables.message_role: "user"}),
        "assistant messages": (tables.message, tables.message_content, {tables.message_role: "assistant"}),
        "tasks": (tables.task, tables.task_title, {}),
    }
    token = turn.marker.partition("-")[0]
    with database.admin() as connection:
        rows = {
            kind: count(connection, table, column, token, where)[turn.marker]
            for kind, (table, column, where) in sources.items()
        }
    return replace(turn, rows=rows)


@pytest.fixture(scope="module")
def in_flight(experiments: ExperimentRunner, writer: User, model: ModelStub, database: Database) -> InFlight:
    """Two backend pods have a long turn in flight when one is deleted; the other shows what an undisturbed one does."""
    backend = experiments.target.component("backend")
    pods = experiments.pods(backend)[:2]
    if len(pods) < 2:
        raise Untested("the target has one backend pod: no other shows that a long turn is answered at all")
    assert writer.chat_path
    markers = [f"{new_token()}-0" for _ in pods]
    release = experiments.release
    send_from_page = page_sender(release, writer)
    with experiments.experiment("chat turn in flight") as experiment, ThreadPoolExecutor() as pool:
        model.forget()
        with model_slow(model, MODEL_SECONDS):
            sent = [
                pool.submit(send_turn, writer, name_of(pod), origin(release, "backend", pod), marker)
                for pod, marker in zip(pods, markers, strict=True)
            ]
            page_marker = f"{new_token()}-0"
            sent_from_page = pool.submit(send_from_page, page_marker) if send_from_page else None
            try:
                wait_until_asked(model, [[marker] for marker in markers])
            except WaitError as error:
                raise Untested(f"no turn is in flight: {error}") from error
            if sent_from_page:
                with suppress(WaitError):  # one that never reaches the model is judged by how it ends
                    wait_until_asked(model, [[page_marker]])
            if sent[0].done():
                raise Untested(f"the turn had ended before its pod could be deleted: {sent[0].result().body[:200]}")
            with experiment.disturbance("backend", restarts=False):
                experiment.annotate("backend pod deleted")
                delete(experiments.release.cluster, pods[0])
                turn, undisturbed = (each.result() for each in sent)
                experiment.wait_for("replaced", lambda: wait_replaced(experiments, backend, uids(pods[:1])))
    if not undisturbed.answered:
        took = f"a turn that takes {2 * MODEL_SECONDS:g} s is not answered by an undisturbed pod either"
        raise Untested(f"{took}: {undisturbed.status} {undisturbed.body[:200]}")
    return InFlight(
        experiment,
        turn=with_rows(writer, turn, database),
        undisturbed=with_rows(writer, undisturbed, database),
        by_page=with_rows(writer, sent_from_page.result(), database) if sent_from_page else None,
        grace_period=grace_period(pods[0]),
    )


@pytest.mark.rule("STA-09", "PER-04")
def test_turn_in_flight_at_sigterm_is_answered_and_stored_once(
    in_flight: InFlight, experiments: ExperimentRunner
) -> None:
    turn, undisturbed = in_flight.turn, in_flight.undisturbed
    findings = []
    shown = turn.marker in turn.body or undisturbed.marker not in undisturbed.body
    if not turn.answered or not shown:
        expected = f"answered with its task after {2 * MODEL_SECONDS:g} s, as by an undisturbed pod"
        actual = f"with a grace period of {in_flight.grace_period:g} s {turn.status}: {turn.body[:200]}"
        lost = Finding("STA-09", f"Pod/{turn.pod}", "chat turn in flight at SIGTERM", expected, actual)
        # The specification names no grace period; Kubernetes' own leaves enough.
        short = in_flight.grace_period < TURN_SECONDS
        findings += of_derived_part([lost], experiments.target) if short else [lost]
    if turn.rows != undisturbed.rows and (turn.answered or any(turn.rows.values())):
        expected = f"{undisturbed.rows}, as of an undisturbed pod" + ("" if turn.answered else ", or none")
        object_ = f"Table/{experiments.target.tables.message}"
        partial = Finding("PER-04", object_, "chat turn in flight at SIGTERM", expected, str(turn.rows))
        findings += [partial] if turn.answered else of_derived_part([partial], experiments.target)
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-04")
def test_long_turn_that_the_page_shows_as_failed_is_not_stored(
    in_flight: InFlight, experiments: ExperimentRunner
) -> None:
    """A frontend that gives up before its backend does invites the user to send the turn again."""
    if in_flight.by_page is None:
        raise Untested("the page of chat has no form that works without scripts")
    if not in_flight.turn.answered:
        raise Untested("a turn in flight at SIGTERM is not answered, which another test reports; this may be one")
    turn = in_flight.by_page
    findings = []
    failed = turn.status == 0 or turn.status >= HTTPStatus.BAD_REQUEST
    if failed and any(turn.rows.values()):
        object_ = f"Service/{experiments.target.component('frontend').service}"
        what = f"a turn of {2 * MODEL_SECONDS:g} s by the page's form"
        actual = f"{turn.status}: {turn.body[:200]}; {turn.rows}"
        findings.append(Finding("PER-04", object_, what, "answered, or not stored", actual))
    report_findings(of_derived_part(findings, experiments.target), experiments.target)
