"""Changed settings under traffic: another ConfigMap and `helm rollback`, another database role, another auth secret."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests
from psycopg import sql

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.user import User, send
from acceptance.core.fields import name_of
from acceptance.core.interval import Interval
from acceptance.core.redaction import redactor
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.experiments.processes import environment
from acceptance.kube.status import pods_of
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.traffic.availability import ExpectedRefusals, failed_request_findings
from acceptance.traffic.plans import duration_for, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError

COMPONENTS = ("backend", "frontend")
LEAST_REQUESTS = 500
RATE = 15.0
"""Of tasks, and as much of pages, so that enough are sent in the time that a rollout takes."""
LONG_ENOUGH = duration_for(LEAST_REQUESTS, RATE)
OTHER_ENVIRONMENT = "staging"
REFUSED = {
    "backend": frozenset({requests.codes.unauthorized}),
    "frontend": frozenset({302, 303, 307, 308, 401, 403}),
}
"""How a session that has ended is answered."""


@dataclass(frozen=True)
class Changed:
    """When a change was made, and what the containers of each component then saw."""

    began: float
    saw: dict[str, list[str]]
    old_pods: dict[str, set[str]]
    new_pods: dict[str, set[str]]


def names(experiments: ExperimentRunner) -> dict[str, set[str]]:
    """The names of each component's pods, as they are now."""
    pods = experiments.objects.list("Pod").objects
    return {name: {name_of(pod) for pod in pods_of(pods, experiments.target.component(name))} for name in COMPONENTS}


def served(seen: Experiment, component: str, time: Interval, experiments: ExperimentRunner) -> list[Finding]:
    """STA-08's findings of a component's traffic in some time; `VoidError` where too little was asked."""
    availability = seen.traffic[component].availability.between(time)
    if len(availability.records) < LEAST_REQUESTS:
        raise InconclusiveSampleError(f"{len(availability.records)} requests are fewer than {LEAST_REQUESTS}")
    return failed_request_findings("STA-08", f"Service/{experiments.target.component(component).service}", availability)


def changing(
    experiments: ExperimentRunner, seen: Experiment, cluster: Cluster, name: str, change: Callable[[], None], key: str
) -> Changed:
    """Make a change under traffic, wait for the rollout, and read `key` in the containers."""
    old = names(experiments)
    began = seen.annotate(name)
    change()
    seen.attempt(name, experiments.rolled_out)
    new = names(experiments)
    saw: dict[str, list[str]] = {}
    for component in COMPONENTS:
        part = experiments.target.component(component)
        saw[component] = [environment(cluster, pod, part.container).get(key, "") for pod in experiments.pods(part)]
    return Changed(began, saw, old, new)


@dataclass(frozen=True)
class Configured:
    """An upgrade that changes the ConfigMap, and the `helm rollback` to the revision before it."""

    seen: Experiment
    upgrade: Changed
    rollback: Changed


@pytest.fixture(scope="module")
def configured(experiments: ExperimentRunner, writer: User, reader: User, cluster: Cluster) -> Configured:
    """The ConfigMap has another ENVIRONMENT, and the earlier one again."""
    path = experiments.target.values.environment
    if path is None:
        raise Untested("the target names no value for the environment")
    key = experiments.target.config_map.environment
    plans = {"backend": task_writes(writer, RATE), "frontend": page_views(reader, RATE)}
    with experiments.experiment("changed ConfigMap and rollback", **plans) as seen:
        revision = experiments.release.helm.revision()
        upgrade = changing(
            experiments, seen, cluster, "upgrade", lambda: experiments.upgrade({path: OTHER_ENVIRONMENT}), key
        )
        seen.run_until(LONG_ENOUGH)
        rollback = changing(experiments, seen, cluster, "rollback", lambda: experiments.rollback(revision), key)
        seen.run_until(rollback.began - seen.start + LONG_ENOUGH)
    return Configured(seen, upgrade, rollback)


