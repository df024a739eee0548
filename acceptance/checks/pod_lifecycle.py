"""Rules of how a pod starts, listens and stops: probe timings, listening address, hooks and grace period."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acceptance.checks.component_view import ComponentView
from acceptance.checks.processes import listeners
from acceptance.checks.registry import Violation, check
from acceptance.core.fields import Object, at, format_value, integer_at, list_at, mapping_at
from acceptance.kube.pod_templates import Container, Pod

SLEEP = re.compile(r"\bsleep\s+(\d+(?:\.\d+)?)([smh]?)\b")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
LOOPBACK = r"(?:127\.\d+\.\d+\.\d+|localhost|\[?::1\]?)"
LISTENS_ON_LOOPBACK = re.compile(
    rf"(?:^|\s)(?:--?(?:host|hostname|bind|address|listen|b|H)[= ]?)\s*{LOOPBACK}(?=[:\s]|$)"
)
BIND_VARIABLES = {
    *("HOST", "HOSTNAME", "BIND", "BIND_HOST", "BIND_ADDRESS", "BIND_ADDR", "LISTEN", "LISTEN_HOST", "LISTEN_ADDR"),
    *("LISTEN_ADDRESS", "UVICORN_HOST", "SERVER_HOST", "APP_HOST", "API_HOST", "NITRO_HOST", "NEXT_HOSTNAME"),
}
COMMAND_VARIABLES = {"GUNICORN_CMD_ARGS", "UVICORN_ARGS", "UVICORN_CMD_ARGS"}
DEFAULT_GRACE = 30
"""Kubernetes' default of terminationGracePeriodSeconds."""
LEAST_GRACE = 2
"""The least grace period in seconds (POD-21)."""
LEAST_START = 10
"""Seconds in which a Python or Node server starts on half a CPU."""
MOST_UNREADY = 60
"""Seconds within which a pod that fails or hangs is unready (POD-22)."""
MOST_HUNG = 300
"""Seconds within which a container that hangs is restarted (POD-22)."""
REPLACED_WITHIN = 30
"""Seconds to Ready of a replacement (POD-17)."""


def pre_stop_seconds(container: Container) -> float:
    """Return how long the container's preStop hook sleeps: by the `sleep` action, or by commands in `exec`."""
    native = integer_at(container.body, "lifecycle.preStop.sleep.seconds", 0)
    words = " ".join(str(word) for word in list_at(container.body, "lifecycle.preStop.exec.command"))
    return (native or 0) + sum(float(number) * SECONDS[unit] for number, unit in SLEEP.findall(words))


def drain_seconds(view: ComponentView) -> int:
    """Return how long the component drains after SIGTERM, where the target names the value; 0 if unknown."""
    path, chart = view.component.values.drain_seconds, view.snapshot.chart
    return (integer_at(chart.values, path, 0) or 0) if path and chart else 0


@check("POD-21")
def stops_within_its_grace_period(view: ComponentView) -> Iterator[Violation]:
    """POD-21: preStop and draining end before the grace period does."""
    drain = drain_seconds(view)
    for pod in view.pods:
        field = pod.path("spec.terminationGracePeriodSeconds")
        grace = integer_at(pod.spec, "terminationGracePeriodSeconds", DEFAULT_GRACE)
        if grace is None or grace < LEAST_GRACE:
            expected = f"at least {LEAST_GRACE}, to end the requests in flight"
            yield Violation(pod.object, field, expected, format_value(at(pod.spec, "terminationGracePeriodSeconds")))
            continue
        for container in pod.containers():
            if container.init and not container.sidecar:
                continue
            main = container.field == view.main_container(pod).field
            drained = drain if main else 0
            taken = pre_stop_seconds(container) + drained
            if taken >= grace:
                expected = f"less than terminationGracePeriodSeconds ({grace})"
                actual = f"{taken:g} s" + (f", {drained} s of them draining" if drained else "")
                yield Violation(pod.object, f"{container.field}.lifecycle.preStop", expected, actual)


def seconds(probe: Object) -> int:
    """Return how long a probe's failures last until it has failed."""
    return (integer_at(probe, "periodSeconds", 10) or 10) * (integer_at(probe, "failureThreshold", 3) or 3)


def hung_seconds(probe: Object) -> int:
    """Return how long a container may answer nothing until a probe has failed: the kubelet waits for each timeout."""
    period, timeout = integer_at(probe, "periodSeconds", 10) or 10, integer_at(probe, "timeoutSeconds", 1) or 1
    return max(period, timeout) * (integer_at(probe, "failureThreshold", 3) or 3)


