"""Idle connections, and a release that nobody uses.

A server that closes idle connections sooner than its callers do loses the requests that are on their way, and a pod
whose watchdog takes silence for a fault stops although nothing is wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import pytest
import requests

from acceptance.checks.finding import Finding, Untested, of_derived_part, report_findings
from acceptance.client.pods import origins
from acceptance.client.sessions import NO_COOKIE
from acceptance.client.user import User, send
from acceptance.core.deadlines import AT_REST
from acceptance.core.target import COMPONENTS, ComponentName
from acceptance.core.wait import dwell
from acceptance.experiments.experiment import Experiment
from acceptance.experiments.repeat import repeat_if_inconclusive
from acceptance.experiments.runner import ExperimentRunner
from acceptance.experiments.undisturbed import pod_findings
from acceptance.provision.release import Release
from acceptance.report.results import Limit, RecordMeasurement
from acceptance.traffic.availability import failure_reason
from acceptance.traffic.machine_load import StarvedMachineError, describe
from acceptance.traffic.plans import Plan, new_token, page_views, task_writes
from acceptance.traffic.records import InconclusiveSampleError, Record
from acceptance.traffic.sampler import SampleRun

PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds that a connection is idle: a person reads a page for that long, and common servers close after 5 s."""
UNUSED_SECONDS = 120.0
"""Pools, proxies and watchdogs commonly act after 60 or 90 s; three probes that fail in a row take up to 30 s more."""
PAGES = 8
"""How many pages are requested at once, each of which takes a connection of the frontend to the backend."""


@dataclass(frozen=True)
class FirstRequest:
    """The first request to a pod that nobody has used, with its answer's status, or why there was none."""

    pod: str
    what: str
    expected: int
    actual: str
    seconds: float


@dataclass(frozen=True)
class IdleConnections:
    """The experiment in which clients hold connections, and the one in which nobody uses the release.

    `pages` has by the pause before them, in seconds, the status of each page, or why there was none.
    `first` are the first requests after nobody has used the release.
    """

    experiment: Experiment
    unused: Experiment
    pages: dict[float, list[str]]
    first: list[FirstRequest]


def held(plan: Plan, pause: float) -> Plan:
    """Return the plan on one connection, by a client that does not check whether the server has closed it."""
    return replace(plan, rate=1 / pause, reused_share=1.0, connections=1, checks_idle_connections=False)


def require_reuse(run: SampleRun, label: str) -> None:
    """Raise `InconclusiveSampleError` if no connection was used again, though the server keeps them: answers came late.

    A request for which its connection is not free yet is sent on a new one.
    """
    if run.availability.keeps_connections and not any(record.reused for record in run.records):
        slowest = max(record.duration for record in run.records)
        raise InconclusiveSampleError(f"{label}: no connection was used again; the slowest answer took {slowest:.1f} s")


def view_pages(reader: User) -> list[str]:
    """View pages at the same time, and return the status of each, or why there was none."""
    url = reader.gateway.url("frontend", reader.target.pages.search.replace("{token}", new_token()))

    def view(_: int) -> str:
        try:
            answer = send(reader.gateway, "GET", url, headers=reader.browser_headers, allow_redirects=False)
        except AssertionError as error:
            return str(error)
        return str(answer.status_code)

    with ThreadPoolExecutor(PAGES) as pool:
        return list(pool.map(view, range(PAGES)))


def first_requests(release: Release, writer: User, reader: User) -> Iterator[FirstRequest]:
    """Send a write to each backend pod, then ask each frontend pod that knows the user for a page, in turn."""
    api, pages = writer.target.api, writer.target.pages
    for pod, origin in origins(release, "backend").items():
        send_write = partial(
            writer.call, "POST", writer.path(api.tasks), json={api.title_field: "first"}, origin=origin
        )
        yield timed(pod, "a write", api.created, send_write)
    if not reader.target.auth.has_cookie:
        return
    for pod, origin in origins(release, "frontend").items():
        url = origin + pages.search.replace("{token}", new_token())
        get_page = partial(send, reader.gateway, "GET", url, headers=reader.browser_headers, allow_redirects=False)
        yield timed(pod, "a page", requests.codes.ok, get_page)


def timed(pod: str, what: str, expected: int, request: Callable[[], requests.Response]) -> FirstRequest:
    """Send a request to a pod."""
    start = time.monotonic()
    try:
        actual = str(request().status_code)
    except AssertionError as error:
        actual = str(error)
    return FirstRequest(pod, what, expected, actual, time.monotonic() - start)