@pytest.fixture(scope="module")
def other_role(database: Database) -> Iterator[tuple[str, str]]:
    """A second role with all that the first may do, and its URL."""
    role, password = f"second_{secrets.token_hex(4)}", secrets.token_urlsafe(24)
    redactor.add(password)
    with database.admin() as admin:
        owner = admin.execute(
            "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        assert owner is not None
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(role), sql.Literal(password), sql.Identifier(str(owner[0]))
            )
        )
        yield role, database.role_url(role, password)
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@dataclass(frozen=True)
class OtherRole:
    """The change to another role's DATABASE_URL."""

    changed: Changed
    role: str
    url: str
    users: set[str]
    """Roles that the pods' sessions in PostgreSQL had after the rollout."""


@dataclass(frozen=True)
class Ended:
    """When the auth secret was rotated, and how the old session and a new one were answered after it."""

    began: float
    old: dict[str, int]
    new_task: int


@dataclass(frozen=True)
class Rotated:
    """The Secret's values rotated one after the other, and brought back together.

    None is for what the target names no value for.
    """

    seen: Experiment
    database_url: OtherRole | None
    auth_secret: Ended | None


@pytest.fixture(scope="module")
def rotated(
    experiments: ExperimentRunner,
    writer: User,
    reader: User,
    cluster: Cluster,
    database: Database,
    other_role: tuple[str, str],
    users: Callable[[], User],
) -> Rotated:
    """The Secret's DATABASE_URL is for another role; then its BETTER_AUTH_SECRET is another."""
    values = experiments.target.values
    if values.database_url is None and values.auth_secret is None:
        raise Untested("the target names no value for the database's URL and none for the auth secret")
    plans = {"backend": task_writes(writer, RATE), "frontend": page_views(reader, RATE)}
    role, ended, changes = None, None, {}
    with experiments.experiment("rotated Secret", **plans) as seen:
        if values.database_url is not None:
            name, url = other_role
            changes[values.database_url] = url
            key = experiments.target.secret.database_url
            changed = changing(experiments, seen, cluster, "DATABASE_URL", lambda: experiments.upgrade(changes), key)
            role = OtherRole(changed, name, url, roles(database))
            seen.run_until(LONG_ENOUGH)
        if values.auth_secret is not None:
            changes[values.auth_secret] = secrets.token_urlsafe(48)
            redactor.add(changes[values.auth_secret])
            ended = end_sessions(experiments, seen, changes, writer, reader, users)
        seen.annotate("back")
        experiments.upgrade({})
        seen.attempt("back", experiments.rolled_out)
    return Rotated(seen, role, ended)


def roles(database: Database) -> set[str]:
    """Whose sessions there are in PostgreSQL, the suite's own left out."""
    with database.admin() as admin:
        rows = admin.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND usename <> current_user"
        ).fetchall()
    return {str(row[0]) for row in rows}


def end_sessions(
    experiments: ExperimentRunner,
    seen: Experiment,
    changes: dict[str, str],
    writer: User,
    reader: User,
    users: Callable[[], User],
) -> Ended:
    """Rotate the auth secret under traffic, and ask with a session from before and with a new one."""
    began = seen.annotate("BETTER_AUTH_SECRET")
    for component in COMPONENTS:
        seen.traffic[component].expected_refusals = ExpectedRefusals(REFUSED[component], began)
    experiments.upgrade(changes)
    seen.attempt("BETTER_AUTH_SECRET", experiments.rolled_out)
    api, gateway = experiments.target.api, reader.gateway
    page = send(
        gateway,
        "GET",
        gateway.url("frontend", experiments.target.pages.search.replace("{token}", "x")),
        headers=reader.cookie,
        allow_redirects=False,
    )
    old = {"backend": writer.call("GET", writer.path(api.tasks)).status_code, "frontend": page.status_code}
    fresh = users()
    new_task = fresh.call("POST", fresh.path(api.tasks), json={api.title_field: "after"}).status_code
    return Ended(began, old, new_task)


def arrived(
    rule: str, experiments: ExperimentRunner, change: Changed, component: str, key: str, value: str
) -> list[Finding]:
    """Findings where the pods were not replaced or do not all see the new value; the value itself is not shown."""
    part = experiments.target.component(component)
    object_ = f"Deployment/{part.deployment}"
    findings = []
    if change.old_pods[component] & change.new_pods[component]:
        kept = sorted(change.old_pods[component] & change.new_pods[component])
        findings.append(Finding(rule, object_, "pods", "replaced by the change", f"kept: {', '.join(kept)}"))
    stale = sum(found != value for found in change.saw[component])
    if stale or not change.saw[component]:
        wanted = f"the new value in each of {part.replicas} pods"
        findings.append(Finding(rule, object_, f"environment {key}", wanted, f"{stale} see another"))
    return findings


