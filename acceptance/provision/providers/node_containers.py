"""Nodes that are containers of this machine's engine, as kind and Minikube's docker driver make them.

Only providers use it, for what is needed before the cluster has an API server or after it is gone; experiments reach
the nodes of every cluster through `acceptance.provision.node`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from acceptance.provision.containerd import list_images
from toolchain.console import CommandError, ToolchainError
from toolchain.engine import Engine


def up(engine: Engine, nodes: Iterable[str]) -> bool:
    """Whether containerd answers on every node."""
    try:
        for node in nodes:
            engine.docker("exec", node, "ctr", "version")
    except CommandError:
        return False
    return True


def load(
    engine: Engine, nodes: Sequence[str], references: Iterable[str], into: Callable[[Sequence[str]], None]
) -> None:
    """Load onto every node the images that one of them lacks.

    Args:
        engine: The engine that has the images, and the nodes as containers.
        nodes: The nodes.
        references: The images.
        into: Loads images onto every node.

    Raises:
        ToolchainError: The images can't be loaded, or a node does not list one afterwards.
    """
    wanted = dict.fromkeys(references)
    missing = [image for image in wanted if not all(has_image(engine, node, image) for node in nodes)]
    if not missing:
        return
    into(missing)
    for node in nodes:
        for image in missing:
            if not has_image(engine, node, image):
                raise ToolchainError(f"the image {image} was loaded, but node {node} does not list it")


def has_image(engine: Engine, node: str, reference: str) -> bool:
    """Whether a node lists an image of this reference."""
    return bool(engine.docker("exec", node, *list_images(reference, "--quiet")).strip())


def reject_unknown_addresses(engine: Engine, node: str, pod_subnet: str, service_subnet: str) -> None:
    """Reject on a node what is sent to a pod that is gone, or to a Service without a Ready pod. Raises `CommandError`.

    A node has routes to existing pods, or to the other nodes' pods, and to nothing else of these networks: all other
    traffic would leave it by the default route, where an unrelated host may answer.
    """
    engine.docker("exec", node, "ip", "route", "replace", "unreachable", pod_subnet)
    # Not a route: the node routes its own packets to a Service before it translates their address.
    rule = ("FORWARD", "--destination", service_subnet, "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    engine.docker("exec", node, "iptables", "--insert", *rule)