@pytest.fixture(scope="module")
@repeat_if_inconclusive
def idle_connections(experiments: ExperimentRunner, writer: User, reader: User) -> IdleConnections:
    """Connections to both Services are idle between any two requests; then the frontend's own ones are."""
    plans = {"backend": task_writes(writer), "frontend": page_views(reader)}
    labelled = {
        f"{name} after {pause:g} s": held(replace(plan, token=new_token()), pause)
        for name, plan in plans.items()
        for pause in PAUSES
    }
    with experiments.experiment("idle connections", **labelled) as experiment:
        experiment.availability = False
        dwell(1.1 * max(PAUSES), "every connection is used again after its pause")
    for label, run in experiment.traffic.items():
        require_reuse(run, label)
    view_pages(reader)
    dwell(max(PAUSES), "the frontend's connections to the backend are idle")
    pages = {max(PAUSES): view_pages(reader)}
    with experiments.experiment("unused release") as unused:
        dwell(UNUSED_SECONDS, "nobody uses the release")
        start = time.time()
        first = list(first_requests(experiments.release, writer, reader))
        pages[UNUSED_SECONDS] = view_pages(reader)
    starved = experiments.sampler.machine_load(start).starved
    if starved and any(each.seconds > AT_REST.seconds for each in first):
        raise StarvedMachineError(f"requests were slow while the machine was starved of CPU time, {describe(starved)}")
    return IdleConnections(experiment, unused, pages, first)


@pytest.mark.rule("STA-12")
@pytest.mark.parametrize("component", COMPONENTS)
def test_idle_connection_still_serves(
    idle_connections: IdleConnections, component: ComponentName, experiments: ExperimentRunner
) -> None:
    findings = []
    for pause in PAUSES:
        run = idle_connections.experiment.traffic[f"{component} after {pause:g} s"]
        if not run.availability.keeps_connections:
            raise Untested(f"the {component} closes each connection after its response")
        again = [record for record in run.records if record.reused]
        findings += idle_findings(again, run.plan, pause)
    report_findings(findings, experiments.target)


def idle_findings(again: list[Record], plan: Plan, pause: float) -> list[Finding]:
    """Return a finding if a request failed on a connection that had been idle for `pause` seconds."""
    reasons = [f"{reason} (pod {record.pod})" for record in again if (reason := failure_reason(record, plan.status))]
    if not reasons:
        return []
    actual = f"{len(reasons)} of {len(again)} failed: {reasons[0]}"
    return [Finding("STA-12", plan.service, f"connections idle for {pause:g} s", "still serve", actual)]


@pytest.mark.rule("STA-08")
def test_page_is_served_after_idle_time(idle_connections: IdleConnections, experiments: ExperimentRunner) -> None:
    """While no page was viewed, the frontend's own connections to the backend were idle."""
    if not experiments.target.auth.has_cookie:
        raise Untested(NO_COOKIE)
    object_ = f"Service/{experiments.target.component('frontend').service}"
    findings = []
    for pause, pages in idle_connections.pages.items():
        if failed := [page for page in pages if page != str(requests.codes.ok)]:
            field, actual = f"{PAGES} pages after {pause:g} s", f"{len(failed)} were not: {failed[0]}"
            findings.append(Finding("STA-08", object_, field, "each answered 200", actual))
    report_findings(of_derived_part(findings, experiments.target), experiments.target)


@pytest.mark.rule("STA-12")
def test_first_requests_after_idle_time_are_answered_in_time(
    idle_connections: IdleConnections, experiments: ExperimentRunner, record_measurement: RecordMeasurement
) -> None:
    """A pool whose connections were dropped silently makes the first request wait for its timeout."""
    first = idle_connections.first
    assert first, "no pod was Ready"
    findings = [
        Finding("STA-12", f"Pod/{each.pod}", f"{each.what} after {UNUSED_SECONDS:g} s", f"{each.expected}", each.actual)
        for each in first
        if each.actual != str(each.expected)
    ]
    expected = f"answered within {AT_REST.seconds:g} s"
    findings += [
        Finding(
            "STA-12", f"Pod/{each.pod}", f"{each.what} after {UNUSED_SECONDS:g} s", expected, f"{each.seconds:.2f} s"
        )
        for each in first
        if each.seconds > AT_REST.seconds
    ]
    longest = max(each.seconds for each in first)
    record_measurement("unused release: slowest first request", round(longest, 3), "s", Limit.of(AT_REST))
    report_findings(findings, experiments.target)


@pytest.mark.rule("STA-12", "POD-05")
def test_release_that_nobody_uses_stays_ready(idle_connections: IdleConnections, experiments: ExperimentRunner) -> None:
    interval = idle_connections.unused.interval
    assert list(idle_connections.unused.history.states("Pod", interval.start, interval.end))
    report_findings(pod_findings(idle_connections.unused, experiments.target), experiments.target)
