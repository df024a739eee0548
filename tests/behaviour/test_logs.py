"""Logs: requests are logged to stdout or stderr, and no file is written in the container."""

from __future__ import annotations

import secrets
import time

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.answers import json_in
from acceptance.client.pods import origin, ready_pods
from acceptance.client.user import User, send
from acceptance.core.deadlines import LOGGED, MODEL_GONE
from acceptance.core.fields import name_of
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, eventually
from acceptance.experiments.faults import main_process, model_failing
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

TAIL = 500
REQUESTS = 100
"""More than a file's write buffer: at 100 bytes per line 10 kB, where 8 kB are usual."""


def is_json_object(line: str) -> bool:
    """Whether a line of a log is a JSON object."""
    return isinstance(json_in(line), dict)


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


@pytest.mark.rule("PER-06")
def test_an_error_is_logged_as_json_too(ready_release: Release, user: User, faulty_model: ModelStub) -> None:
    """A collector can neither parse the bare lines of a traceback, nor tell which request they belong to."""
    target, part = ready_release.target, ready_release.target.component("backend")
    pod = ready_pods(ready_release, "backend")[0]
    name, url = name_of(pod), origin(ready_release, "backend", pod)
    marks = [f"/log-{secrets.token_hex(8)}" for _ in range(2)]
    send(user.gateway, "GET", url + marks[0], allow_redirects=False)
    with model_failing(faulty_model, malformed=True):
        message = {target.api.message_field: f"hello {secrets.token_hex(6)}"}
        user.call("POST", user.chat_path, url, json=message, timeout=MODEL_GONE.seconds)
    send(user.gateway, "GET", url + marks[1], allow_redirects=False)

    def probe() -> list[str]:
        lines = ready_release.objects.tail(name, part.container, TAIL).splitlines()
        places = [number for mark in marks for number, line in enumerate(lines) if mark in line]
        if not all(any(mark in line for line in lines) for mark in marks):
            raise NotYet(f"not both in {len(lines)} lines, which end: {lines[-1:]}")
        return lines[min(places) : max(places) + 1]

    lines = eventually(f"the log of {name} to show both requests", probe, LOGGED)
    if not is_json_object(lines[0]):
        raise Untested(f"the backend does not log JSON: {lines[0][:100]}")
    bare = [line for line in lines if line.strip() and not is_json_object(line)]
    actual = f"{len(bare)} of {len(lines)} are not, such as {bare[0][:100]}" if bare else ""
    findings = [Finding("PER-06", f"Pod/{name}", "lines of a chat turn that fails", "each a JSON object", actual)]
    report_findings(of_derived_part(findings if bare else [], target), target)
