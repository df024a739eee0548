"""The same release on a pooled address: PgBouncer in transaction mode before the same database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acceptance.checks.finding import Untested
from acceptance.client.user import User
from acceptance.core.redaction import redactor
from acceptance.experiments.experiment import ExperimentRunner
from acceptance.provision import pgbouncer
from acceptance.provision.database import NAME, Database
from acceptance.provision.images import build_support
from acceptance.provision.pgbouncer import Pooler
from acceptance.provision.provisioner import Provisioner

WRITES = 120
WRITERS = 12
"""More at once than the pods' pools have connections, so that statements of many share few."""


@pytest.fixture(scope="module")
def pooled(experiments: ExperimentRunner, provisioner: Provisioner, database: Database) -> Iterator[Pooler]:
    """The release on the pooled address, its migration run through it too."""
    path = experiments.target.values.database_url
    if path is None:
        raise Untested("the target names no value for the database's URL")
    image = build_support(provisioner.toolchain, provisioner.run, "postgres")
    made = pgbouncer.start(provisioner.toolchain, provisioner.run, image.reference, database, redactor.add)
    with experiments.experiment("pooled address") as seen:
        experiments.upgrade({path: made.url})
        seen.attempt("rollout", experiments.rolled_out)
        seen.took("rollout")
        yield made
    provisioner.toolchain.engine.docker("rm", "--force", made.container)


@pytest.mark.rule("PER-01")
def test_users_tasks_and_chats_work_through_a_pooler(
    pooled: Pooler, users: Callable[[], User], database: Database
) -> None:
    user = users()
    marker = secrets.token_hex(6)
    titles = [f"pooled {marker} {number}" for number in range(WRITES)]
    with ThreadPoolExecutor(WRITERS) as pool:
        written = list(pool.map(user.add_task, titles))
    assert sorted(task[user.target.api.title_field] for task in written) == sorted(titles)
    user.send_message(f"add task: chat {marker}")
    kept = {task[user.target.api.title_field] for task in user.tasks()}
    assert f"chat {marker}" in kept, "the chat turn left no task"
    address = database.toolchain.engine.docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", pooled.container
    ).strip()
    with database.admin() as connection:
        rows = connection.execute(
            "SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE usename = %s", [NAME]
        ).fetchall()
    assert rows == [(address,)], f"connections of the release come from {rows}, not from the pooler {address} alone"
