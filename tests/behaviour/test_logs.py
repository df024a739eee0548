"""Logs: requests are logged to stdout or stderr, and no file is written in the container."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from contextlib import suppress

import pytest

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.answers import json_in
from acceptance.client.logged import Logged
from acceptance.client.pods import origin, origins, ready_pods
from acceptance.client.user import User, send
from acceptance.core.deadlines import LOGGED, MODEL_GONE
from acceptance.core.fields import name_of
from acceptance.core.target import COMPONENTS
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.experiments.faults import MODEL_FAULTS, main_process
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release

TAIL = 500
REQUESTS = 100
"""Enough lines to overflow a file's write buffer: 10 kB at 100 bytes each, where 8 kB are usual."""


def is_json_object(line: str) -> bool:
    """Return whether a line of a log is a JSON object."""
    return isinstance(json_in(line), dict)


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_log_shows_a_request(ready_release: Release, gateway: Gateway, component: str) -> None:
    """Of an unknown path or, where only routes of the application are logged, of one of those."""
    target, container = ready_release.target, ready_release.target.component(component).container
    for pod, url in origins(ready_release, component).items():

        def log(name: str = pod) -> str:
            return ready_release.objects.tail(name, container, TAIL)

        try:
            show_request(gateway, url, Logged.of_unknown_path(), log)
        except WaitError:
            show_request(gateway, url, Logged.of_route(target, component), log)


def show_request(gateway: Gateway, url: str, request: Logged, log: Callable[[], str]) -> None:
    """Send a request to a pod without a session, and wait until its log shows it. Raises `WaitError`."""
    before = request.shown_in(log())
    send(gateway, "GET", url + request.path, allow_redirects=False)

    def probe() -> None:
        if request.shown_in(text := log()) <= before:
            raise NotYet(f"not in {len(text.splitlines())} lines, which end: {text[-300:]}")

    eventually(f"the log of {url} to show GET {request.path}", probe, LOGGED)


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
        node = cluster.node_of(pod)
        send(gateway, "GET", f"{url}/unknown-{secrets.token_hex(4)}", allow_redirects=False)  # may compile modules
        start = node.exec("date", "+%s.%N").strip()  # by the clock that sets the times of files
        for _ in range(REQUESTS):
            send(gateway, "GET", f"{url}/unknown-{secrets.token_hex(4)}", allow_redirects=False)
        search = ["-path", f"{root}/proc", "-o", "-path", f"{root}/sys", "-o", "-path", f"{root}/dev"]
        written = node.exec(
            *["find", f"{root}/", "(", *search, ")", "-prune", "-o"],
            *["-type", "f", "-newermt", f"@{start}", "-printf", r"%P (%s bytes)\n"],
        )
        assert not written, f"{name_of(pod)}: expected no file written by {REQUESTS} requests, got {written.strip()}"


def logged_line(release: Release, component: str, text: str, names: Collection[str]) -> str:
    """Wait for a line with a text in the log of one of a component's pods, and return it. Raises `WaitError`."""
    container = release.target.component(component).container

    def probe() -> str:
        lines = [line for name in names for line in release.objects.tail(name, container, TAIL).splitlines()]
        found = next((line for line in lines if text in line), None)
        if found is None:
            raise NotYet(f"in none of {len(lines)} lines, which end: {lines[-1:]}")
        return found

    return eventually(f"a line with {text} in the log of {', '.join(sorted(names))}", probe, LOGGED)


def line_of(release: Release, component: str, path: str, pod: str) -> str:
    """Return the line of a pod's log with an unknown path; raises `Untested` where it has none."""
    try:
        return logged_line(release, component, path, [pod])
    except WaitError as error:
        raise Untested(f"the log does not show requests of unknown paths (PER-06): {error}") from error


def identifier_header(release: Release, component: str) -> str:
    """Return the header with a request's identifier; raises `Untested` where the target names none."""
    header = release.target.component(component).request_id_header
    if header is None:
        raise Untested(f"the target names no header with the identifier of a request to the {component}")
    return header