@pytest.mark.rule("CFG-10")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_changed_config_map_rolls_the_pods_and_arrives(
    configured: Configured, component: str, experiments: ExperimentRunner
) -> None:
    configured.seen.took("upgrade")
    key = experiments.target.config_map.environment
    report_findings(
        arrived("CFG-10", experiments, configured.upgrade, component, key, OTHER_ENVIRONMENT), experiments.target
    )


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_changed_config_map_loses_no_request(
    configured: Configured, component: str, experiments: ExperimentRunner
) -> None:
    time = Interval(configured.upgrade.began, configured.rollback.began)
    report_findings(served(configured.seen, component, time, experiments), experiments.target)


def other_role_of(rotated: Rotated) -> OtherRole:
    if rotated.database_url is None:
        raise Untested("the target names no value for the database's URL")
    return rotated.database_url


@pytest.mark.rule("SEC-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rotated_secret_rolls_the_pods_and_arrives(
    rotated: Rotated, component: str, experiments: ExperimentRunner
) -> None:
    other = other_role_of(rotated)
    rotated.seen.took("DATABASE_URL")
    findings = arrived(
        "SEC-11", experiments, other.changed, component, experiments.target.secret.database_url, other.url
    )
    if other.users != {other.role}:
        found = f"sessions of {sorted(other.users)}"
        findings.append(Finding("SEC-11", "database", "roles of sessions", f"only {other.role}", found))
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rotated_secret_loses_no_request(rotated: Rotated, component: str, experiments: ExperimentRunner) -> None:
    end = rotated.auth_secret.began if rotated.auth_secret else rotated.seen.end
    time = Interval(other_role_of(rotated).changed.began, end)
    report_findings(served(rotated.seen, component, time, experiments), experiments.target)


@pytest.mark.rule("SEC-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rotated_auth_secret_ends_sessions_and_nothing_else(
    rotated: Rotated, component: str, experiments: ExperimentRunner
) -> None:
    ended = rotated.auth_secret
    if ended is None:
        raise Untested("the target names no value for the auth secret")
    rotated.seen.took("BETTER_AUTH_SECRET")
    refused = REFUSED[component]
    good = {"backend": experiments.target.api.created, "frontend": 200}[component]
    object_ = f"Service/{experiments.target.component(component).service}"
    findings = []
    if ended.old[component] not in refused:
        findings.append(
            Finding("SEC-11", object_, "old session", f"one of {sorted(refused)}", str(ended.old[component]))
        )
    if ended.new_task != experiments.target.api.created:
        findings.append(
            Finding("SEC-11", object_, "new session", f"{experiments.target.api.created}", str(ended.new_task))
        )
    records = rotated.seen.traffic[component].availability.between(Interval(ended.began, rotated.seen.end)).records
    answers = {(record.status, record.error) for record in records}
    if other := answers - {(status, "") for status in (good, *refused)}:
        findings.append(Finding("SEC-11", object_, "answers", "served or refused, never lost", f"{sorted(other)}"))
    report_findings(findings, experiments.target)


@pytest.mark.rule("DEP-08", "CHT-13")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rollback_brings_the_earlier_revision_back(
    configured: Configured, component: str, experiments: ExperimentRunner
) -> None:
    configured.seen.took("upgrade")
    configured.seen.took("rollback")
    part = experiments.target.component(component)
    findings = [
        Finding(rule, f"Deployment/{part.deployment}", "environment", "that of the earlier revision", str(saw))
        for rule in ("DEP-08", "CHT-13")
        for saw in [configured.rollback.saw[component]]
        if not saw or OTHER_ENVIRONMENT in saw
    ]
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-08")
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_rollback_loses_no_request(configured: Configured, component: str, experiments: ExperimentRunner) -> None:
    time = Interval(configured.rollback.began, configured.seen.end)
    report_findings(served(configured.seen, component, time, experiments), experiments.target)
