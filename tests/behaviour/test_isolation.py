"""Running containers as the node sees them: their users and rights, what they can write to, and which ports are open.

Nothing is disturbed. What ends before it can be seen here, an init container's process, is observed when pods are
replaced: `test_replaced_pods.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from acceptance.checks.finding import Finding, Untested, report_findings
from acceptance.checks.isolation import (
    confinement_findings,
    declared_mounts,
    undeclared_port_findings,
    user_findings,
    write_findings,
)
from acceptance.core.fields import Object, mapping_at, mappings_at, name_of, text_at
from acceptance.core.target import COMPONENTS
from acceptance.kube.status import pods_of, running_containers
from acceptance.provision.cluster import Cluster
from acceptance.provision.gateway import Gateway, service_host
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import Release
from acceptance.snapshots import isolation, open_ports
from acceptance.snapshots.isolation import NodeView
from acceptance.snapshots.open_ports import OpenPort

RELEASE_ANNOTATION = "meta.helm.sh/release-name"
FROM_NODE, FROM_NEIGHBOUR = "node {}", "a container on the nodes' network"


def release_pods(release: Release) -> list[Object]:
    """Return every pod of the namespace where the run installed the release; else the components' pods alone."""
    pods = release.objects.list("Pod").objects
    if "own-release" in release.cluster.capabilities:
        return list(pods)
    return [pod for part in release.target.components.values() for pod in pods_of(pods, part)]


@pytest.fixture(scope="module")
def node_view(ready_release: Release, cluster: Cluster) -> NodeView:
    """The release's running containers; each must be seen, and its user must be able to write to its emptyDirs."""
    cluster.require_capability("node")
    before = running_containers(pods := release_pods(ready_release))
    view = isolation.read_containers(cluster, pods)
    after = running_containers(release_pods(ready_release))
    expected = {(name_of(pod), name) for identifier, (pod, name) in before.items() if identifier in after}
    unseen = expected - {(name_of(each.pod), each.name) for each in view.containers}
    if not expected or unseen:
        raise RuntimeError(f"of {len(expected)} running containers the node shows no process of {sorted(unseen)}")
    for container in view.containers:
        volumes = {path for path, kind in declared_mounts(container.pod, container.name).items() if kind == "emptyDir"}
        if not volumes & set(container.written) and volumes & {
            each.point for each in container.mounts if each.writable
        }:
            raise RuntimeError(
                f"{container.ref} {container.name}: no attempt to write succeeded, not even in an emptyDir"
            )
    return view


@pytest.mark.rule("SCY-01", "SCY-03")
def test_every_process_is_an_unprivileged_user(node_view: NodeView, ready_release: Release) -> None:
    strict = ready_release.target.strict
    confined = confinement_findings(node_view.containers, node_view.namespaces, strict=strict)
    report_findings([*user_findings(node_view.containers), *confined], ready_release.target)


@pytest.mark.rule("SCY-02")
def test_only_empty_dirs_can_be_written_to(node_view: NodeView, ready_release: Release) -> None:
    report_findings(write_findings(node_view.containers), ready_release.target)


def release_services(release: Release) -> list[Object]:
    """Return the Services of the release as they are now."""
    listed = json.loads(
        release.cluster.kubectl("get", "services", "--namespace", release.target.chart.namespace, "--output", "json")
    )
    return [
        item
        for item in mappings_at(listed, "items")
        if mapping_at(item, "metadata.annotations").get(RELEASE_ANNOTATION) == release.helm.release
    ]


@pytest.fixture(scope="module")
def open_node_ports(node_view: NodeView, ready_release: Release, provisioner: Provisioner) -> list[OpenPort]:
    """The ports of the release that are open on an address of a node.

    The kubelet's port, which is open on every node, shows that each place can connect at all.
    """
    cluster = ready_release.cluster
    objects = cluster.node_objects()
    ports = open_ports.release_ports(node_view, release_services(ready_release))
    foreign = open_ports.foreign_ports(cluster, ready_release.target.chart.namespace)
    opened = []
    for node in cluster.nodes():
        control = open_ports.kubelet_endpoint(objects, node.name)
        checked = sorted(ports.keys() - foreign - open_ports.host_listeners(node))
        pairs = [(address, port) for address in open_ports.node_addresses(node) for port in checked]
        found = {FROM_NODE.format(node.name): open_ports.connected_from_node(node, [*pairs, control])}
        if "engine-network" in cluster.capabilities:
            outside = [(control[0], port) for port in checked]
            neighbour = provisioner.model().server.host
            found[FROM_NEIGHBOUR] = open_ports.connected_from_neighbour(cluster, neighbour, [*outside, control])
        for source, connected in found.items():
            if control not in connected:
                raise RuntimeError(f"{source} can't connect to the kubelet at {control}, so closed ports show nothing")
            opened += [OpenPort(*end, source, ports[end[1]]) for end in sorted(connected - {control})]
    return opened


@pytest.mark.rule("SCY-05")
def test_every_port_is_closed_on_the_node(
    open_node_ports: Sequence[OpenPort], node_view: NodeView, ready_release: Release
) -> None:
    findings = [
        Finding(
            "SCY-05", each.meaning.partition(" ")[0], f"{each.address}:{each.port}", "closed", f"open to {each.source}"
        )
        for each in open_node_ports
    ]
    for container in node_view.containers:
        network = node_view.namespaces[text_at(container.pod, "spec.nodeName")]["net"]
        if any(process.namespaces["net"] == network for process in container.processes):
            ports = ", ".join(map(str, sorted(container.listening))) or "no port"
            actual = f"the node's; it listens on {ports}"
            findings.append(Finding("SCY-05", container.ref, f"{container.name}: network", "of its own", actual))
    report_findings(findings, ready_release.target)


@pytest.mark.rule("SCY-11")
@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_listens_on_declared_ports_only(node_view: NodeView, ready_release: Release, component: str) -> None:
    """Any pod of the cluster can use a debugger's port. The ports of a service mesh's proxy are not the release's."""
    part = ready_release.target.component(component)
    deployment = ready_release.objects.list("Deployment").by_name[part.deployment]
    made = {text_at(each, "name") for each in mappings_at(deployment, "spec.template.spec.containers")}
    pods = {
        name_of(pod)
        for pod in pods_of((each.pod for each in node_view.containers), part)
        if {text_at(each, "name") for each in mappings_at(pod, "spec.containers")} <= made
    }
    if not pods:
        raise Untested("every pod has a container that its Deployment does not name")
    containers = [each for each in node_view.containers if name_of(each.pod) in pods]
    report_findings(undeclared_port_findings(containers), ready_release.target)


@pytest.mark.rule("SCY-05")
@pytest.mark.parametrize("component", COMPONENTS)
def test_port_is_open_through_its_service(ready_release: Release, gateway: Gateway, component: str) -> None:
    host, port = service_host(ready_release.target, component), ready_release.target.component(component).service_port
    findings = []
    try:
        gateway.open_connection(host, port).close()
    except OSError as error:
        gateway.check_connection()
        service = f"Service/{ready_release.target.component(component).service}"
        findings.append(Finding("SCY-05", service, f"port {port}", "open in the cluster", str(error)))
    report_findings(findings, ready_release.target)
