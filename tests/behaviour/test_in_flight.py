"""A chat turn is in flight, since the model is slow, when its pod is deleted: it is answered, and stored once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.forms import Form, form_with_button
from acceptance.client.pods import origin
from acceptance.client.prompts import wait_asked
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
from acceptance.traffic.plans import new_token
from acceptance.traffic.write_ledger import count

MODEL_SECONDS = 5.0
"""Of each of the two answers of the model that a turn with a tool call needs: the turn takes 10 s."""
MARGIN = 5.0
"""Seconds that a turn may take besides the model's answers, on a busy machine."""
TURN_SECONDS = 2 * MODEL_SECONDS + MARGIN


@dataclass(frozen=True)
class Turn:
    """A turn that was sent to one pod: its markers, and its response or why there was none."""

    pod: str
    marker: str
    status: int
    body: str


@dataclass(frozen=True)
class InFlight:
    """The experiment, the turn of the deleted pod, and that of another one; their rows are counted by kind.

    `grace_period` is the pod's, in seconds. `by_page` is a turn by the page's form at the same time, and its rows; None
    where the page has no form that works without scripts.
    """

    experiment: Experiment
    turn: Turn
    stored: dict[str, int]
    undisturbed: Turn
    undisturbed_stored: dict[str, int]
    grace_period: float
    by_page: tuple[Turn, dict[str, int]] | None


def send_by_page(visitor: Visitor, form: Form, path: str, marker: str) -> Turn:
    """Send a turn that adds a task by the page's form, and wait for its end however long it takes."""
    entered = {visitor.screens.message: f"add task: {marker}"}
    try:
        answer = visitor.submit(form, path, entered, timeout=2 * TURN_SECONDS)
    except AssertionError as error:
        return Turn("", marker, 0, str(error))
    return Turn("", marker, answer.status_code, answer.text)


def send_turn(writer: User, pod: str, address: str, marker: str) -> Turn:
    """Send a turn that adds a task to one pod, and wait for its end however long it takes."""
    message = {writer.target.api.message_field: f"add task: {marker}"}
    try:
        answer = writer.call("POST", writer.chat_path, address, json=message, timeout=2 * TURN_SECONDS)
    except AssertionError as error:
        return Turn(pod, marker, 0, str(error))
    return Turn(pod, marker, answer.status_code, answer.text)


def stored_rows(writer: User, turn: Turn, database: Database) -> dict[str, int]:
    """How many rows of each kind have the turn's marker."""
    tables = writer.target.tables
    sources = {
        "user messages": (tables.message, tables.message_content, {tables.message_role: "user"}),
        "assistant messages": (tables.message, tables.message_content, {tables.message_role: "assistant"}),
        "tasks": (tables.task, tables.task_title, {}),
    }
    token = turn.marker.partition("-")[0]
    with database.admin() as connection:
        return {
            kind: count(connection, table, column, token, where)[turn.marker]
            for kind, (table, column, where) in sources.items()
        }


