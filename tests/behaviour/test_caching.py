"""Caches between users and the release keep nothing of a signed-in user."""

from __future__ import annotations

import secrets

import pytest

from acceptance.checks.finding import Finding, report_findings
from acceptance.client.caching import directives, shared_storage
from acceptance.client.endpoints import UserResources, endpoints, require_resources
from acceptance.client.pods import origins
from acceptance.client.user import User, send
from acceptance.provision.release import Release

RULE = "SCY-10"
SEARCHED = "x"
EXPECTED = "nothing that a shared cache may keep"


@pytest.fixture(scope="module")
def resources(user: User) -> UserResources:
    """What the user has, whose text no shared cache may keep."""
    return require_resources(user, f"cached {secrets.token_hex(6)}")


@pytest.mark.rule("SCY-10")
def test_no_shared_cache_keeps_a_signed_in_page(ready_release: Release, user: User, resources: UserResources) -> None:
    """Every pod is asked for every page with a session, without one, and with a bad one."""
    pages, findings = user.target.pages, []
    paths = [pages.tasks, pages.search.format(token=SEARCHED), pages.chat, user.target.auth.session]
    if pages.conversation and resources.conversation is not None:
        paths.append(pages.conversation.format(id=resources.conversation))
    cookies = {"signed in": user.cookie, "signed out": {}, "bad session": {"Cookie": f"{user.target.auth.cookie}=bad"}}
    for pod, origin in origins(ready_release, "frontend").items():
        for path in filter(None, paths):
            for who, cookie in cookies.items():
                answer = send(user.gateway, "GET", origin + path, headers=cookie, allow_redirects=False)
                if kept := shared_storage(answer.headers):
                    findings.append(Finding(RULE, f"Pod/{pod}", f"page {path}, {who}", EXPECTED, kept))
    report_findings(findings, user.target)


@pytest.mark.rule("SCY-10")
def test_no_shared_cache_keeps_an_answer_of_the_api(
    ready_release: Release, user: User, resources: UserResources
) -> None:
    """Every pod is asked at every GET endpoint with each carrier of the token, and for errors."""
    target, findings = user.target, []
    reads = [each.path for each in endpoints(target.api, resources, "never") if each.method == "GET"]
    reads.append(user.path(target.api.task, id=2**31 - 1))
    headers = {"bearer": user.token_header(user.token, "bearer"), "cookie": user.browser_headers}
    for pod, origin in origins(ready_release, "backend").items():
        for carrier in target.auth.carriers:
            for path in reads:
                answer = send(user.gateway, "GET", origin + path, headers=headers[carrier])
                if kept := shared_storage(answer.headers, authorization=carrier == "bearer"):
                    findings.append(Finding(RULE, f"Pod/{pod}", f"GET {path} by {carrier}", EXPECTED, kept))
    report_findings(findings, target)


@pytest.mark.rule("SCY-10")
def test_answers_that_depend_on_the_origin_vary_by_it(ready_release: Release, user: User) -> None:
    """Otherwise a browser's cache would give one site the response that only another site may read."""
    path, findings = user.path(user.target.api.tasks), []
    for pod, pod_origin in origins(ready_release, "backend").items():
        answer = user.call("GET", path, pod_origin, headers={"Origin": ready_release.origin})
        allowed = answer.headers.get("Access-Control-Allow-Origin", "*")
        varies = {name.strip().lower() for name in answer.headers.get("Vary", "").split(",")}
        stored = "no-store" not in directives(answer.headers.get("Cache-Control", ""))
        if allowed != "*" and stored and not varies & {"origin", "*"}:
            expected, actual = "Origin among them", str(answer.headers.get("Vary"))
            findings.append(Finding(RULE, f"Pod/{pod}", f"Vary of GET {path}", expected, actual))
    report_findings(findings, user.target)
