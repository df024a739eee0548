"""Reads a snapshot of a live release: its objects from the API server, and the cluster's state."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from acceptance.checks.snapshot import ClusterState, ContainerFacts, ImageState, Layer, Snapshot
from acceptance.core.fields import Object, at, mappings_at, name_of, object_ref, text_at
from acceptance.core.target import CREDENTIALS, Target
from acceptance.core.values import ROUND_TRIP
from acceptance.kube.client import ApiServer
from acceptance.kube.existing_secrets import credentials_in
from acceptance.kube.manifests import documents
from acceptance.kube.schema import document, kind_of
from acceptance.kube.status import container_id, is_ready, is_terminating
from acceptance.provision.cluster import Cluster
from acceptance.provision.helm import HelmRelease
from acceptance.provision.images import BuiltImage
from acceptance.provision.node import Node
from acceptance.provision.release import Release, present_secrets

T = TypeVar("T")
LOG_LINES = 500
READINGS = 5
"""How often objects are read at most, while pods come, go or change their readiness."""


def manifest_objects(helm: HelmRelease) -> tuple[Object, ...]:
    """Return the objects of a release's manifest whose kinds are built in."""
    return tuple(item for item in documents(helm.manifest()) if kind_of(item) in document()["kinds"])


def read_snapshot(release: Release, images: Mapping[str, BuiltImage]) -> Snapshot:
    """Read the release as it is now, with concurrent requests."""
    target, cluster = release.target, release.cluster
    server, namespace = ApiServer(cluster.api), target.chart.namespace
    manifest = manifest_objects(release.helm)
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    paths = (
        f"{core}/pods",
        f"{apps}/replicasets",
        slices,
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/apis/networking.k8s.io/v1/servicecidrs",
    )
    with ThreadPoolExecutor(8) as pool:
        refusals = [pool.submit(server.refusal, item, release.helm.namespace, create=False) for item in manifest]

        def read() -> tuple[list[Object | None], list[tuple[Object, ...]]]:
            objects = [pool.submit(server.get, item, release.helm.namespace) for item in manifest]
            lists = [pool.submit(server.items, path) for path in paths]
            return [each.result() for each in objects], [each.result() for each in lists]

        objects, lists = of_one_moment(read, lambda found: readiness(found[1][0]))
        pods, replica_sets, endpoint_slices, nodes, namespaces, cidrs = lists
        pods = typed(pods, "Pod")
        served = pool.submit(server.serves_metrics)
        existing = pool.submit(present_secrets, cluster, target)
        logs = {name_of(pod): pool.submit(log, server, core, pod) for pod in pods}
        facts = container_facts(cluster, pods) if "node" in cluster.capabilities else None
        messages = {object_ref(item): each.result() for item, each in zip(manifest, refusals, strict=True)}
        return Snapshot(
            source="live",
            objects=tuple(each for each in objects if each is not None),
            release_namespace=release.helm.namespace,
            injected_values=injected_values(target, release.values, existing.result()),
            existing=tuple(existing.result()),
            captured_at=datetime.now(UTC),
            cluster=ClusterState(
                pods=pods,
                replica_sets=typed(replica_sets, "ReplicaSet"),
                endpoint_slices=typed(endpoint_slices, "EndpointSlice"),
                nodes=typed(nodes, "Node"),
                namespaces=typed(namespaces, "Namespace"),
                service_cidrs=tuple(str(cidr) for item in cidrs for cidr in at(item, "spec.cidrs") or []),
                facts=facts,
                refused={name: message for name, message in messages.items() if message is not None},
                logs={name: each.result() for name, each in logs.items()},
                metrics=served.result(),
            ),
            manifest_objects=manifest,
            images={name: image_state(cluster, image) for name, image in images.items()},
        )


def of_one_moment(read: Callable[[], T], state: Callable[[T], object]) -> T:
    """Return a reading of one moment, which the next one confirms by the same state; after `READINGS`, the last one.

    Args:
        read: Reads objects one after the other.
        state: What of a reading must not have changed meanwhile.
    """
    found = read()
    for _ in range(READINGS - 1):
        following = read()
        if state(following) == state(found):
            return found
        found = following
    return found


def readiness(pods: Iterable[Object]) -> frozenset[tuple[str, bool, bool]]:
    """Return the pods, and whether each is Ready or being deleted, on which endpoints and counts depend."""
    return frozenset((text_at(pod, "metadata.uid"), is_ready(pod), is_terminating(pod)) for pod in pods)


def typed(items: Iterable[Object], kind: str) -> tuple[Object, ...]:
    """Return the items of a list with their `kind`, which lists omit."""
    return tuple({"kind": kind, **item} for item in items)


def injected_values(target: Target, values: Mapping[str, Any], existing: Iterable[Object] = ()) -> dict[str, str]:
    """Return the values set by the run: credentials by Secret key, the model's base URL, extra ConfigMap entries.

    Args:
        target: What is under test.
        values: The release's.
        existing: The Secrets that exist before the release.
    """
    paths = target.values
    known = {
        **target.secret_paths,
        "model_base_url": paths.model_base_url,
        **{key: f"{paths.extra_config}.{key}" if paths.extra_config else None for key in ROUND_TRIP},
    }
    found = {key: at(values, path) for key, path in known.items() if path is not None}
    held = credentials_in(target, existing)
    by_key = {getattr(target.secret, name) if name in CREDENTIALS else name: text for name, text in held.items()}
    return by_key | {
        key: target.secret.from_given(value) if key in target.secret_paths else value
        for key, value in found.items()
        if isinstance(value, str)
    }


