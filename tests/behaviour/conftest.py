"""Fixtures of the experiments: the runner, the recorder, the sampler, and the users whose requests are sampled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import Connection

from acceptance.client.user import User
from acceptance.core.values import set_paths
from acceptance.experiments.experiment import Experiment, ExperimentRunner
from acceptance.kube.diagnostics import RECENT
from acceptance.kube.log_follower import LogFollower, summarize_ended
from acceptance.kube.recorder import Recorder
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.report import timeline
from acceptance.report.signoff import RunMetadata
from acceptance.traffic.attribution import ConnectionTracker, track_connections
from acceptance.traffic.plans import new_token
from acceptance.traffic.sampler import Sampler, open_sampler

if TYPE_CHECKING:  # pytest rewrites the assertions of a plugin that it imports first
    from acceptance.plugin.session import Collector

FAILED = "STA-08: failed = not connected, reset, cut short, late, wrong status or without its token"


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
def recorder(
    ready_release: Release,
    on_failure: Callable[[Collector], AbstractContextManager[None]],
    record_evidence: Callable[[str, str | bytes], Path],
) -> Iterator[Recorder]:
    """Records every version of the release's objects, and the logs of containers that end."""
    logs = LogFollower(ready_release.objects)

    def collect(*_: object) -> dict[str, str]:
        now = time.time()
        return summarize_ended(logs.ended(now - RECENT.total_seconds()), record_evidence, now)

    with Recorder(ready_release.objects, heard=logs.on_version) as recorder, on_failure(collect):
        yield recorder


@pytest.fixture(scope="package")
def conntrack(cluster: Cluster, sampler: Sampler) -> Iterator[ConnectionTracker]:
    """The connections of the sampler, as the node tracks them."""
    with track_connections(cluster, sampler.address) as conntrack:
        yield conntrack


@pytest.fixture(scope="package")
def experiments(
    ready_release: Release,
    recorder: Recorder,
    sampler: Sampler,
    conntrack: ConnectionTracker,
    reader: User,
    run_metadata: RunMetadata,
    record_measurement: Callable[[str, float, str, str], None],
    record_picture: Callable[[str, str, str], None],
) -> Iterator[ExperimentRunner]:
    """The release without its autoscaler, which experiments disturb; at the end it is as it was installed."""
    target = ready_release.target

    def publish(experiment: Experiment) -> None:
        if not experiment.availability:
            return
        for label, sampling in experiment.traffic.items():
            for name, value in sampling.availability.figures().items():
                source = FAILED
                if name == "refused_as_meant":
                    source = "what the experiment brings about: not a failure"
                figure, _, unit = name.rpartition("_")
                if unit != "seconds":
                    figure, unit = name, "requests"
                record_measurement(f"{experiment.name}: {label}: {figure}", value, unit, source)
        if experiment.traffic:
            figures = "; ".join(
                f"{label}: {len(seen.records)} requests, {len(seen.failures)} failed"
                + (f", {len(seen.expected_refusals)} refused as meant" if seen.expected_refusals else "")
                for label, sampling in experiment.traffic.items()
                for seen in [sampling.availability]
            )
            picture = timeline.availability(experiment, target.components.values())
            record_picture(experiment.name, picture, figures)

    def record_override(changes: Mapping[str, Any]) -> None:
        run_metadata.override(ready_release.values, set_paths(ready_release.values, changes), "set by an experiment")

    baseline_values = {target.values.hpa_enabled: False} if target.values.hpa_enabled else {}
    runner = ExperimentRunner(
        ready_release,
        recorder,
        sampler,
        lambda: reader.add_task(new_token()),
        publish,
        record_override,
        baseline_values,
        conntrack.connections,
    )
    yield runner
    if not runner.unmodified:
        ready_release.upgrade()
        ready_release.wait_ready()


@pytest.fixture(scope="session")
def other_user(writer: User) -> User:
    """A second user, who must not access anything of `user`."""
    return writer


@pytest.fixture(scope="module")
def admin_connection(database: Database) -> Iterator[Connection[Any]]:
    """A superuser's connection to the external PostgreSQL."""
    with database.admin() as connection:
        yield connection
