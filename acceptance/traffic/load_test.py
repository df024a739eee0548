"""Load on the backend's Service: Locust in a pod, as one user. It measures and asserts nothing."""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from acceptance.checks.finding import Untested
from acceptance.client.rows import untested_if_absent
from acceptance.client.user import User
from acceptance.core.deadlines import LOAD_ENDED, REQUEST
from acceptance.core.fields import at, text_at
from acceptance.core.wait import NotYet, eventually
from acceptance.kube.client import Objects
from acceptance.kube.status import container_status
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.gateway import service_url
from acceptance.provision.tool_pod import tool_pod

NAME = "load"
FOLDER = "/run/load"
TITLE = "load"
"""The start of the titles of Locust's tasks, as in `support/tools/load.py`."""


@dataclass(frozen=True)
class RequestCounts:
    """Locust's counts at a moment (seconds since the epoch), of all requests since its start."""

    moment: float
    requests: int
    failures: int
    p95: float
    """The 95th percentile of the response times of the last 10 s, in seconds."""


@dataclass
class Load:
    """A load test; its samples, one per second, are available after its end."""

    samples: tuple[RequestCounts, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests Locust has sent."""
        return self.samples[-1].requests if self.samples else 0

    @property
    def failures(self) -> int:
        """How many of them failed, as Locust counts them."""
        return self.samples[-1].failures if self.samples else 0

    def rates(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Requests per second that were answered, and that failed, from each sample to the next; 0 at the end."""
        answered, failed = [], []
        for before, after in itertools.pairwise(self.samples):
            seconds = after.moment - before.moment
            failures = after.failures - before.failures
            answered.append((before.moment, (after.requests - before.requests - failures) / seconds))
            failed.append((before.moment, failures / seconds))
        end = [(sample.moment, 0.0) for sample in self.samples[-1:]]
        return answered + end, failed + end

    def slowest(self) -> list[tuple[float, float]]:
        """Return the 95th percentiles in seconds; NaN at the end, where the curve stops."""
        return [(sample.moment, sample.p95) for sample in self.samples[:-1]] + [
            (sample.moment, math.nan) for sample in self.samples[-1:]
        ]


def stored_tasks(user: User, database: Database) -> Counter[str] | None:
    """Return how many rows PostgreSQL has of each title that Locust wrote as `user`.

    Returns:
        The counts, or None where the database has no table or column of the target's name.
    """
    tables = user.target.tables
    query = sql.SQL("SELECT {} FROM {} WHERE {}::text = {} AND {} LIKE {}").format(
        sql.Identifier(tables.task_title),
        sql.Identifier(*tables.task.split(".")),
        sql.Identifier(tables.owner),
        sql.Literal(user.id),
        sql.Identifier(tables.task_title),
        sql.Literal(f"{TITLE} %"),
    )
    with database.admin() as connection, suppress(Untested), untested_if_absent():
        return Counter(str(title) for (title,) in connection.execute(query).fetchall())
    return None


def parse_samples(log: str) -> tuple[RequestCounts, ...]:
    """Return the samples in the pod's log; lines of Locust's own are skipped."""
    return tuple(RequestCounts(**json.loads(line)) for line in log.splitlines() if line.startswith('{"moment"'))


@contextmanager
def run_load(cluster: Cluster, image: str, user: User, clients: int) -> Iterator[Load]:
    """Write tasks as `user` from entry to exit.

    Args:
        cluster: The cluster that runs Locust and the release.
        image: The image of the suite's tools.
        user: Who writes the tasks.
        clients: How many clients write at once, each as fast as it gets responses, but at most 10 tasks per second.
    """
    cluster.load_image(image)
    load = Load()
    try:
        cluster.apply(_plan(cluster, user), _pod(cluster, image, user, clients))
        yield load
        _stop(cluster)
        load.samples = parse_samples(cluster.kubectl("logs", NAME, "--namespace", cluster.run.namespace))
    finally:
        cluster.kubectl("delete", "pod,secret", NAME, "--namespace", cluster.run.namespace, "--ignore-not-found")


def _stop(cluster: Cluster) -> None:
    """Stop Locust, which waits for its last responses first, so that its last counts are complete."""
    namespace = cluster.run.namespace
    cluster.kubectl("exec", NAME, "--namespace", namespace, "--", "sh", "-c", "kill 1")

    def probe() -> None:
        pod = Objects(cluster.api, namespace).list("Pod").by_name[NAME]
        if at(container_status(pod, NAME), "state.terminated") is None:
            raise NotYet(f"it is {text_at(pod, 'status.phase')}")

    eventually("the load to end", probe, LOAD_ENDED)


def _plan(cluster: Cluster, user: User) -> dict[str, Any]:
    """Return a Secret with what Locust sends, since it contains the user's token."""
    api = user.target.api
    plan = {"path": user.path(api.tasks), "headers": json.dumps(user.authorization), "title": api.title_field}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in plan.items()},
    }


def _pod(cluster: Cluster, image: str, user: User, clients: int) -> dict[str, Any]:
    host = service_url(user.target, "backend")
    options = ["--headless", "--users", str(clients), "--spawn-rate", str(clients), "--host", host, "--only-summary"]
    options += ["--stop-timeout", f"{REQUEST.seconds:g}"]
    return tool_pod(
        cluster,
        NAME,
        image,
        ["locust", "--locustfile", "/opt/tools/load.py", *options],
        # Low, since the release under load and the sampler take precedence.
        {"cpu": "50m", "memory": "64Mi"},
        container={
            "env": [{"name": "LOAD_PLAN", "value": FOLDER}],
            "volumeMounts": [{"name": "plan", "mountPath": FOLDER, "readOnly": True}],
        },
        spec={"restartPolicy": "Never", "volumes": [{"name": "plan", "secret": {"secretName": NAME}}]},
    )
