"""Whether resource limits hold: a container's CPU use, its neighbours' response times, and which one is OOM-killed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from acceptance.checks.finding import Finding, Untested
from acceptance.core.fields import Object, at, integer_at, name_of, text_at
from acceptance.core.interval import Interval
from acceptance.experiments.experiment import WaitResult
from acceptance.experiments.pressure import CpuUse
from acceptance.kube.status import container_status, may_end, statuses
from acceptance.traffic.availability import Availability, failed_request_findings
from acceptance.traffic.records import InconclusiveSampleError

RULE = "SCY-04"
EXCESS = 1.1
"""How much a container may use, as a multiple of its limit: the readings do not coincide with the kernel's periods."""
SLOWER = 3.0
"""How many times longer a neighbour's p95 may be while a container is at its CPU limit."""
ALLOWANCE = 0.1
"""Seconds that are added to SLOWER times a neighbour's p95 before, since the machine may have other users."""
MIN_IDLE = 0.05
"""Idle share of a node's CPU time below which others have used it up: a container of 0.5 CPU leaves most of two."""
OOM_KILLED = "OOMKilled"

Restarts = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class CpuLoad:
    """A container whose CPU was loaded, what it used, and when."""

    pod: Object
    container: str
    limit: Decimal | None
    use: CpuUse
    interval: Interval


@dataclass(frozen=True)
class MemoryLoad:
    """A container whose memory was exhausted, with the restarts of every container before and after.

    `restarted` is its pod as it was when it was Ready again; it is None where there was no limit to exceed.
    """

    pod: Object
    container: str
    limit: Decimal | None
    restarted: WaitResult[Object] | None
    before: Restarts
    after: Restarts


def restart_counts(pods: Iterable[Object]) -> dict[tuple[str, str], int]:
    """Return the restarts of each container, init containers included, by its pod's name and its own.

    Pods that end, such as a Job's, are left out: they come, go and are retried by themselves.
    """
    return {
        (name_of(pod), text_at(status, "name")): integer_at(status, "restartCount", 0) or 0
        for pod in pods
        if not may_end(pod)
        for status in statuses(pod)
    }


def cpu_findings(load: CpuLoad, cores: int) -> Iterator[Finding]:
    """Yield a finding for a container without a CPU limit, or one that used more.

    Raises:
        Untested: The node has no more cores than the limit.
        InconclusiveSampleError: The container did not reach its limit.
    """
    field = f"{load.container}: CPU"
    if load.limit is None:
        yield Finding(RULE, f"Pod/{name_of(load.pod)}", field, "a limit that holds", "no limit")
        return
    limit = float(load.limit)
    if limit >= cores:
        raise Untested(f"the limit is {limit:g} cores and the node has {cores}, so it can't be reached")
    if load.use.cores > limit * EXCESS:
        actual = f"{load.use.cores:.2f} cores were used"
        yield Finding(RULE, f"Pod/{name_of(load.pod)}", field, f"at most the limit of {limit:g} cores", actual)
    elif not load.use.throttled:
        raise InconclusiveSampleError(
            f"{load.container} used {load.use.cores:.2f} of {limit:g} cores: not at its limit"
        )


def slowdown_findings(load: CpuLoad, availability: Availability, quiet: Interval) -> Iterator[Finding]:
    """Yield a finding if a container at its CPU limit answers as fast as before: its limit does not slow it.

    A higher p95 or a higher median counts as slower: a few slow answers before the load would raise the p95 before.
    """
    before, during = availability.between(quiet), availability.between(load.interval)
    slower = p95(during) > p95(before) or median(during) > median(before)
    if load.limit is not None and not slower:
        actual = f"p95 {p95(during):.3f} s, before {p95(before):.3f} s"
        yield Finding(RULE, f"Pod/{name_of(load.pod)}", f"{load.container}: at its CPU limit", "slower answers", actual)


def neighbour_findings(object_: str, availability: Availability, quiet: Interval, loaded: Interval) -> list[Finding]:
    """Return findings on a neighbour that fails or slows while another container is at its CPU limit."""
    before, during = p95(availability.between(quiet)), p95(availability.between(loaded))
    findings = [*failed_request_findings(RULE, object_, availability.between(loaded))]
    if during > (allowed := SLOWER * before + ALLOWANCE):
        expected = f"p95 of at most {allowed:.3f} s ({SLOWER:g} times {before:.3f} s before, and {ALLOWANCE:g} s)"
        findings.append(Finding(RULE, object_, "answers beside a container at its limit", expected, f"{during:.3f} s"))
    return findings


def raise_if_node_was_full(load: CpuLoad, findings: Iterable[Finding]) -> None:
    """Raise `InconclusiveSampleError` if there are findings on neighbours that the loaded container does not explain.

    It stayed within its limit, and yet the node had no CPU time left, so others used it.
    """
    if load.limit is None or load.use.cores > float(load.limit) * EXCESS or load.use.idle >= MIN_IDLE:
        return
    if found := list(findings):
        raise InconclusiveSampleError(
            f"neighbours of {load.container} slowed ({found[0].actual}) while others used the node's CPU time: "
            f"{load.use.idle:.0%} was left, and {load.container} used {load.use.cores:.2f} of {load.limit:g} cores"
        )


def p95(availability: Availability) -> float:
    """Return the 95th percentile of the answers' times. Raises `InconclusiveSampleError` if there is none."""
    return _figure(availability, "p95_seconds")


def median(availability: Availability) -> float:
    """Return the median of the answers' times. Raises `InconclusiveSampleError` if there is none."""
    return _figure(availability, "p50_seconds")


def _figure(availability: Availability, name: str) -> float:
    figures = availability.figures()
    if name not in figures:
        raise InconclusiveSampleError("no request was answered")
    return figures[name]


def memory_findings(load: MemoryLoad) -> Iterator[Finding]:
    """Yield findings on a container that was not OOM-killed exactly once, and on others that restarted beside it."""
    object_, field = f"Pod/{name_of(load.pod)}", f"{load.container}: memory"
    if load.restarted is None:
        yield Finding(RULE, object_, field, "a limit that holds", "no limit")
        return
    if not load.restarted.ok:
        yield Finding(RULE, object_, field, f"{OOM_KILLED} and Ready again", str(load.restarted.outcome))
        return
    status = container_status(load.restarted.value, load.container)
    if (reason := text_at(status, "lastState.terminated.reason", "no reason")) != OOM_KILLED:
        code = at(status, "lastState.terminated.exitCode")
        yield Finding(RULE, object_, f"{field}: cause of the restart", OOM_KILLED, f"{reason}, exit code {code}")
    for (pod, container), count in sorted(load.after.items()):
        own = (pod, container) == (name_of(load.pod), load.container)
        expected = load.before.get((pod, container), 0) + own
        if count != expected:
            yield Finding(RULE, f"Pod/{pod}", f"{container}: restartCount", f"{expected}", f"{count}")
    if gone := sorted({pod for pod, _ in load.before} - {pod for pod, _ in load.after}):
        yield Finding(RULE, object_, f"{field}: other pods", "the same ones", f"gone: {', '.join(gone)}")
