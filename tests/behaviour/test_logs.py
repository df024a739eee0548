"""Logs leave the container by stdout and stderr, and nothing is written into it."""

from __future__ import annotations

import secrets
import time

import pytest
from kubernetes import client

from acceptance.checks.finding import Untested
from acceptance.client.pods import origin, ready_pods
from acceptance.client.user import send
from acceptance.core.deadlines import LOGGED
from acceptance.core.fields import name_of
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.faults import main_process
from acceptance.kube.client import CONNECT_SECONDS, LIST_SECONDS
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

TAIL = 500
REQUESTS = 100
"""More than the buffer of a file's writer holds: at 100 bytes a line 10 kB, where 8 kB are usual."""
COMPONENTS = ("backend", "frontend")


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_pods_log_shows_a_request_just_made(ready_release: Release, gateway: Gateway, component: str) -> None:
    part = ready_release.target.component(component)
    for pod in ready_pods(ready_release, component):
        path = f"/log-{secrets.token_hex(8)}"
        send(gateway, "GET", origin(ready_release, component, pod) + path)

        def probe(name: str = name_of(pod), path: str = path) -> None:
            log = client.CoreV1Api(ready_release.cluster.api).read_namespaced_pod_log(
                name,
                ready_release.target.chart.namespace,
                container=part.container,
                tail_lines=TAIL,
                _request_timeout=(CONNECT_SECONDS, LIST_SECONDS),
            )
            if path not in log:
                raise NotYet(f"{len(log.splitlines())} lines without it, the last of them: {log[-300:]}")

        eventually(f"the log of {name_of(pod)} to show GET {path}", probe, LOGGED)


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_no_file_in_the_container_grows(
    ready_release: Release, cluster: Cluster, gateway: Gateway, component: str
) -> None:
    """No regular file of the container, its volumes included, is written while requests are answered."""
    if "node" not in cluster.capabilities:
        raise Untested("the node can't be looked into")
    part = ready_release.target.component(component)
    for pod in ready_pods(ready_release, component):
        url = origin(ready_release, component, pod)
        root = f"/proc/{main_process(cluster, pod, part.container)}/root"
        began = time.time()
        with gateway.session() as session:
            for _ in range(REQUESTS):
                session.get(f"{url}/unknown-{secrets.token_hex(4)}", timeout=LIST_SECONDS)
        search = ["-path", f"{root}/proc", "-o", "-path", f"{root}/sys", "-o", "-path", f"{root}/dev"]
        found = cluster.node_exec(
            *["find", f"{root}/", "(", *search, ")", "-prune", "-o"],
            *["-type", "f", "-newermt", f"@{began:.3f}", "-printf", r"%P (%s bytes)\n"],
        )
        assert not found, f"{name_of(pod)}: wanted no file written by {REQUESTS} requests, seen {found.strip()}"
