"""Outages of the database: how requests were answered during one, and whether the release served afterwards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from requests import RequestException

from acceptance.checks.finding import Finding, Untested
from acceptance.client.accounts import sign_in_content, sign_in_entries
from acceptance.client.answers import describe
from acceptance.client.page_views import PageView, UserPage, open_page
from acceptance.client.pods import origins
from acceptance.client.user import User, send
from acceptance.client.visitor import Visitor
from acceptance.core.deadlines import DATABASE_ERROR, DATABASE_RECOVERY, DATABASE_UP
from acceptance.core.interval import Interval
from acceptance.core.target import Component
from acceptance.core.wait import NotYet, dwell, eventually
from acceptance.experiments.experiment import Experiment, WaitResult
from acceptance.experiments.runner import ExperimentRunner
from acceptance.kube.history import History
from acceptance.kube.status import is_ready, pods_of
from acceptance.provision.database import PORT, Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release
from acceptance.traffic.availability import ERRORS, UNATTRIBUTED
from acceptance.traffic.plans import new_token
from acceptance.traffic.records import InconclusiveSampleError, Record

SETTLED_SECONDS = 3.0
"""Seconds between two faults, in which the database is available and no request may fail."""
SHOWN = 5


@dataclass(frozen=True)
class Fault:
    """One fault of the database.

    Attributes:
        name: Shown on the timeline and in findings.
        apply: Applies it at entry and undoes it at exit.
        seconds: How long it lasts.
        limit: Seconds within which a request must be answered during the fault.
    """

    name: str
    apply: Callable[[], AbstractContextManager[float]]
    seconds: float
    limit: float = DATABASE_ERROR.seconds


@dataclass(frozen=True)
class Outage:
    """How a fault went.

    Attributes:
        fault: What it was.
        interval: From the fault until pods could reach the database again.
        recovery: The wait, from then on, until every pod served.
        settled: Time after the recovery, with the database.
        pages: The responses to the user's pages that were opened at its start.
    """

    fault: Fault
    interval: Interval
    recovery: WaitResult[None]
    settled: Interval
    pages: tuple[PageView, ...]


def run_outage(
    runner: ExperimentRunner,
    experiment: Experiment,
    fault: Fault,
    user: User,
    database: Database,
    pages: Sequence[UserPage],
) -> Outage:
    """Apply a fault for its duration, undo it, and wait until every backend pod serves `user` again.

    Meanwhile the user opens each page once, and tries to sign in: another test searches the logs for the password.
    """
    with ThreadPoolExecutor(1 + len(pages)) as pool, experiment.disturbance():
        experiment.annotate(fault.name)
        with fault.apply() as start:
            pool.submit(try_to_sign_in, runner.release, user)
            opened = [pool.submit(open_page, user, page) for page in pages]
            dwell(fault.seconds, "requests are sampled during the fault")
        wait_reachable(user.gateway, database)
        interval = Interval(start, experiment.annotate("the database is back"))
        recovery = experiment.wait_for(f"service after {fault.name}", lambda: wait_serving(runner, user))
    begin = time.time()
    dwell(SETTLED_SECONDS, "requests are sampled between two faults")
    views = tuple(view for each in opened if (view := each.result()))
    return Outage(fault, interval, recovery, Interval(begin, time.time()), views)


def try_to_sign_in(release: Release, user: User) -> None:
    """Sign in by the API and by the frontend's form; failures are ignored."""
    auth, screens = release.target.auth, release.target.screens
    url, content = user.gateway.url(auth.service, auth.sign_in), sign_in_content(auth, user.account)
    with suppress(AssertionError, RequestException):
        send(user.gateway, "POST", url, headers={"Origin": release.origin}, **content)
    if screens is not None:
        entered = sign_in_entries(screens, auth, user.account)
        with suppress(AssertionError, RequestException, Untested):  # a page without the form in its HTML
            Visitor(release, user.gateway, {}).press(screens.sign_in, screens.sign_in_button, entered)


def wait_reachable(gateway: Gateway, database: Database) -> None:
    """Wait until pods can reach the database: the cluster's DNS caches for a while that it had no address."""
    eventually(
        "PostgreSQL to be reachable from the cluster",
        lambda: gateway.connect(database.server.host, PORT),
        DATABASE_UP,
    )


def wait_serving(runner: ExperimentRunner, user: User) -> None:
    """Wait until each backend pod writes a task, and the frontend shows the page of tasks."""
    api, page = user.target.api, user.gateway.url("frontend", user.target.pages.tasks)

    def probe() -> None:
        try:
            for origin in origins(runner.release, "backend").values():
                body = {api.title_field: new_token()}
                user.request_json("POST", user.path(api.tasks), body, api.created, origin=origin)
            shown = send(user.gateway, "GET", page, headers=user.browser_headers, allow_redirects=False)
            assert shown.ok, f"GET {page}: {describe(user.target, shown)}"
        except AssertionError as error:
            raise NotYet(str(error)) from error

    eventually("each backend pod to write a task, and the frontend to show tasks", probe, DATABASE_RECOVERY)


def during(records: Iterable[Record], interval: Interval) -> list[Record]:
    """Return the requests that were in flight at any time of the interval."""
    return [record for record in records if Interval(record.sent, record.done).overlaps(interval)]


def require_requests(records: Iterable[Record], outage: Outage) -> None:
    """Raise `InconclusiveSampleError` if no request was in flight during an outage."""
    if not during(records, outage.interval):
        raise InconclusiveSampleError(f"no request was sampled during {outage.fault.name}")


def times_without_ready_pod(history: History, component: Component, interval: Interval) -> list[Interval]:
    """Return when no pod of the component was Ready, so that its Service refused connections."""
    states = list(history.states("Pod", interval.start, interval.end))
    ends = [*(state.moment for state in states[1:]), interval.end]
    return [
        Interval(state.moment, end)
        for state, end in zip(states, ends, strict=True)
        if not any(is_ready(pod) for pod in pods_of(state.objects, component))
    ]


def unanswered_findings(
    rule: str,
    object_: str,
    outage: Outage,
    records: Iterable[Record],
    limit: float,
    refusing: Iterable[Interval] = (),
) -> list[Finding]:
    """Return a finding if a request during the outage was not answered, or not within `limit` seconds.

    Any complete response in time is right: an error, or a success, which the ledger compares with the database. So is a
    refused connection at one of the times `refusing`.
    """
    times = tuple(refusing)
    sampled = during(records, outage.interval)
    problems = {record.number: reason for record in sampled if (reason := _problem(record, limit, times))}
    if not problems:
        return []
    reasons = Counter(problems.values())
    first = ", ".join(
        f"request {record.number} ({'reused' if record.reused else 'new'} connection, sent "
        f"{record.sent - outage.interval.start:.1f} s after the fault, took {record.duration:.1f} s, "
        f"status {record.status or 'none'}, pod {record.pod or UNATTRIBUTED})"
        for record in [record for record in sampled if record.number in problems][:SHOWN]
    )
    causes = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    expected = f"each of {len(sampled)} answered within {limit:g} s, with an error if need be"
    return [Finding(rule, object_, f"requests, {outage.fault.name}", expected, f"{causes}; first: {first}")]


def _problem(record: Record, limit: float, refusing: tuple[Interval, ...]) -> str | None:
    if record.error == "connect" and any(time.contains(record.sent) for time in refusing):
        return None if record.duration <= limit else f"refused after more than {limit:g} s"
    if record.error:
        return ERRORS[record.error]
    return f"answered after more than {limit:g} s" if record.duration > limit else None
