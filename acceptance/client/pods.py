"""A component's Ready pods, addressed one by one past their Service."""

from __future__ import annotations

from acceptance.core.fields import Object, name_of, text_at
from acceptance.kube.status import is_ready, pods_of
from acceptance.provision.release import Release


def ready_pods(release: Release, component: str) -> list[Object]:
    """The component's Ready pods, by name; `AssertionError` where there is none."""
    part = release.target.component(component)
    found = [pod for pod in pods_of(release.objects.list("Pod").objects, part) if is_ready(pod)]
    assert found, f"Deployment/{part.deployment} has no Ready pod"
    return sorted(found, key=name_of)


def origin(release: Release, component: str, pod: Object) -> str:
    """Where the pod itself answers, through the gateway: `http://10.244.0.7:8000`."""
    address = text_at(pod, "status.podIP")
    return f"http://{f'[{address}]' if ':' in address else address}:{release.target.component(component).port}"


def origins(release: Release, component: str) -> dict[str, str]:
    """Where each Ready pod of the component answers, by the pod's name."""
    return {name_of(pod): origin(release, component, pod) for pod in ready_pods(release, component)}
