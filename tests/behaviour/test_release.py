"""The installed release: every pod is Ready in time, and the data is outside of the cluster."""

from __future__ import annotations

import secrets

import pytest
from psycopg import sql

from acceptance.checks.finding import Untested
from acceptance.client.user import User
from acceptance.core.fields import at, name_of
from acceptance.provision.database import Database
from acceptance.provision.release import Release


@pytest.mark.rule("CHT-11")
@pytest.mark.usefixtures("release")
def test_pods_are_ready_within_three_minutes(request: pytest.FixtureRequest) -> None:
    ready: Release = request.getfixturevalue(
        "ready_release"
    )  # not as an argument: unready pods are a finding, not a setup error
    if ready.installed_at is None:
        raise Untested("the release was not installed by this run")
    deployments = {name_of(item): item for item in ready.objects.list("Deployment").objects}
    for part in ready.target.components.values():
        replicas = at(deployments[part.deployment], "spec.replicas")
        assert at(deployments[part.deployment], "status.readyReplicas") == replicas > 0


@pytest.mark.rule("PER-01")
def test_task_is_stored_in_postgresql(ready_release: Release, user: User, database: Database) -> None:
    title = f"row {secrets.token_hex(8)}"
    user.add_task(title)
    tables = ready_release.target.tables
    query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(
        sql.Identifier(tables.task), sql.Identifier(tables.task_title)
    )
    with database.admin() as connection:
        assert connection.execute(query, [title]).fetchone() == (1,)
