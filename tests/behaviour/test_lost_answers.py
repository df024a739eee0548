"""Writes are stored, but the backend pod dies before it answers: the frontend must not send them again."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import describe
from acceptance.client.forms import Form
from acceptance.client.rows import rows
from acceptance.client.user import User
from acceptance.client.visitor import Visitor
from acceptance.core.deadlines import WRITE_REPEATED, WRITES_COMMITTED, Deadline
from acceptance.core.fields import Object
from acceptance.core.inconclusive import InconclusiveError
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.experiments.database_faults import commits_unanswered
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.faults import delete
from acceptance.experiments.recovery import uids, wait_replaced
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import is_ready
from acceptance.provision.database import Database
from acceptance.traffic.changes import is_accepted

FORMS = 5
"""Sent at once, so that the pod that dies has some of them: all but once in 32 times with two pods.

The other pod keeps a connection for what is sent again, even from a pool of five.
"""


@dataclass(frozen=True)
class LostAnswers:
    """Forms that add tasks, by the tasks' titles: each response, or why there was none, and the number of rows."""

    experiment: Experiment
    answers: dict[str, str]
    stored: Counter[str]
    recovered: WaitResult[list[Object]]


def wait_commits(database: Database, count: int, sent: Sequence[Future[tuple[str, bool]]], deadline: Deadline) -> None:
    """Wait until a number of commits are held, or every form was answered. Raises `WaitError`."""

    def probe() -> None:
        held = database.held_commits()
        if held < count and not all(form.done() for form in sent):
            raise NotYet(f"{held} wait")

    eventually(f"{count} commits to wait for their answer", probe, deadline)


def add_task(visitor: Visitor, form: Form, title: str) -> tuple[str, bool]:
    """Add a task by the page's form; return the response in words, or why there was none, and whether it says added."""
    screens = visitor.screens
    try:
        answer = visitor.submit(form, screens.tasks, {screens.new_task: title})
    except AssertionError as error:
        return str(error), False
    return describe(visitor.target, answer), is_accepted(answer)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def lost_answers(experiments: ExperimentRunner, user: User, database: Database) -> LostAnswers:
    """PostgreSQL stores the tasks without acknowledging them; then a backend pod is deleted without grace period."""
    release, tables = experiments.release, user.target.tables
    backend, token = experiments.target.component("backend"), f"lost answer {secrets.token_hex(6)}"
    titles = [f"{token} {number}" for number in range(FORMS)]
    visitors = [Visitor.signed_in(release, user) for _ in titles]
    form = visitors[0].form(visitors[0].screens.tasks, visitors[0].screens.add_button)
    with experiments.experiment("backend pod gone between commit and answer") as experiment:
        with experiment.disturbance("backend", restarts=False), ThreadPoolExecutor(FORMS) as pool:
            pod = next(pod for pod in experiments.pods(backend) if is_ready(pod))
            with commits_unanswered(database):
                sent = [
                    pool.submit(add_task, visitor, form, title) for visitor, title in zip(visitors, titles, strict=True)
                ]
                wait_commits(database, FORMS, sent, WRITES_COMMITTED)
                if not database.held_commits():
                    raise Untested(f"the form is answered without a commit: {sent[0].result()[0]}")
                experiment.annotate("backend pod deleted")
                delete(release.cluster, pod, 0)
                with suppress(WaitError):  # no form is sent again, as it should be
                    wait_commits(database, FORMS + 1, sent, WRITE_REPEATED)
            answers = {title: each.result() for title, each in zip(titles, sent, strict=True)}
            recovered = experiment.wait_for("replaced", lambda: wait_replaced(experiments, backend, uids([pod])))
        with database.admin() as connection:
            owned = rows(connection, tables.task, {tables.owner: user.id})
    stored = Counter(str(row[tables.task_title]) for row in owned if row[tables.task_title] in titles)
    if all(added and stored[title] == 1 for title, (_, added) in answers.items()):
        raise InconclusiveError("the deleted pod had none of the forms: each was answered")
    texts = {title: text for title, (text, _) in answers.items()}
    return LostAnswers(experiment, texts, stored, recovered)


@pytest.mark.rule("PER-05")
def test_write_whose_answer_is_lost_is_not_repeated(lost_answers: LostAnswers, experiments: ExperimentRunner) -> None:
    lost_answers.recovered.raise_if_failed()
    table, stored = experiments.target.tables.task, lost_answers.stored
    what = "rows of a form whose backend pod went between commit and answer"
    findings = [
        Finding("PER-05", f"Table/{table}", what, "1", f"{stored[title]}; the form was answered {answer}")
        for title, answer in lost_answers.answers.items()
        if stored[title] > 1
    ]
    report_findings(findings, experiments.target)