@pytest.fixture(scope="module")
def in_flight(experiments: ExperimentRunner, writer: User, model: ModelStub, database: Database) -> InFlight:
    """Two backend pods have a long turn in flight when one is deleted; the other shows what an undisturbed one does."""
    backend = experiments.target.component("backend")
    pods = experiments.pods(backend)[:2]
    if len(pods) < 2:
        raise Untested("the target has one backend pod: no other shows that a long turn is answered at all")
    assert writer.chat_path
    markers = [f"{new_token()}-0" for _ in pods]
    release, page = experiments.release, experiments.target.pages.chat
    by_form = page and release.target.screens and release.target.auth.has_cookie
    visitor = Visitor.signed_in(release, writer) if by_form else None
    form = form_with_button(visitor.read(page).text, visitor.screens.send_button) if visitor and page else None
    with experiments.experiment("chat turn in flight") as experiment, ThreadPoolExecutor() as pool:
        model.forget()
        with model_slow(model, MODEL_SECONDS):
            sent = [
                pool.submit(send_turn, writer, name_of(pod), origin(release, "backend", pod), marker)
                for pod, marker in zip(pods, markers, strict=True)
            ]
            shown = f"{new_token()}-0"
            by_page = pool.submit(send_by_page, visitor, form, page, shown) if visitor and form and page else None
            try:
                wait_asked(model, [[marker] for marker in (*markers, *([shown] if by_page else []))])
            except WaitError as error:
                raise Untested(f"no turn is in flight: {error}") from error
            with experiment.disturbance("backend", restarts=False):
                experiment.annotate("backend pod deleted")
                delete(experiments.release.cluster, pods[0])
                turn, undisturbed = (each.result() for each in sent)
                experiment.wait_for("replaced", lambda: wait_replaced(experiments, backend, uids(pods[:1])))
    if undisturbed.status != requests.codes.ok:
        took = f"a turn that takes {2 * MODEL_SECONDS:g} s is not answered by an undisturbed pod either"
        raise Untested(f"{took}: {undisturbed.status} {undisturbed.body[:200]}")
    paged = by_page.result() if by_page else None
    return InFlight(
        experiment,
        turn,
        stored_rows(writer, turn, database),
        undisturbed,
        stored_rows(writer, undisturbed, database),
        grace_period(pods[0]),
        (paged, stored_rows(writer, paged, database)) if paged else None,
    )


@pytest.mark.rule("STA-09", "PER-04")
def test_turn_in_flight_at_sigterm_is_answered_and_stored_once(
    in_flight: InFlight, experiments: ExperimentRunner
) -> None:
    turn, stored, undisturbed = in_flight.turn, in_flight.stored, in_flight.undisturbed
    findings = []
    shown = turn.marker in turn.body or undisturbed.marker not in undisturbed.body
    if turn.status != requests.codes.ok or not shown:
        expected = f"answered 200 with its task after {2 * MODEL_SECONDS:g} s, as by an undisturbed pod"
        actual = f"with a grace period of {in_flight.grace_period:g} s {turn.status}: {turn.body[:200]}"
        lost = Finding("STA-09", f"Pod/{turn.pod}", "chat turn in flight at SIGTERM", expected, actual)
        # The specification names no grace period; Kubernetes' own leaves enough.
        short = in_flight.grace_period < TURN_SECONDS
        findings += of_derived_part([lost], experiments.target) if short else [lost]
    answered = turn.status == requests.codes.ok
    if stored != in_flight.undisturbed_stored and (answered or any(stored.values())):
        expected = f"{in_flight.undisturbed_stored}, as of an undisturbed pod" + ("" if answered else ", or none")
        object_ = f"Table/{experiments.target.tables.message}"
        findings.append(Finding("PER-04", object_, "chat turn in flight at SIGTERM", expected, str(stored)))
    report_findings(findings, experiments.target)


@pytest.mark.rule("PER-04")
def test_long_turn_that_the_page_shows_as_failed_is_not_stored(
    in_flight: InFlight, experiments: ExperimentRunner
) -> None:
    """A frontend that waits less long than its backend invites the user to send the turn again."""
    if in_flight.by_page is None:
        raise Untested("the page of chat has no form that works without scripts")
    if in_flight.turn.status != requests.codes.ok:
        raise Untested("a turn in flight at SIGTERM is not answered, which another test reports; this may be one")
    turn, stored = in_flight.by_page
    findings = []
    failed = turn.status == 0 or turn.status >= requests.codes.bad_request
    if failed and any(stored.values()):
        object_ = f"Service/{experiments.target.component('frontend').service}"
        what = f"a turn of {2 * MODEL_SECONDS:g} s by the page's form"
        actual = f"{turn.status}: {turn.body[:200]}; {stored}"
        findings.append(Finding("PER-04", object_, what, "answered, or not stored", actual))
    report_findings(findings, experiments.target)
