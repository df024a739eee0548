"""As many backends as the autoscaler allows, started at once on an empty database, and started again; then load."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.client.database_contents import (
    Column,
    checksums,
    columns,
    connection_limit,
    connections_of,
    tables,
    tables_unchanged,
)
from acceptance.client.endpoints import create_resources
from acceptance.client.user import User, wait_answered
from acceptance.core.deadlines import CONNECTIONS_FELL, EVERY_POD, ROLLED_OUT
from acceptance.core.fields import Object, at, mappings_at, name_of, text_at
from acceptance.core.redaction import redactor
from acceptance.core.target import COMPONENTS, Autoscaler, Component, Target
from acceptance.core.wait import NotYet, WaitError, dwell, eventually
from acceptance.experiments import faults
from acceptance.experiments.connections import Sample, excess_findings, peak
from acceptance.experiments.experiment import SKIPPED, Experiment, WaitResult
from acceptance.experiments.polling import polled
from acceptance.experiments.recovery import require_room, uids
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.status import container_status, restarts_of
from acceptance.provision.database import Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.provisioner import Provisioner
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.load_test import run_load

pytestmark = pytest.mark.timeout(600)
"""Two starts of five pods and the restored baseline, each to its deadline."""
CLIENTS = 60
"""Concurrent requests: twelve for each of five pods, which is more than a pool has."""
LOAD_SECONDS = 12.0
CPU_REQUEST = "50m"
"""CPU request of each pod, so that two cores have room for all of them, for the frontend's two and for the load."""
QUIET_SECONDS = 2.0
"""Seconds between two checksums of an idle release: what changes meanwhile is written by the application itself."""
MIGRATIONS = 2
"""One, and another one that finds it running."""
HELD_SECONDS = 2.5
"""More than the second by which the end of a container can be reported early, and far below usual lock timeouts."""
CLOCK_SECONDS = 1.0
"""Kubernetes' timestamps are whole seconds."""

Rows = dict[str, tuple[int, str]]


@dataclass
class FiveBackends:
    """The experiment, and what was observed of pods and database.

    Attributes:
        experiment: Its time and its history.
        reference: The columns of the database that the release was installed with.
        schema: The columns of the empty database while the pods started, each with the moment.
        started: How the wait for the first start ended.
        used: How the first user's requests ended.
        used_schema: The columns after them: the frontend may add its own at its first request.
        pods: The backend's pods after each start.
        before: The rows before the second start, without tables that the idle release changes.
        after: The rows after it.
        restarted: How the wait for the second start ended.
        loaded: How the wait for connections of the load ended.
        load: Connections under load.
        connection_limit: How many connections the server allows.
        fell: The connections after the load and with fewer pods.
    """

    experiment: Experiment
    reference: frozenset[Column]
    schema: list[tuple[float, frozenset[Column]]] = field(default_factory=list)
    started: WaitResult[None] = SKIPPED
    used: WaitResult[User] = SKIPPED
    used_schema: frozenset[Column] = frozenset()
    pods: list[list[Object]] = field(default_factory=list)
    before: Rows = field(default_factory=dict)
    after: Rows = field(default_factory=dict)
    restarted: WaitResult[None] = SKIPPED
    loaded: WaitResult[None] = SKIPPED
    load: list[Sample] = field(default_factory=list)
    connection_limit: int = 0
    fell: WaitResult[int] = SKIPPED


def promised(target: Target, backends: int) -> int | None:
    """Return how many connections the pools of all pods have together; None if the target does not say.

    A component that is not given the database's URL has none.
    """
    total = 0
    for name in COMPONENTS:
        part = target.component(name)
        if target.secret.database_url not in part.secret_keys and part.pool_size is None:
            continue
        if part.pool_size is None:
            return None
        total += part.pool_size * (backends if name == "backend" else part.replicas)
    return total


def replicas_path(target: Target) -> str:
    """The value path of the backend's replicas; raises `Untested` without it, or without the database's URL."""
    replicas = target.component("backend").values.replicas
    if replicas is None or not target.can_give("database_url"):
        raise Untested("the target names no value for the database's URL, or none for the backend's replicas")
    return replicas


