"""Fixtures of the experiments: the runner, the recorder, the sampler, and the users whose requests are sampled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from acceptance.checks.finding import Untested
from acceptance.client.user import User, wait_answered
from acceptance.core.deadlines import MODEL_BACK, MODEL_GONE
from acceptance.core.fields import integer_at
from acceptance.core.target import COMPONENTS, Target
from acceptance.core.values import set_paths
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.faults import delete
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.diagnostics import RECENT
from acceptance.kube.log_follower import LogFollower, summarize_ended
from acceptance.kube.recorder import Recorder
from acceptance.kube.status import pods_of
from acceptance.plugin.collection import experiments_are_last
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import BuiltImage
from acceptance.provision.kube_proxy import read_delays
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.provision.run import Run
from acceptance.report.experiments import attempt_at, availability_picture, record_availability, record_ledgers
from acceptance.report.results import Attempt, OnFailure, Picture, RecordMeasurement, RunMetadata
from acceptance.traffic.attribution import ConnectionTracker, track_connections
from acceptance.traffic.changes import reconcile_changes
from acceptance.traffic.plans import new_token
from acceptance.traffic.preflight import plan_obstacle
from acceptance.traffic.sampler import Sampler, open_sampler
from acceptance.traffic.write_ledger import Ledger, reconcile_traffic
from tests.installed_target import target as target

NODE_FAULTS = "test_node_faults.py"
MIN_NODES = 3
"""Nodes for a fault of a node: a control plane without pods of the release, the lost worker, and another one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of an experiment, so that it runs after the tests that disturb nothing."""
    for item in items:
        if "experiments" in getattr(item, "fixturenames", ()):
            item.add_marker("experiment")
        if "ended_experiments" in getattr(item, "fixturenames", ()):
            item.add_marker("every_experiment")


@pytest.fixture(scope="session", autouse=True)
def both_components(target: Target) -> None:
    """Raise `Untested` without a frontend or a backend: users sign up at the one, and their tasks are at the other."""
    if missing := [name for name in COMPONENTS if name not in target.components]:
        raise Untested(f"the target names no {missing[0]}, and behaviour is judged as users see it")


@pytest.fixture(scope="session")
def sampler(provisioner: Provisioner, cluster: Cluster, gateway: Gateway) -> Sampler:
    """The sampler, which runs in a pod."""
    return open_sampler(cluster, gateway, provisioner.tools().reference)


@pytest.fixture(scope="session")
def writer(users: Callable[[], User]) -> User:
    """The user who writes tasks and chats."""
    return users()


@pytest.fixture(scope="session")
def reader(users: Callable[[], User]) -> User:
    """The user who reads pages, and has few tasks."""
    return users()


@pytest.fixture(scope="package")
def log_follower(ready_release: Release) -> LogFollower:
    """The logs of the release's containers, from the first experiment on."""
    return LogFollower(ready_release.objects)


@pytest.fixture(scope="package")
def recorder(
    ready_release: Release,
    log_follower: LogFollower,
    on_failure: OnFailure,
    record_evidence: Callable[[str, str | bytes], Path],
) -> Iterator[Recorder]:
    """Records every version of the release's objects, and the logs of its containers."""

    def collect() -> dict[str, str]:
        now = time.time()
        for title, text in log_follower.running().items():
            record_evidence(f"{title}.txt", text)
        return summarize_ended(log_follower.ended(now - RECENT.total_seconds()), record_evidence, now)

    with Recorder(ready_release.objects, on_version=log_follower.on_version) as recorder, on_failure(collect):
        yield recorder


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect the tests that take a node away only where another node can run its pods."""
    return True if collection_path.name == NODE_FAULTS and config.option.nodes < MIN_NODES else None


@pytest.fixture(scope="package")
def conntrack(cluster: Cluster, sampler: Sampler) -> Iterator[ConnectionTracker]:
    """The connections of the sampler, as its node tracks them."""
    with track_connections(cluster, sampler.pod) as conntrack:
        yield conntrack


@pytest.fixture(scope="package")
def record_experiment(
    target: Target,
    record_measurement: RecordMeasurement,
    record_picture: Callable[[Picture], None],
    attempts: list[Attempt],
) -> Callable[[Experiment], None]:
    """`record_experiment(experiment)` adds it to the report when it has ended; an inconclusive one as an attempt."""

    def record(experiment: Experiment) -> None:
        attempts.append(attempt_at(experiment, attempts))
        if experiment.inconclusive:
            return
        record_availability(experiment, record_measurement)
        record_ledgers(experiment, record_measurement)
        if experiment.availability and experiment.traffic:
            record_picture(availability_picture(experiment, target.components.values()))

    return record


def reconcile_writes(provisioner: Provisioner, experiment: Experiment) -> dict[str, Ledger]:
    """Compare with PostgreSQL what an experiment wrote; nothing where the database is not the run's."""
    if not provisioner.installs_release:
        return {}
    database, tables = provisioner.database(), provisioner.target.tables
    changed = reconcile_changes(experiment.changes, tables, database)
    return reconcile_traffic(experiment.traffic, database) | changed


