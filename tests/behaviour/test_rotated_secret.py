"""Rotated secrets under traffic: another database role, then another auth secret, which ends old sessions only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from psycopg import sql

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.answers import SIGNED_OUT
from acceptance.client.sessions import NO_COOKIE, is_signed_with_secret
from acceptance.client.user import User, send
from acceptance.core.interval import Interval
from acceptance.core.redaction import redactor
from acceptance.core.target import COMPONENTS, Target
from acceptance.core.wait import POLL_SECONDS, dwell
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.settings import (
    MIN_SECONDS,
    Change,
    change_findings,
    make_change,
    request_findings,
    settings_traffic,
)
from acceptance.experiments.steps import rollout_step, run_step
from acceptance.provision.database import Database
from acceptance.traffic.availability import ExpectedRefusals
from acceptance.traffic.plans import new_token

OK = 200
SESSION_SECONDS = 5.0
"""How long a role's sessions are looked for: a pool that keeps none opens one for each of the requests."""


def refusals(target: Target) -> dict[str, frozenset[int]]:
    """Return how requests of an ended session are answered.

    A page with status 200 has a form to sign in, and nothing of the user.
    """
    return {"backend": frozenset({target.api.invalid_token}), "frontend": frozenset(SIGNED_OUT)}


@dataclass(frozen=True)
class Role:
    """A database role, and the URL that connects as it."""

    name: str
    url: str = field(repr=False)


@pytest.fixture(scope="module")
def second_role(database: Database) -> Iterator[Role]:
    """A second role with all privileges of the first."""
    name, password = f"second_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    redactor.add(password)
    with database.admin() as admin:
        owner = admin.execute(
            "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert owner is not None
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(name), sql.Literal(password), sql.Identifier(str(owner[0]))
            )
        )
        yield Role(name, database.role_url(name, password))
        admin.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(name), sql.Identifier(str(owner[0]))))
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@dataclass(frozen=True)
class RotatedDatabaseUrl:
    """DATABASE_URL changed to that of another role."""

    change: Change
    role: Role
    given: dict[str, str] = field(repr=False)
    """The rotated keys of the Secret, with their new values."""
    session_roles: list[set[str]]
    """The roles of the sessions in PostgreSQL, at each of several moments after the rollout."""


@dataclass(frozen=True)
class RotatedAuthSecret:
    """BETTER_AUTH_SECRET rotated: the status of the old session's requests, and of a new session's.

    `shows_user` is whether the old session's page shows what that of its user does.
    """

    start: float
    rollout: WaitResult[None]
    old_session: dict[str, int]
    shows_user: bool
    new_session: WaitResult[int]


@dataclass(frozen=True)
class RotatedSecret:
    """The Secret's values rotated one after the other, and restored together.

    None for what the target names no value for.
    """

    experiment: Experiment
    database_url: RotatedDatabaseUrl | None
    auth_secret: RotatedAuthSecret | None

    def require_database_url(self) -> RotatedDatabaseUrl:
        """Raises `Untested` if it was not rotated."""
        if self.database_url is None:
            raise Untested("the target names no value for the database's URL")
        return self.database_url

    def require_auth_secret(self) -> RotatedAuthSecret:
        """Raises `Untested` if it was not rotated."""
        if self.auth_secret is None:
            raise Untested("the target names no value for the auth secret, or users' tokens are not signed with it")
        return self.auth_secret


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def rotated_secret(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    database: Database,
    second_role: Role,
    users: Callable[[], User],
) -> RotatedSecret:
    """The Secret's DATABASE_URL and OPENAI_API_KEY are others; then its BETTER_AUTH_SECRET is another.

    Where the Secret exists before the release, it is changed and its users are restarted, since no chart sees that.
    """
    target = experiments.target
    rotates_key = target.can_give("auth_secret") and is_signed_with_secret(writer.token)
    if not target.can_give("database_url") and not rotates_key:
        raise Untested("the target names no value for the database's URL, and none for a secret that signs tokens")
    database_url, auth_secret, credentials = None, None, dict[str, str]()
    with (
        writer.session.kept(),
        reader.session.kept(),
        experiments.experiment("rotated Secret", **settings_traffic(writer, reader)) as experiment,
    ):
        if target.can_give("database_url"):
            credentials["database_url"] = second_role.url
            if target.can_give("model_key"):
                credentials["model_key"] = f"sk-proj-{secrets.token_urlsafe(32)}"
                redactor.add(credentials["model_key"])
            given = {getattr(target.secret, name): text for name, text in credentials.items()}
            step = rollout_step(experiments, " and ".join(given), lambda: experiments.upgrade({}, credentials))
            change = make_change(experiments, experiment, step, given)
            database_url = RotatedDatabaseUrl(change, second_role, given, list(session_roles(database)))
            experiment.run_until(change.interval.start - experiment.start + MIN_SECONDS)
        if rotates_key:
            credentials["auth_secret"] = secrets.token_urlsafe(48)
            redactor.add(credentials["auth_secret"])
            auth_secret = rotate_auth_secret(experiments, experiment, credentials, (writer, reader), users)
        run_step(experiment, rollout_step(experiments, "restore", lambda: experiments.upgrade({})))
    return RotatedSecret(experiment, database_url, auth_secret)