def rows_unless_changing(database: Database) -> Rows:
    """Return the rows of each table, except of tables that change although nobody uses the release."""
    with database.admin() as connection:
        first = checksums(connection)
        dwell(QUIET_SECONDS, "an idle release changes the tables that it writes by itself")
        second = checksums(connection)
    return {table: rows for table, rows in second.items() if first.get(table) == rows}


def hold_migrations(experiments: ExperimentRunner, empty: Database, changes: Mapping[str, object]) -> None:
    """Upgrade the release to the empty database.

    Where init containers migrate, two of them run for a while before tables can be made.

    A pod that takes another one's migration for its own is Ready by then, without a table.
    """
    backend = experiments.target.component("backend")
    if backend.init_container is None:
        experiments.upgrade(changes, {"database_url": empty.url})
        return
    init_container, earlier = backend.init_container, uids(experiments.pods(backend))
    migrations = min(MIGRATIONS, backends(experiments.target))

    def probe() -> None:
        new = [pod for pod in experiments.pods(backend) if not uids([pod]) & earlier]
        states = [at(container_status(pod, init_container), "state") for pod in new]
        started = [state for state in states if state and "waiting" not in state]
        if len(started) < migrations:
            raise NotYet(f"{len(started)} of {len(new)} new pods have started {init_container}")

    with empty.admin() as connection, tables_unchanged(connection):
        experiments.upgrade(changes, {"database_url": empty.url})
        try:
            eventually(f"{migrations} migrations to start", probe, EVERY_POD)
        except WaitError:
            return  # why the pods don't start is what the wait for the rollout says
        dwell(HELD_SECONDS, "migrations wait, and others see that one is running")


def start_again(experiments: ExperimentRunner, backend: Component) -> None:
    """Delete all backend pods at once, and wait until as many others are Ready."""
    deleted = experiments.pods(backend)
    for pod in deleted:
        faults.delete(experiments.release.cluster, pod, 0)

    def probe() -> None:
        if kept := uids(experiments.pods(backend)) & uids(deleted):
            raise NotYet(f"{len(kept)} deleted pods still exist")

    eventually("the deleted pods to be gone", probe, EVERY_POD)
    experiments.wait_rolled_out()


def first_user(gateway: Gateway, users: Callable[[], User]) -> User:
    """Sign up a user, who adds a task, a tag and a conversation."""
    for component in COMPONENTS:
        wait_answered(gateway, component)
    user = users()
    create_resources(user, "Row of a USER")
    return user


def wait_fallen(database: Database, limit: int) -> int:
    """Wait until there are at most `limit` connections, and return how many there are."""
    with database.admin() as connection:

        def probe() -> int:
            count = connections_of(connection, database.role).total()
            if count > limit:
                raise NotYet(f"there are {count}")
            return count

        return eventually(f"at most {limit} connections to the database", probe, CONNECTIONS_FELL)


