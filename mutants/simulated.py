"""A live release and built images, simulated from a rendered chart.

They contain what the API server, the controllers and the node would add, so that mutants of live and image rules need
no cluster.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from acceptance.checks.component_view import ComponentView
from acceptance.checks.snapshot import ClusterState, ContainerFacts, ImageRun, ImageState, Layer, Snapshot
from acceptance.core.fields import Object, integer_at, mapping_at, name_of
from acceptance.core.target import Target
from acceptance.core.values import ROUND_TRIP
from acceptance.kube.pod_templates import Pod

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STARTED = "2026-01-02T03:00:00Z"
NODE = "node-1"
POD_SUFFIXES = ("aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee")


def digest(text: str) -> str:
    """Return the sha256 digest of a text, as images write it."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def images(target: Target) -> dict[str, ImageState]:
    """Return a small image for each component, of three layers."""
    states = {}
    for name, component in target.components.items():
        layers = tuple(Layer(digest(f"{name} {i}"), 20_000_000, f"COPY {i}") for i in range(3))
        config = {
            "os": "linux",
            "architecture": "amd64",
            "created": "2026-01-01T00:00:00.123456789Z",
            "config": {"User": "1000:1000", "Cmd": ["python3", "-m", name], "Env": ["PATH=/bin"]},
            "history": [{"created_by": layer.created_by} for layer in layers],
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
        states[str(name)] = ImageState(
            reference=f"{component.image.repository}:1",
            config=config,
            config_digest=digest(name),
            computed_digest=digest(name),
            layers=layers,
            computed_diff_ids=tuple(layer.diff_id for layer in layers),
            passwd="appuser:x:1000:1000::/app:/bin/false\n",  # noqa: S106 - the file
            run=ImageRun(health_status=200, term_seconds=2.0, exit_code=0),
        )
    return states


def built(static: Snapshot, target: Target) -> Snapshot:
    """Return a snapshot of built images."""
    return Snapshot(
        source="image",
        objects=tuple(copy.deepcopy(static.objects)),
        release_namespace=static.release_namespace,
        injected_values=static.injected_values,
        captured_at=NOW,
        images=images(target),
    )


def running(static: Snapshot, target: Target) -> Snapshot:
    """Return the release without load: every pod Ready, the HPA at its minimum.

    Args:
        static: A rendering with the suite's text (`ROUND_TRIP`) as an additional ConfigMap key.
        target: The target.
    """
    objects: list[Any] = copy.deepcopy(list(static.objects))
    for index, item in enumerate(objects):
        item["metadata"] |= {
            "uid": f"uid-{index}",
            "namespace": static.namespace_of(item),
            "creationTimestamp": STARTED,
        }
        if item["kind"] == "Service":
            item["spec"] |= {"clusterIP": f"10.96.0.{index + 1}", "type": "ClusterIP", "sessionAffinity": "None"}
        if item["kind"] == "HorizontalPodAutoscaler":
            current = {"name": "cpu", "current": {"averageUtilization": 3}}
            item["status"] = {
                "conditions": [{"type": "ScalingActive", "status": "True"}],
                "currentMetrics": [{"type": "Resource", "resource": current}],
            }
    live = Snapshot(
        source="live",
        objects=tuple(objects),
        release_namespace=static.release_namespace,
        injected_values={**static.injected_values, **ROUND_TRIP},
        captured_at=NOW,
        manifest_objects=tuple(copy.deepcopy(objects)),
        images=images(target),
        cluster=ClusterState(),
    )
    sets: list[Object] = []
    pods: list[Any] = []
    slices: list[Object] = []
    for view in ComponentView(live, target, None).for_each_component():
        replica_set, component_pods, endpoint_slice = _component(view)
        sets.append(replica_set)
        pods += component_pods
        slices.append(endpoint_slice)
    namespace = {"kind": "Namespace", "metadata": {"name": target.chart.namespace, "creationTimestamp": STARTED}}
    live = replace(
        live,
        cluster=ClusterState(
            pods=tuple(pods),
            replica_sets=tuple(sets),
            endpoint_slices=tuple(slices),
            nodes=({"kind": "Node", "metadata": {"name": NODE}},),
            namespaces=(namespace,),
            service_cidrs=("10.96.0.0/16",),
            logs={name_of(pod): '{"path": "/health", "status": 200}\n' for pod in pods},
        ),
    )
    assert live.cluster is not None
    facts = {
        key: fact
        for view in ComponentView(live, target, None).for_each_component()
        for key, fact in _facts(view).items()
    }
    return replace(live, cluster=replace(live.cluster, facts=facts))


def _component(view: ComponentView) -> tuple[Object, list[Any], Object]:
    """The ReplicaSet of a component's Deployment, its pods, and the EndpointSlice of its Service."""
    deployment: Any = view.deployment
    scaler = view.find_autoscaler() if view.component_name == "backend" else None
    count = integer_at(scaler, "spec.minReplicas", 1) if scaler else integer_at(deployment, "spec.replicas", 1)
    deployment["spec"]["replicas"] = count
    replica_set = _replica_set(deployment, view.namespaced(deployment))
    pods = [_pod(deployment, replica_set, suffix) for suffix in POD_SUFFIXES[: count or 0]]
    endpoint_slice: Object = {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name_of(view.service)}-x",
            "namespace": view.namespaced(deployment),
            "labels": {"kubernetes.io/service-name": name_of(view.service)},
        },
        "endpoints": [
            {"targetRef": {"kind": "Pod", "name": name_of(pod)}, "conditions": {"ready": True}} for pod in pods
        ],
    }
    return replica_set, pods, endpoint_slice


def _replica_set(deployment: Object, namespace: str) -> Object:
    name = f"{name_of(deployment)}-7d8c9"
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "namespace": namespace,
            "labels": dict(mapping_at(deployment, "spec.template.metadata.labels")),
            "ownerReferences": _owned_by(deployment),
        },
    }


def _pod(deployment: Object, replica_set: Object, suffix: str) -> dict[str, Any]:
    name = name_of(replica_set)
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{suffix}",
            "generateName": f"{name}-",
            "uid": f"uid-{name}-{suffix}",
            "namespace": replica_set["metadata"]["namespace"],
            "labels": dict(replica_set["metadata"]["labels"]),
            "annotations": dict(mapping_at(deployment, "spec.template.metadata.annotations")),
            "creationTimestamp": STARTED,
            "ownerReferences": _owned_by(replica_set),
        },
        "spec": {**copy.deepcopy(deployment["spec"]["template"]["spec"]), "nodeName": NODE},
        "status": {
            "phase": "Running",
            "startTime": STARTED,
            "conditions": [{"type": each, "status": "True"} for each in ("PodScheduled", "Ready")],
        },
    }


def _owned_by(owner: Object) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "apps/v1",
            "kind": owner["kind"],
            "name": name_of(owner),
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]


def _facts(view: ComponentView) -> dict[tuple[str, str], ContainerFacts]:
    image = view.image
    found = {}
    for item in view.owned_pods():
        pod = Pod(item, "", item)
        for container in pod.containers():
            if container.init:
                continue  # it has completed
            values = {each.name: view.value_of(each) for each in view.environment(container)}
            found[pod.name, container.name] = ContainerFacts(
                uid=1000,
                environment={name: value for name, value in values.items() if value is not None},
                listening=frozenset({view.component.port}),
                read_only_root=True,
                config_digest=image.config_digest,
                diff_ids=tuple(layer.diff_id for layer in image.layers),
            )
    return found