@check("POD-22")
def probes_leave_time(view: ComponentView) -> Iterator[Violation]:
    """POD-22: probes leave the main container time to start, and unready comes before restart, both in time."""
    for pod in view.pods:
        container = view.main_container(pod)
        yield from _start(pod, container)
        yield from _failure(pod, container)


def _start(pod: Pod, container: Container) -> Iterator[Violation]:
    kind = next((kind for kind in ("startupProbe", "livenessProbe") if mapping_at(container.body, kind)), None)
    if kind is not None:
        probe = mapping_at(container.body, kind)
        budget = (integer_at(probe, "initialDelaySeconds", 0) or 0) + seconds(probe)
        if budget < LEAST_START:
            expected = f"at least {LEAST_START} s to start before it is killed"
            yield Violation(pod.object, f"{container.field}.{kind}", expected, f"{budget} s")
    for kind in ("startupProbe", "readinessProbe"):
        delay = integer_at(container.body, f"{kind}.initialDelaySeconds", 0) or 0
        if delay >= REPLACED_WITHIN:
            expected = f"less than {REPLACED_WITHIN}, in which a replacement is Ready"
            yield Violation(pod.object, f"{container.field}.{kind}.initialDelaySeconds", expected, str(delay))
    readiness = mapping_at(container.body, "readinessProbe")
    successes = integer_at(readiness, "successThreshold", 1) or 1
    waits = (successes - 1) * (integer_at(readiness, "periodSeconds", 10) or 10)
    if waits >= REPLACED_WITHIN:
        expected = f"less than {REPLACED_WITHIN} s from the first success to Ready"
        actual = f"{successes}, which takes {waits} s"
        yield Violation(pod.object, f"{container.field}.readinessProbe.successThreshold", expected, actual)


def _failure(pod: Pod, container: Container) -> Iterator[Violation]:
    liveness, readiness = (mapping_at(container.body, f"{kind}Probe") for kind in ("liveness", "readiness"))
    restarted = f"a restart at most {MOST_HUNG} s after the process hangs"
    unready = f"unready at most {MOST_UNREADY} s after the process fails or hangs"
    for kind, probe, because, most, expected in (
        ("liveness", liveness, "one slow response is no reason to restart", MOST_HUNG, restarted),
        ("readiness", readiness, "under load one slow response is usual", MOST_UNREADY, unready),
    ):
        field = f"{container.field}.{kind}Probe"
        if probe and integer_at(probe, "failureThreshold", 3) == 1:
            yield Violation(pod.object, f"{field}.failureThreshold", f"at least 2: {because}", "1")
        if probe and hung_seconds(probe) > most:
            yield Violation(pod.object, field, expected, f"{hung_seconds(probe)} s")
    for case, taken in (("", seconds), (" of a process that hangs", hung_seconds)) if liveness and readiness else ():
        if taken(liveness) <= taken(readiness):
            expected = f"slower than readiness ({taken(readiness)} s{case}), so that unready comes before restart"
            yield Violation(pod.object, f"{container.field}.livenessProbe", expected, f"{taken(liveness)} s")
            break


@check("POD-16", "static")
def listens_on_the_address_of_the_pod(view: ComponentView) -> Iterator[Violation]:
    """POD-16: neither the command nor the environment binds the main container to the loopback address."""
    expected = f"a process that listens on {view.component.port} of the pod's address"
    for pod in view.pods:
        container = view.main_container(pod)
        command = " ".join(str(word) for field in ("command", "args") for word in list_at(container.body, field))
        proxied = any(each.ports() for each in pod.containers() if each.field != container.field)
        reached = proxied or any(not each.loopback for each in listeners(view, pod))
        if (found := LISTENS_ON_LOOPBACK.search(command)) and not reached:
            yield Violation(pod.object, f"{container.field}.command", expected, found.group().strip())
        for variable in view.environment(container):
            value = view.value_of(variable) or ""
            bound = variable.name in BIND_VARIABLES and re.fullmatch(rf"{LOOPBACK}(:\d+)?", value)
            bound = bound or (variable.name in COMMAND_VARIABLES and LISTENS_ON_LOOPBACK.search(value))
            if bound and not reached:
                field = f"{container.field}.env[{variable.name}]"
                yield Violation(pod.object, field, expected, bound.group().strip(), derived=True)
