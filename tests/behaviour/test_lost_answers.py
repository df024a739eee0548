"""A write is stored, but its backend dies before it answers: the frontend must not send the write again."""

from __future__ import annotations

import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import describe
from acceptance.client.rows import rows
from acceptance.client.user import User
from acceptance.client.visitor import Visitor
from acceptance.core.deadlines import WRITE_COMMITTED, WRITE_REPEATED, Deadline
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.experiments.database_faults import commits_unanswered
from acceptance.experiments.experiment import Experiment, ExperimentRunner, WaitResult
from acceptance.experiments.faults import kill
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.kube.status import is_ready
from acceptance.provision.database import Database


@dataclass(frozen=True)
class LostAnswer:
    """A form that adds a task: its response, or why there was none, and the rows that it made."""

    experiment: Experiment
    answer: str
    stored: int
    recovered: WaitResult[None]


def wait_commits(database: Database, count: int, form: Future[str], deadline: Deadline) -> None:
    """Wait until so many commits wait for their answer, or the form was answered. Raises `WaitError`."""

    def probe() -> None:
        held = database.held_commits()
        if held < count and not form.done():
            raise NotYet(f"{held} wait")

    eventually(f"{count} commits to wait for their answer, or the form's response", probe, deadline)


def press_add(visitor: Visitor, title: str) -> str:
    """Add a task by the page's form; the response in words, or why there was none."""
    screens = visitor.screens
    try:
        return describe(visitor.target, visitor.press(screens.tasks, screens.add_button, {screens.new_task: title}))
    except AssertionError as error:
        return str(error)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def lost_answer(experiments: ExperimentRunner, user: User, database: Database) -> LostAnswer:
    """PostgreSQL holds the answer to the form's commit; then the backend's pods are killed, one after the other."""
    release, tables = experiments.release, user.target.tables
    backend, title = experiments.target.component("backend"), f"lost answer {secrets.token_hex(6)}"
    visitor = Visitor(release, user.gateway, {user.target.auth.cookie: user.token})
    visitor.form(visitor.screens.tasks, visitor.screens.add_button)
    with experiments.experiment("backend killed between commit and answer") as experiment:
        with experiment.disturbance("backend"), ThreadPoolExecutor(1) as pool:
            pods = [pod for pod in experiments.pods(backend) if is_ready(pod)]
            with commits_unanswered(database):
                form = pool.submit(press_add, visitor, title)
                wait_commits(database, 1, form, WRITE_COMMITTED)
                if form.done():
                    raise Untested(f"the form is answered without a commit: {form.result()}")
                for pod in pods:
                    experiment.annotate("backend killed")
                    kill(release.cluster, pod, backend.container)
                    with suppress(WaitError):  # this pod did not have the write, or the frontend does not repeat it
                        wait_commits(database, 2, form, WRITE_REPEATED)
                    if form.done() or database.held_commits() > 1:
                        break
            answer = form.result()
            recovered = experiment.wait_for("rolled out", experiments.wait_rolled_out)
        with database.admin() as connection:
            stored = len(rows(connection, tables.task, {tables.owner: user.id, tables.task_title: title}))
    return LostAnswer(experiment, answer, stored, recovered)


@pytest.mark.rule("PER-05")
def test_write_whose_answer_is_lost_is_not_repeated(lost_answer: LostAnswer, experiments: ExperimentRunner) -> None:
    lost_answer.recovered.raise_if_failed()
    tables, findings = experiments.target.tables, []
    if lost_answer.stored != 1:
        what = "rows of a form whose backend was killed between commit and answer"
        actual = f"{lost_answer.stored}; the form was answered {lost_answer.answer}"
        findings.append(Finding("PER-05", f"Table/{tables.task}", what, "1", actual))
    report_findings(findings, experiments.target)
