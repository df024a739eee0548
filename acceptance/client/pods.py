"""Addresses of a component's Ready pods, for requests that bypass the Service, and its health path."""

from __future__ import annotations

from acceptance.checks import health
from acceptance.checks.finding import Untested
from acceptance.core.fields import Object, mappings_at, name_of, text_at
from acceptance.core.urls import authority
from acceptance.kube.status import is_ready, pods_of
from acceptance.provision.release import Release


def ready_pods(release: Release, component: str) -> list[Object]:
    """Return the component's Ready pods, sorted by name; `AssertionError` if there is none."""
    part = release.target.component(component)
    found = [pod for pod in pods_of(release.objects.list("Pod").objects, part) if is_ready(pod)]
    assert found, f"Deployment/{part.deployment} has no Ready pod"
    return sorted(found, key=name_of)


def health_path(release: Release, component: str, first: str = "liveness") -> str:
    """Return the path at which the component says whether it is well. Raises `Untested` where none is known.

    Args:
        release: The release.
        component: The component's name.
        first: The probe whose path is preferred.
    """
    part = release.target.component(component)
    try:
        deployment = release.objects.list("Deployment").by_name.get(part.deployment, {})
    except Untested:  # containers without a cluster, which the chart's probes do not apply to
        return str(getattr(part.probes, first))
    containers = mappings_at(deployment, "spec.template.spec.containers")
    container: Object = next((each for each in containers if each.get("name") == part.container), {})
    return health.health_path(part, container, first)


def origin(release: Release, component: str, pod: Object) -> str:
    """Return the origin of a pod, such as `http://10.244.0.7:8000`; it is reachable through the gateway."""
    return f"http://{authority(text_at(pod, 'status.podIP'), release.target.component(component).port)}"


def origins(release: Release, component: str) -> dict[str, str]:
    """Return the origin of each Ready pod of the component, by the pod's name."""
    return {name_of(pod): origin(release, component, pod) for pod in ready_pods(release, component)}
