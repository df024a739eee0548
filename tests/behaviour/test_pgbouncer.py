"""The release behind a connection pooler: PgBouncer in transaction mode before the same database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.user import User
from acceptance.core.redaction import redactor
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.runner import ExperimentRunner
from acceptance.provision import pgbouncer
from acceptance.provision.database import NAME, Database
from acceptance.provision.pgbouncer import Pooler
from acceptance.provision.provisioner import Provisioner

WRITES = 120
WRITERS = 12
"""Concurrent writers: more than the pods' pools have connections."""


@dataclass(frozen=True)
class PooledRelease:
    """The release's pooler, and how the rollout to its address ended."""

    pooler: Pooler
    rollout: WaitResult[None]


@pytest.fixture(scope="module")
def pooled_release(
    experiments: ExperimentRunner, provisioner: Provisioner, database: Database
) -> Iterator[PooledRelease]:
    """The release on the pooled address, which its migration uses too."""
    if not experiments.target.can_give("database_url"):
        raise Untested("the target names no value for the database's URL")
    image = provisioner.postgres().reference
    pooler = pgbouncer.start(provisioner.dependencies(), image, database, redactor.add)
    with experiments.experiment("pooled address") as experiment:
        with experiment.disturbance(restarts=False):
            experiments.upgrade({}, {"database_url": pooler.url})
            rollout = experiment.wait_for("rollout", experiments.wait_rolled_out)
        yield PooledRelease(pooler, rollout)
    pooler.server.remove()


@pytest.mark.rule("PER-01")
def test_application_works_through_a_pooler(
    pooled_release: PooledRelease, users: Callable[[], User], database: Database, experiments: ExperimentRunner
) -> None:
    """The specification names no pooler, so this is advice on targets that are not strict."""
    target = experiments.target
    object_ = f"Deployment/{target.component('backend').deployment}"
    findings = []
    try:
        pooled_release.rollout.raise_if_failed()
        assert_tasks_are_stored(users())
    except AssertionError as error:
        expected = "a rollout, and each write stored"
        findings.append(Finding("PER-01", object_, "PgBouncer in transaction mode", expected, str(error)))
    else:
        with database.admin() as connection:
            query = "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE usename = %s"
            callers = sorted(str(host) for (host,) in connection.execute(query, [NAME]).fetchall())
        address = pooled_release.pooler.server.address()
        if callers != [address]:
            findings.append(Finding("PER-01", object_, "connections to PostgreSQL", f"from {address}", f"{callers}"))
    report_findings(of_derived_part(findings, target), target)


def assert_tasks_are_stored(user: User) -> None:
    """Many writers add tasks at the same time, and a chat turn adds one."""
    marker = secrets.token_hex(6)
    titles = [f"pooled {marker} {number}" for number in range(WRITES)]
    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(user.add_task, titles))
    answered = sorted(task[user.target.api.title_field] for task in written)
    assert answered == sorted(titles), f"expected the {WRITES} titles, got {answered}"
    if not user.chat_obstacle:
        user.send_message(f"add task: chat {marker}")
        stored = {task[user.target.api.title_field] for task in user.tasks()}
        assert f"chat {marker}" in stored, "the chat turn stored no task"