def load_and_scale_down(
    experiments: ExperimentRunner,
    observed: FiveBackends,
    empty: Database,
    image: str,
    fewer: Mapping[str, object],
) -> None:
    """Sample connections under load, then with the baseline's replicas, as the values `fewer` set them."""
    experiment = observed.experiment
    with empty.admin() as connection, run_load(experiments.release.cluster, image, observed.used.value, CLIENTS):
        observed.connection_limit = connection_limit(connection)
        experiment.annotate("load starts")

        def probe() -> None:
            if not connections_of(connection, empty.role):
                raise NotYet("there is none")

        observed.loaded = experiment.wait_for(
            "connections of the load", lambda: eventually("the load's first connections", probe, EVERY_POD)
        )
        if not observed.loaded.ok:
            return
        with polled(lambda: connections_of(connection, empty.role)) as samples:
            dwell(LOAD_SECONDS, "connections are sampled under load")
        observed.load = samples
    experiment.annotate("load ends")
    experiments.upgrade(fewer)
    limit = promised(experiments.target, experiments.target.component("backend").replicas)
    scaled = experiment.wait_for("fewer backends", experiments.wait_rolled_out)
    if limit is not None and scaled.ok:
        observed.fell = experiment.wait_for("fewer connections", lambda: wait_fallen(empty, limit))


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def five_backends(
    experiments: ExperimentRunner,
    users: Callable[[], User],
    gateway: Gateway,
    provisioner: Provisioner,
    database: Database,
) -> FiveBackends:
    """The release with five backends on an empty database: started, used, started again, and under load."""
    target, backend = experiments.target, experiments.target.component("backend")
    replicas = replicas_path(target)
    with database.admin() as connection:
        reference = columns(connection)
    with (
        database.empty(f"empty_{secrets.token_hex(4)}", redactor.add) as empty,
        experiments.experiment("five backends on an empty database") as experiment,
    ):
        observed = FiveBackends(experiment, reference)
        changes: dict[str, object] = {replicas: backends(target)}
        if backend.values.max_surge:
            # Without it one pod fewer than all would start at once.
            changes[backend.values.max_surge] = backends(target)
        if backend.values.resources:
            changes[f"{backend.values.resources}.requests.cpu"] = CPU_REQUEST
        with (
            experiment.disturbance(),
            empty.admin() as connection,
            polled(lambda: columns(connection)) as schema,
        ):
            hold_migrations(experiments, empty, changes)
            observed.started = experiment.wait_for("five backends", experiments.wait_rolled_out)
            require_room(experiments.objects, f"{backends(target)} backends")
        observed.schema = schema
        observed.pods.append(experiments.pods(backend))
        if observed.started.ok:
            observed.used = experiment.wait_for("the first user", lambda: first_user(gateway, users))
        if observed.used.ok:
            with empty.admin() as connection:
                observed.used_schema = columns(connection)
            observed.before = rows_unless_changing(empty)
            experiment.annotate("all backends are started again")
            observed.restarted = experiment.wait_for("five again", lambda: start_again(experiments, backend))
            observed.pods.append(experiments.pods(backend))
            with empty.admin() as connection:
                observed.after = checksums(connection)
            if observed.restarted.ok:
                fewer = {**changes, replicas: backend.replicas}
                load_and_scale_down(experiments, observed, empty, provisioner.tools().reference, fewer)
    return observed


def backends(target: Target) -> int:
    """Return how many backends the autoscaler allows."""
    return (target.autoscaler or Autoscaler(name="")).max_replicas


@pytest.mark.rule("REL-01")
def test_migrations_end_before_the_backend_starts(five_backends: FiveBackends, experiments: ExperimentRunner) -> None:
    """The init container that the target names migrates; the backend's tables no longer change after it."""
    target, backend = experiments.target, experiments.target.component("backend")
    if backend.init_container is None:
        raise Untested("the target names no init container of the backend, so migrations run in another way")
    five_backends.started.raise_if_failed()
    pods = [pod for started in five_backends.pods for pod in started]
    assert len(pods) > 1
    findings = []
    for pod in pods:
        status = container_status(pod, backend.init_container)
        finished = text_at(status, "state.terminated.finishedAt")
        started = text_at(container_status(pod, backend.container), "state.running.startedAt")
        if at(status, "state.terminated.exitCode") != 0 or not finished <= started:
            actual = f"exit code {at(status, 'state.terminated.exitCode')} at {finished or 'no time'}, {started}"
            expected = "exit code 0, not later than the start of the backend container"
            findings.append(Finding("REL-01", f"Pod/{name_of(pod)}", backend.init_container, expected, actual))
    report_findings(findings, target)
    report_findings(late_schema_findings(five_backends, target, backend.init_container), target)