def log(server: ApiServer, core: str, pod: Object) -> str:
    """Return the last log lines of a pod's started containers, init containers first."""
    texts = []
    for container in (*mappings_at(pod, "spec.initContainers"), *mappings_at(pod, "spec.containers")):
        query = {"container": text_at(container, "name"), "tailLines": str(LOG_LINES)}
        status, answer = server.call("GET", f"{core}/pods/{name_of(pod)}/log", query)
        if status == 200:
            texts.append(answer if isinstance(answer, str) else json.dumps(answer))
    return "\n".join(texts)


def image_state(cluster: Cluster, image: BuiltImage) -> ImageState:
    """Return a built image as the engine describes it; its layers are not read."""
    described = json.loads(cluster.toolchain.engine.docker("image", "inspect", image.config_digest))[0]
    return ImageState(
        reference=image.reference,
        config={"config": described.get("Config") or {}},
        config_digest=image.config_digest,
        computed_digest=image.config_digest,
        layers=tuple(Layer(diff_id, 0) for diff_id in image.diff_ids),
        computed_diff_ids=image.diff_ids,
    )


# --- the node

READ_PROCESS = r"""
for pid in "$@"; do
  printf 'pid %s\n' "$pid"
  printf 'root %s\n' "$(awk '$5 == "/" {print $6}' "/proc/$pid/mountinfo" | tail -n 1)"
  printf 'env %s\n' "$(base64 -w0 < "/proc/$pid/environ")"
  printf 'listen %s\n' "$(awk '$4 == "0A" {print $2}' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" | tr '\n' ' ')"
  printf 'uid %s\n' "$(awk '/^Uid:/ {print $3}' "/proc/$pid/status")"
done
"""
"""Arguments: processes. The user is printed last, only if the process has lived through the other readings."""


def container_facts(cluster: Cluster, pods: Iterable[Object]) -> dict[tuple[str, str], ContainerFacts]:
    """Read facts of every running container of the pods, in two commands on each node and one for each image."""
    identifiers = {
        container_id(status): (pod, status)
        for pod in pods
        for status in mappings_at(pod, "status.containerStatuses")
        if at(status, "state.running") is not None
    }
    facts = {}
    for node in cluster.nodes():
        processes = {key: str(pid) for key, pid in node.main_processes().items() if key in identifiers}
        if processes:
            facts.update(_node_facts(node, processes, identifiers))
    return facts


def _node_facts(
    node: Node, processes: Mapping[str, str], identifiers: Mapping[str, tuple[Object, Object]]
) -> dict[tuple[str, str], ContainerFacts]:
    parsed = parse_facts(node.exec("sh", "-c", READ_PROCESS, "sh", *processes.values()))
    images: dict[str, tuple[str, tuple[str, ...]]] = {}
    facts = {}
    for identifier, pid in processes.items():
        if pid not in parsed:
            continue
        pod, status = identifiers[identifier]
        name = text_at(status, "name")
        bodies = mappings_at(pod, "spec.containers")
        image = next(text_at(each, "image") for each in bodies if text_at(each, "name") == name)
        if image not in images:
            images[image] = running_image(node, image)
        digest, diff_ids = images[image]
        # The config digest that the container was created from, if the runtime reports it.
        image_id = text_at(status, "imageID")
        digest = image_id if image_id.startswith("sha256:") else digest
        facts[name_of(pod), name] = replace(parsed[pid], config_digest=digest, diff_ids=diff_ids)
    return facts


def running_image(node: Node, image: str) -> tuple[str, tuple[str, ...]]:
    """Return the configuration digest and the diff IDs of an image on the node."""
    digest, config = node.image_config(image)
    return digest, tuple(map(str, at(config, "rootfs.diff_ids") or ()))


def parse_facts(text: str) -> dict[str, ContainerFacts]:
    """Parse what `READ_PROCESS` printed, by process; one that ended meanwhile has no facts."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == "pid":
            current = found.setdefault(value, {})
        else:
            current[key] = value
    return {
        pid: ContainerFacts(
            uid=int(facts["uid"]),
            environment=dict(
                entry.split("=", 1)
                for entry in base64.b64decode(facts["env"]).decode("utf-8", "replace").split("\0")
                if "=" in entry
            ),
            listening=listening(facts["listen"], loopback=False),
            read_only_root="ro" in facts["root"].split(","),
            config_digest="",
            diff_ids=(),
            loopback=listening(facts["listen"], loopback=True) - listening(facts["listen"], loopback=False),
        )
        for pid, facts in found.items()
        if facts["root"] and facts["uid"]
    }


def listening(addresses: str, *, loopback: bool) -> frozenset[int]:
    """Return the ports of the kernel's listening addresses (`0100007F:1F40`) that are, or are not, of loopback."""
    pairs = [address.rpartition(":") for address in addresses.split()]
    return frozenset(int(port, 16) for host, _, port in pairs if is_loopback(host) == loopback)


def is_loopback(address: str) -> bool:
    """Return whether an address is in 127.0.0.0/8, also as mapped into IPv6, or is ::1.

    The kernel writes the bytes of each 32-bit word in reverse.
    """
    if len(address) == 32 and address != f"{'0' * 24}01000000":
        return address.startswith(f"{'0' * 16}FFFF0000") and address.endswith("7F")
    return len(address) == 32 or address.endswith("7F")
