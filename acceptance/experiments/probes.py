"""The probes of a component's container, and how long the kubelet takes to act on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import Deadline
from acceptance.core.fields import Object, at, mapping_at, mappings_at
from acceptance.core.target import Component, ComponentName, Target
from acceptance.kube.client import Objects


@dataclass(frozen=True)
class ProbeTimes:
    """A probe's settings, times in seconds."""

    period: float
    failure_threshold: float
    timeout: float
    initial_delay: float = 0.0

    @property
    def longest_detection(self) -> float:
        """Seconds until a paused process has failed the probe, if the kubelet is as prompt as it can be.

        The first failing probe may start a whole period later; the last one fails after its timeout.
        """
        return self.period * self.failure_threshold + self.timeout

    @property
    def startup_budget(self) -> tuple[float, float]:
        """The earliest and the latest time at which the kubelet gives up a start that answers no probe, in seconds.

        A probe that takes longer than the period delays the next one.
        """
        least = self.initial_delay + self.period * (self.failure_threshold - 1)
        return least, self.initial_delay + max(self.period, self.timeout) * self.failure_threshold


def detection_deadline(deadline: Deadline, times: ProbeTimes | None, further: float) -> Deadline:
    """Return a deadline of at least the time that the probe's settings take, plus `further` seconds."""
    seconds = times.longest_detection + further if times else 0.0
    return replace(deadline, seconds=max(deadline.seconds, seconds))


def probe_times(objects: Objects, component: Component, kind: str) -> ProbeTimes | None:
    """Return the times of a probe of the component's container, as the API server has filled them in; None without one.

    Args:
        objects: Reads the Deployment.
        component: The component.
        kind: `readinessProbe`, `livenessProbe` or `startupProbe`.
    """
    deployments = objects.list("Deployment").by_name
    containers = mappings_at(deployments[component.deployment], "spec.template.spec.containers")
    probe: Object = next((mapping_at(c, kind) for c in containers if c.get("name") == component.container), {})
    if not probe:
        return None
    fields = ("periodSeconds", "failureThreshold", "timeoutSeconds", "initialDelaySeconds")
    return ProbeTimes(*(float(str(at(probe, field) or 0)) for field in fields))


def require_probe(objects: Objects, target: Target, name: ComponentName, kind: str) -> ProbeTimes:
    """Return the times of a probe of the component's container.

    Args:
        objects: Reads the Deployment.
        target: The target, which names the Deployment and the container.
        name: The component.
        kind: `readinessProbe`, `livenessProbe` or `startupProbe`.

    Raises:
        Untested: The component has no such probe.
    """
    times = probe_times(objects, target.component(name), kind)
    if times is None:
        raise Untested(f"the {name} has no {kind}")
    return times