def late_schema_findings(observed: FiveBackends, target: Target, init_container: str) -> list[Finding]:
    """Return a finding if the backend's tables changed after an init container of the first start had ended.

    Its end stays in the pod's status, while the start of the other container is that of its last restart.

    Raises:
        Untested: The database never had a table that the target names.
    """
    tables = target.tables
    own = {name for name in (tables.task, tables.tag, tables.conversation, tables.message) if name is not None}
    seen = [(moment, {each for each in found if each[0] in own}) for moment, found in observed.schema]
    if not seen[-1][1]:
        raise Untested(f"the database has none of the tables {', '.join(sorted(own))}")
    # The reading before the first complete one may be long ago on a busy machine.
    incomplete = max((moment for moment, found in seen if found != seen[-1][1]), default=0.0)
    ends = [text_at(container_status(pod, init_container), "state.terminated.finishedAt") for pod in observed.pods[0]]
    first = min(datetime.fromisoformat(end).timestamp() for end in ends if end)
    if incomplete <= first + CLOCK_SECONDS:
        return []
    late = f"later than {incomplete - first:.1f} s after the first end of {init_container}"
    object_ = f"Deployment/{target.component('backend').deployment}"
    return [Finding("REL-01", object_, "the last change of the schema", "before any backend container starts", late)]


@pytest.mark.rule("REL-02")
def test_five_migrations_at_once_complete_the_schema(
    five_backends: FiveBackends, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """No container fails, even one that Kubernetes would restart, and the tables are those of the installed release."""
    five_backends.started.raise_if_failed()
    record_measurement(
        "five backends on an empty database: all Ready", five_backends.started.elapsed, "s", Limit.of(ROLLED_OUT)
    )
    findings = failed_start_findings(five_backends.pods[0])
    five_backends.used.raise_if_failed()
    complete = five_backends.schema[-1][1] | five_backends.used_schema
    if missing := sorted(five_backends.reference - complete):
        shown = ", ".join(f"{table}.{column}" for table, column, _ in missing[:5])
        expected = f"{len(five_backends.reference)} columns, as in the database of the installation"
        findings.append(Finding("REL-02", "Database", "schema", expected, f"{len(missing)} missing: {shown}"))
    assert tables(complete), "the pods made no table"
    report_findings(findings, experiments.target)


@pytest.mark.rule("REL-02")
def test_migrations_run_again_change_no_row(five_backends: FiveBackends, experiments: ExperimentRunner) -> None:
    for wait in (five_backends.started, five_backends.used, five_backends.restarted):
        wait.raise_if_failed()
    before, after = five_backends.before, five_backends.after
    assert any(count for count, _ in before.values()), "no table had a row"
    findings = failed_start_findings(five_backends.pods[1])
    for table, rows in before.items():
        if after.get(table) != rows:
            expected = f"{rows[0]} rows, as before the second start of all backends"
            actual = f"{after[table][0]} rows, with other contents" if table in after else "no such table"
            findings.append(Finding("REL-02", f"Table/{table}", "rows", expected, actual))
    report_findings(findings, experiments.target)


def failed_start_findings(pods: list[Object]) -> list[Finding]:
    """Return a finding for each pod of which an init container or a container failed at first."""
    findings = []
    for pod in pods:
        failed = sum(int(each["restartCount"]) for each in mappings_at(pod, "status.initContainerStatuses"))
        if failed + restarts_of(pod):
            actual = f"init containers restarted {failed} times, containers {restarts_of(pod)} times"
            findings.append(Finding("REL-02", f"Pod/{name_of(pod)}", "restartCount", "0: no start fails", actual))
    return findings


@pytest.mark.rule("PER-03")
def test_connections_stay_within_the_pools(
    five_backends: FiveBackends, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """Each pod that names itself in application_name is judged, and all together; fewer pods must have fewer."""
    target = experiments.target
    number = backends(target)
    limit, size = promised(target, number), target.component("backend").pool_size
    if limit is None or size is None:
        raise Untested("the target does not name the pool_size of each component that is given the database's URL")
    for wait in (five_backends.started, five_backends.used, five_backends.restarted, five_backends.loaded):
        wait.raise_if_failed()
    highest = peak(five_backends.load)
    assert highest > 0
    record_measurement(
        f"connections of {number} backends under load", highest, "connections", Limit(limit, "pool size x pods")
    )
    pools = {name_of(pod): size for pod in five_backends.pods[-1]}
    findings = excess_findings("PER-03", five_backends.load, pools, limit, five_backends.connection_limit)
    least = promised(target, target.component("backend").replicas)
    fell = Limit(float(least or limit), CONNECTIONS_FELL.source)
    record_measurement("connections after the load", five_backends.fell.value, "connections", fell)
    report_findings(findings, target)