def delete_component_pods(release: Release) -> None:
    """Delete every pod of the components without a grace period."""
    for part in release.target.components.values():
        for pod in pods_of(release.objects.list("Pod").objects, part):
            delete(release.cluster, pod, 0)


def baseline_values(release: Release) -> dict[str, Any]:
    """Return the values with which every experiment runs: no autoscaler, and the replicas that the target states.

    A chart that ships others is a finding of CHT-11 and DEP-03; waits for pods that never come would be another one.
    """
    values = release.target.values
    changes: dict[str, Any] = {values.hpa_enabled: False} if values.hpa_enabled else {}
    deployments = release.objects.list("Deployment").by_name
    for part in release.target.components.values():
        if part.values.replicas and integer_at(deployments.get(part.deployment), "spec.replicas", 1) != part.replicas:
            changes[part.values.replicas] = part.replicas
    return changes


@pytest.fixture(scope="package")
def experiments(
    ready_release: Release,
    cluster: Cluster,
    recorder: Recorder,
    sampler: Sampler,
    gateway: Gateway,
    conntrack: ConnectionTracker,
    reader: User,
    provisioner: Provisioner,
    run: Run,
    run_metadata: RunMetadata,
    record_experiment: Callable[[Experiment], None],
    progress: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> Iterator[ExperimentRunner]:
    """The runner of experiments on the release.

    At the end the release is as it was installed, unless no test follows and its cluster is about to be removed.
    """

    def record_override(changes: Mapping[str, Any]) -> None:
        run_metadata.override(ready_release.values, set_paths(ready_release.values, changes), "set by an experiment")

    def verify_serving() -> None:
        for name in COMPONENTS:
            wait_answered(gateway, name)
        reader.add_task(new_token())

    reads_nodes = "node" in cluster.capabilities
    runner = ExperimentRunner(
        ready_release,
        recorder,
        sampler,
        verify_serving=verify_serving,
        publish=record_experiment,
        record_override=record_override,
        baseline_values=baseline_values(ready_release),
        connections=conntrack.connections,
        plan_obstacle=lambda plan: plan_obstacle(plan, gateway),
        progress=progress,
        reconcile=partial(reconcile_writes, provisioner),
        rule_delays=partial(read_delays, cluster.node_of(sampler.pod)) if reads_nodes else Counter,
        delete_pods=partial(delete_component_pods, ready_release),
    )
    yield runner
    is_used_later = run.outlived or not experiments_are_last(request.session.items)
    if is_used_later and not runner.unmodified:
        ready_release.upgrade()
        ready_release.wait_ready()


@pytest.fixture
def ended_experiments(experiments: ExperimentRunner) -> list[Experiment]:
    """Every experiment of this run, for tests that judge all of them; raises `Untested` if there was none."""
    if not experiments.ended:
        raise Untested("no experiment was run")
    return experiments.ended


@pytest.fixture(scope="session")
def rebuilt_images(provisioner: Provisioner, cluster: Cluster) -> dict[str, BuiltImage]:
    """An image of each component on the node, of the same application with other content."""
    images = provisioner.derived_images("rebuilt_images")
    cluster.load_image(*(image.reference for image in images.values()))
    return images


@pytest.fixture(scope="session")
def other_user(writer: User) -> User:
    """A second user, who must not access anything of `user`."""
    return writer


@pytest.fixture(scope="module")
def admin_connection(database: Database) -> Iterator[Connection[Any]]:
    """A superuser's connection to the external PostgreSQL."""
    with database.admin() as connection:
        yield connection


@pytest.fixture
def faulty_model(model: ModelStub, user: User) -> Iterator[ModelStub]:
    """The model, for injecting faults; afterwards the release must work with it again."""
    yield model

    def probe() -> None:
        api = user.target.api
        question = {api.message_field: "are you available?"}
        answer = user.call("POST", user.chat_path, json=question, timeout=MODEL_GONE.seconds)
        if answer.status_code in api.model_failing:
            raise NotYet(f"a turn was answered {answer.status_code}: {answer.text}")
        assert answer.status_code == api.turn, f"expected {api.turn}, got {answer.status_code}: {answer.text}"

    eventually("a turn after the model has recovered", probe, MODEL_BACK)
