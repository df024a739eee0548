"""Nodes that are containers of this machine's engine, as kind and Minikube's docker driver make them.

Only providers use it, for what is needed before the cluster has an API server or after it is gone; experiments reach
the nodes of every cluster through `acceptance.provision.node`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence

from acceptance.provision.containerd import CTR, list_images
from toolchain.console import CommandError, ToolchainError
from toolchain.engine import Engine

LAST_RESORT = "4278198272"
"""The metric of a route that applies only if no other route to the same subnet exists."""
CONTROLLER_MANAGER = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
"""kubeadm's static pod, whose arguments name the subnets of pods and Services."""


def up(engine: Engine, nodes: Iterable[str]) -> bool:
    """Return whether containerd answers on every node."""
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
    """Return whether a node lists an image of this reference."""
    return bool(engine.docker("exec", node, *list_images(reference, "--quiet")).strip())


def reject_unknown_addresses(engine: Engine, node: str, pod_subnet: str, service_subnet: str) -> None:
    """Make a node reject what is sent to a deleted pod, or to a Service without a Ready pod. Raises `CommandError`.

    A node has routes to existing pods, to the other nodes' pods or to the bridge of its own, and to nothing else of
    these networks: all other traffic would leave it by the default route, where an unrelated host may answer.
    """
    route = ("unreachable", pod_subnet, "metric", LAST_RESORT)
    engine.docker("exec", node, "ip", "route", "replace", *route)
    # Not a route: the node routes its own packets to a Service before it translates their address.
    rule = ("FORWARD", "--destination", service_subnet, "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    engine.docker("exec", node, "iptables", "--insert", *rule)


def subnets(engine: Engine, node: str) -> tuple[str, str]:
    """Return the first subnet of the pods and that of the Services, as a control plane of kubeadm has them.

    Raises:
        ToolchainError: They can't be read.
    """
    manifest = engine.docker("exec", node, "cat", CONTROLLER_MANAGER)
    pods, services = (
        re.search(rf"--{flag}=([^,\s]+)", manifest) for flag in ("cluster-cidr", "service-cluster-ip-range")
    )
    if pods is None or services is None:
        raise ToolchainError(f"{CONTROLLER_MANAGER} on node {node} names no subnet of pods or Services")
    return pods[1], services[1]


def import_images(engine: Engine, node: str, references: Sequence[str]) -> None:
    """Give images of the engine to the node's containerd, as one archive. Raises `CommandError`."""
    argv = ["exec", "--interactive", node, *CTR, "images", "import", "--all-platforms", "--no-unpack", "-"]
    save = [str(engine.client), "save", *references]
    pipe = subprocess.PIPE
    with subprocess.Popen(save, env=engine.environment, stdout=pipe, stderr=pipe) as saving:
        done = subprocess.run(
            [engine.client, *argv],
            env=engine.environment,
            stdin=saving.stdout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        assert saving.stdout is not None
        assert saving.stderr is not None
        saving.stdout.close()  # an import that ended early leaves the archive unread
        words = saving.stderr.read().decode(errors="replace")
    if done.returncode:
        raise CommandError([str(engine.client), *argv], done.returncode, done.stdout, done.stderr)
    if saving.returncode:
        raise CommandError(save, saving.returncode, "", words)
