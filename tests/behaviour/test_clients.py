"""Clients as they are: many of them keep connections open, and browsers send the cookies of other applications too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import pytest

from acceptance.checks.finding import Finding, report_findings
from acceptance.client.answers import describe
from acceptance.client.pods import health_path, origins
from acceptance.client.user import User, send
from acceptance.core.target import COMPONENTS
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release

RULE = "SVC-12"
CONNECTIONS = 200
"""Idle connections to one pod: 30 people with six each, which browsers open to a host."""
COOKIE_BYTES = 1500
COOKIES = 4
"""Together 6 kB: common servers accept 8 kB of headers or more, and a browser sends 4 kB for each cookie at most."""


@contextmanager
def idle_connections(gateway: Gateway, origin: str) -> Iterator[int]:
    """Open connections to a pod, and send nothing on them until exit; yields how many the pod has accepted."""
    address = urlsplit(origin)
    with ExitStack() as stack:
        opened = 0
        for _ in range(CONNECTIONS):
            try:
                connection = gateway.open_connection(str(address.hostname), int(address.port or 80))
            except OSError:
                gateway.check_connection()
                break
            stack.enter_context(closing(connection))
            opened += 1
        yield opened


@pytest.mark.rule("SVC-12")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_answers_beside_many_idle_connections(ready_release: Release, gateway: Gateway, component: str) -> None:
    path = health_path(ready_release, component)
    findings = []
    for pod, origin in origins(ready_release, component).items():
        with idle_connections(gateway, origin) as opened:
            try:
                actual = str(send(gateway, "GET", origin + path, allow_redirects=False).status_code)
            except AssertionError as error:
                actual = str(error)
        if opened < CONNECTIONS or not actual.startswith("2"):
            what = f"GET {path} beside {CONNECTIONS} idle connections"
            found = f"{actual}, {opened} connections were accepted"
            findings.append(Finding(RULE, f"Pod/{pod}", what, "2xx", found))
    report_findings(findings, ready_release.target)


@pytest.mark.rule("SVC-12")
def test_page_is_shown_whatever_else_the_browser_sends(ready_release: Release, user: User) -> None:
    """Browsers do not separate cookies by port, so those of everything on the same host reach the frontend."""
    target = ready_release.target
    others = "; ".join(f"other_{number}={secrets.token_hex(COOKIE_BYTES // 2)}" for number in range(COOKIES))
    findings = []
    for pod, origin in origins(ready_release, "frontend").items():
        url = origin + target.pages.tasks
        without = send(user.gateway, "GET", url, headers=user.browser_headers, allow_redirects=False)
        own = user.browser_headers.get("Cookie")
        headers = {**user.browser_headers, "Cookie": f"{own}; {others}" if own else others}
        answer = send(user.gateway, "GET", url, headers=headers, allow_redirects=False)
        if answer.status_code != without.status_code:
            what = f"GET {target.pages.tasks} with {COOKIES * COOKIE_BYTES} bytes of cookies"
            expected, actual = f"{without.status_code}, as without them", describe(target, answer)
            findings.append(Finding(RULE, f"Pod/{pod}", what, expected, actual))
    report_findings(findings, target)