@pytest.mark.rule("PER-06")
@pytest.mark.parametrize("component", COMPONENTS)
def test_identifier_of_a_request_is_returned_and_logged(
    ready_release: Release, gateway: Gateway, component: str
) -> None:
    """The identifier that a request has is returned; requests without one get different ones."""
    target, header, findings = ready_release.target, identifier_header(ready_release, component), []
    for pod, url in origins(ready_release, component).items():
        for given in (f"given-{secrets.token_hex(8)}", "", ""):
            path = f"/log-{secrets.token_hex(8)}"
            headers = {header: given} if given else {}
            answer = send(gateway, "GET", url + path, headers=headers, allow_redirects=False)
            returned = answer.headers.get(header, "")
            if not returned or given not in ("", returned):
                expected = given or "an identifier"
                findings.append(
                    Finding("PER-06", f"Pod/{pod}", f"{header} of a response", expected, returned or "none")
                )
            elif returned not in (line := line_of(ready_release, component, path, pod)):
                findings.append(Finding("PER-06", f"Pod/{pod}", f"line of GET {path}", returned, line[:300]))
    report_findings(of_derived_part(findings, target), target)


@pytest.mark.rule("PER-06")
def test_page_is_logged_by_both_components_under_one_identifier(ready_release: Release, user: User) -> None:
    """So the requests to the backend that a failed page has made can be found."""
    target, findings = ready_release.target, []
    header, _ = (identifier_header(ready_release, component) for component in ("frontend", "backend"))
    title = f"logged {secrets.token_hex(6)}"
    user.add_task(title)
    backends = origins(ready_release, "backend")
    for pod, url in origins(ready_release, "frontend").items():
        given = f"page-{secrets.token_hex(8)}"
        headers = {**user.cookie, header: given}
        page = send(user.gateway, "GET", url + target.pages.tasks, headers=headers, allow_redirects=False)
        if title not in page.text:
            raise Untested(f"{pod}: the first HTML does not show the user's tasks (STA-10)")
        try:
            logged_line(ready_release, "backend", given, backends)
        except WaitError as error:
            what = f"the backend's log of GET {target.pages.tasks}"
            findings.append(Finding("PER-06", f"Pod/{pod}", what, f"a line with the page's {header}", str(error)[:300]))
    report_findings(of_derived_part(findings, target), target)


FAULTS = ("malformed answer", "status 500", "status 429", "stopped")


def logged_turn(release: Release, user: User, model: ModelStub, fault: str, text: str) -> list[str]:
    """Send a chat turn while the model fails; the lines of the backend pod's log from before it until after it.

    Raises:
        Untested: The log does not show the requests before and after it.
    """
    part, pod = release.target.component("backend"), ready_pods(release, "backend")[0]
    name, url = name_of(pod), origin(release, "backend", pod)
    marks = [f"/log-{secrets.token_hex(8)}" for _ in range(2)]
    send(user.gateway, "GET", url + marks[0], allow_redirects=False)
    with MODEL_FAULTS[fault](model):
        message = {release.target.api.message_field: text}
        with suppress(AssertionError):  # what is logged of a turn without an answer is judged too
            user.call("POST", user.chat_path, url, json=message, timeout=MODEL_GONE.seconds)
    send(user.gateway, "GET", url + marks[1], allow_redirects=False)

    def probe() -> list[str]:
        lines = release.objects.tail(name, part.container, TAIL).splitlines()
        places = [number for mark in marks for number, line in enumerate(lines) if mark in line]
        if not all(any(mark in line for line in lines) for mark in marks):
            raise NotYet(f"not both in {len(lines)} lines, which end: {lines[-1:]}")
        return lines[min(places) : max(places) + 1]

    try:
        return eventually(f"the log of {name} to show both requests", probe, LOGGED)
    except WaitError as error:
        raise Untested(f"the log does not show requests of unknown paths (PER-06): {error}") from error


@pytest.mark.rule("PER-06", "SCY-10")
@pytest.mark.parametrize("fault", FAULTS)
def test_error_is_logged_as_json_and_without_the_users_text(
    ready_release: Release, user: User, faulty_model: ModelStub, fault: str
) -> None:
    """A log collector can neither parse a traceback's plain lines, nor tell which request they belong to."""
    target = ready_release.target
    text = f"secret-{secrets.token_hex(8)}"
    lines = logged_turn(ready_release, user, faulty_model, fault, f"hello {text}")
    findings, turn = [], f"lines of a chat turn that fails ({fault})"
    if is_json_object(lines[0]):
        bare = [line for line in lines if line.strip() and not is_json_object(line)]
        if bare:
            actual = f"{len(bare)} of {len(lines)} are not, such as {bare[0][:100]}"
            findings.append(Finding("PER-06", "the backend's log", turn, "each a JSON object", actual))
    if telling := [line for line in lines if text in line]:
        actual = f"{len(telling)} of {len(lines)} contain it, such as {telling[0][:200]}"
        findings.append(Finding("SCY-10", "the backend's log", turn, "no text of the user's message", actual))
    report_findings(of_derived_part(findings, target), target)