def session_roles(database: Database) -> Iterator[set[str]]:
    """Yield the roles of the sessions in PostgreSQL, without the suite's, several times within `SESSION_SECONDS`."""
    with database.admin() as admin:
        for _ in range(int(SESSION_SECONDS / POLL_SECONDS)):
            rows = admin.execute(
                "SELECT DISTINCT usename FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND usename <> current_user"
            ).fetchall()
            yield {str(row[0]) for row in rows}
            dwell(POLL_SECONDS, "requests open sessions")


def rotate_auth_secret(
    experiments: ExperimentRunner,
    experiment: Experiment,
    credentials: dict[str, str],
    old_sessions: tuple[User, User],
    users: Callable[[], User],
) -> RotatedAuthSecret:
    """Rotate the auth secret under traffic, and send requests with an old session and with a new one."""
    refused = refusals(experiments.target)

    def rotate() -> None:
        now = time.time()
        for component in experiment.traffic:
            experiment.traffic[component].expected_refusals = ExpectedRefusals(refused[component], since=now)
        experiments.upgrade({}, credentials)

    result = run_step(experiment, rollout_step(experiments, "BETTER_AUTH_SECRET", rotate))
    writer, reader = old_sessions
    api, pages, gateway, token = experiments.target.api, experiments.target.pages, reader.gateway, new_token()
    url = gateway.url("frontend", pages.search.replace("{token}", token))
    page = send(gateway, "GET", url, headers=reader.browser_headers, allow_redirects=False)
    old_session = {"backend": writer.call("GET", writer.path(api.tasks)).status_code, "frontend": page.status_code}

    shows_user = page.status_code == OK and pages.echo.replace("{token}", token) in page.text

    def begin_session() -> int:
        user = users()
        return user.call("POST", user.path(api.tasks), json={api.title_field: "after"}).status_code

    new_session = experiment.wait_for("a new session", begin_session)
    return RotatedAuthSecret(result.interval.start, result.recovery, old_session, shows_user, new_session)


@pytest.mark.rule("SEC-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rotated_secret_reaches_new_pods(
    rotated_secret: RotatedSecret, component: str, experiments: ExperimentRunner
) -> None:
    rotated = rotated_secret.require_database_url()
    rotated.change.rollout.raise_if_failed()
    findings = change_findings("SEC-11", experiments, rotated.change, component, rotated.given)
    seen = set().union(*rotated.session_roles)
    if rotated.role.name not in seen or rotated.session_roles[-1] - {rotated.role.name}:
        expected, actual = f"only {rotated.role.name}", f"sessions of {sorted(seen)}"
        findings.append(Finding("SEC-11", "database", "roles of sessions", expected, actual))
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rotated_secret_fails_no_request(
    rotated_secret: RotatedSecret, component: str, experiments: ExperimentRunner
) -> None:
    start = rotated_secret.require_database_url().change.interval.start
    end = rotated_secret.auth_secret.start if rotated_secret.auth_secret else rotated_secret.experiment.end
    findings = request_findings(rotated_secret.experiment, component, Interval(start, end), experiments)
    report_findings(findings, experiments.target)


@pytest.mark.rule("SEC-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_rotated_auth_secret_ends_old_sessions_only(
    rotated_secret: RotatedSecret, component: str, experiments: ExperimentRunner
) -> None:
    rotated, api = rotated_secret.require_auth_secret(), experiments.target.api
    rotated.rollout.raise_if_failed()
    if component == "frontend" and not experiments.target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    refused, served = refusals(experiments.target)[component], {"backend": api.created, "frontend": OK}[component]
    object_ = f"Service/{experiments.target.component(component).service}"
    findings = []
    old = rotated.old_session[component]
    if old not in refused:
        findings.append(Finding("SEC-11", object_, "old session", f"one of {sorted(refused)}", str(old)))
    elif component == "frontend" and rotated.shows_user:
        findings.append(Finding("SEC-11", object_, "old session", "no page of the user", f"{old} with the user's page"))
    if rotated.new_session.value != api.created:
        findings.append(Finding("SEC-11", object_, "new session", f"{api.created}", str(rotated.new_session.value)))
    experiment = rotated_secret.experiment
    records = experiment.traffic[component].availability.between(Interval(rotated.start, experiment.end)).records
    answers = {(record.status, record.error) for record in records}
    if others := answers - {(status, "") for status in (served, *refused)}:
        findings.append(Finding("SEC-11", object_, "responses", "served or refused, never lost", f"{sorted(others)}"))
    report_findings(findings, experiments.target)
