"""Load: Locust in a pod of the suite's own, as one user, on the backend's Service. It judges nothing."""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from acceptance.client.user import User
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import service_url
from acceptance.provision.tool_pod import tool_pod

NAME = "load"
FOLDER = "/run/load"


@dataclass(frozen=True)
class LoadSample:
    """What Locust had counted at a moment (seconds since the epoch), of all requests since it began."""

    moment: float
    requests: int
    failures: int
    p95: float
    """Seconds in which 95 % of the requests of the last 10 s were answered."""


@dataclass
class Load:
    """A load; after its end, Locust's counts of it, a second apart."""

    samples: tuple[LoadSample, ...] = ()

    @property
    def requests(self) -> int:
        return self.samples[-1].requests if self.samples else 0

    @property
    def failures(self) -> int:
        return self.samples[-1].failures if self.samples else 0

    def rates(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Requests a second that were answered, and that failed, from each count to the next, and none at last."""
        answered, failed = [], []
        for before, after in itertools.pairwise(self.samples):
            seconds = after.moment - before.moment
            bad = after.failures - before.failures
            answered.append((before.moment, (after.requests - before.requests - bad) / seconds))
            failed.append((before.moment, bad / seconds))
        end = [(count.moment, 0.0) for count in self.samples[-1:]]
        return answered + end, failed + end

    def slowest(self) -> list[tuple[float, float]]:
        """The 95th percentiles; what ends a curve of them is not a number."""
        return [(count.moment, count.p95) for count in self.samples[:-1]] + [
            (count.moment, math.nan) for count in self.samples[-1:]
        ]


def counts(log: str) -> tuple[LoadSample, ...]:
    """The counts in a log of Locust's, whose other lines are its own."""
    return tuple(LoadSample(**json.loads(line)) for line in log.splitlines() if line.startswith('{"moment"'))


@contextmanager
def run_load(cluster: Cluster, image: str, user: User, clients: int) -> Iterator[Load]:
    """`clients` write tasks as quickly as they are answered, 10 a second each at most, from entry to exit."""
    cluster.load_image(image)
    plan = {
        "path": user.path(user.target.api.tasks),
        "token": user.token,
        "title": user.target.api.title_field,
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": cluster.run.namespace},
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in plan.items()},
    }
    host = service_url(user.target, "backend")
    argv = ["--headless", "--users", str(clients), "--spawn-rate", str(clients), "--host", host, "--only-summary"]
    pod = tool_pod(
        cluster,
        NAME,
        image,
        ["locust", "--locustfile", "/opt/tools/load.py", *argv],
        # Small requests: what is loaded and what samples it come first.
        {"cpu": "50m", "memory": "64Mi"},
        container={
            "env": [{"name": "LOAD_PLAN", "value": FOLDER}],
            "volumeMounts": [{"name": "plan", "mountPath": FOLDER, "readOnly": True}],
        },
        spec={"restartPolicy": "Never", "volumes": [{"name": "plan", "secret": {"secretName": NAME}}]},
    )
    cluster.apply(secret, pod)
    load = Load()
    try:
        yield load
        load.samples = counts(cluster.kubectl("logs", NAME, "--namespace", cluster.run.namespace))
    finally:
        cluster.kubectl("delete", "pod,secret", NAME, "--namespace", cluster.run.namespace, "--ignore-not-found")
