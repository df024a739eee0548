"""Logs: requests are logged to stdout or stderr, and no file is written in the container."""

from __future__ import annotations

import secrets
import time

import pytest

from acceptance.checks.finding import Untested
from acceptance.client.pods import origin, ready_pods
from acceptance.client.user import send
from acceptance.core.deadlines import LOGGED
from acceptance.core.fields import name_of
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.faults import main_process
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

TAIL = 500
REQUESTS = 100
"""More than a file's write buffer: at 100 bytes per line 10 kB, where 8 kB are usual."""


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_log_shows_a_request(ready_release: Release, gateway: Gateway, component: str) -> None:
    part = ready_release.target.component(component)
    for pod in ready_pods(ready_release, component):
        path = f"/log-{secrets.token_hex(8)}"
        send(gateway, "GET", origin(ready_release, component, pod) + path, allow_redirects=False)

        def probe(name: str = name_of(pod), path: str = path) -> None:
            log = ready_release.objects.tail(name, part.container, TAIL)
            if path not in log:
                raise NotYet(f"not in {len(log.splitlines())} lines, which end: {log[-300:]}")

        eventually(f"the log of {name_of(pod)} to show GET {path}", probe, LOGGED)


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_requests_write_no_file_in_the_container(
    ready_release: Release, cluster: Cluster, gateway: Gateway, component: str
) -> None:
    """No regular file of the container or its volumes is written while requests are answered."""
    if "node" not in cluster.capabilities:
        raise Untested("the node is not accessible")
    part = ready_release.target.component(component)
    for pod in ready_pods(ready_release, component):
        url = origin(ready_release, component, pod)
        root = f"/proc/{main_process(cluster, pod, part.container)}/root"
        start = time.time()
        for _ in range(REQUESTS):
            send(gateway, "GET", f"{url}/unknown-{secrets.token_hex(4)}", allow_redirects=False)
        search = ["-path", f"{root}/proc", "-o", "-path", f"{root}/sys", "-o", "-path", f"{root}/dev"]
        written = cluster.node_of(pod).exec(
            *["find", f"{root}/", "(", *search, ")", "-prune", "-o"],
            *["-type", "f", "-newermt", f"@{start:.3f}", "-printf", r"%P (%s bytes)\n"],
        )
        assert not written, f"{name_of(pod)}: expected no file written by {REQUESTS} requests, got {written.strip()}"
