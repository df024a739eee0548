"""What providers do alike on a node that is a container of this machine's engine, set up by kubeadm."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from acceptance.provision.run import CTR
from toolchain.console import CommandError
from toolchain.engine import Engine

CONTROLLER_MANAGER = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
"""kubeadm's static pod, whose arguments name the subnets of pods and Services."""
LAST_RESORT = "4278198272"
"""The metric of the route that applies where no other one of the same subnet does."""


def close_node(engine: Engine, node: str) -> None:
    """Reject on the node what is sent to a pod that is gone, or to a Service without a Ready pod.

    The node has routes to the existing pods, or to the bridge of all pods, and to nothing else of these networks: all
    other traffic would leave the node by the default route, where an unrelated host may answer. Raises `CommandError`.
    """
    pods, services = _subnets(engine, node)
    engine.docker("exec", node, "ip", "route", "replace", "unreachable", pods, "metric", LAST_RESORT)
    # Not a route: the node routes its own packets to a Service before it translates their address.
    reject = ("-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    engine.docker("exec", node, "iptables", "--insert", "FORWARD", "--destination", services, *reject)


def _subnets(engine: Engine, node: str) -> tuple[str, str]:
    """The first subnet of the pods and that of the Services."""
    argv = ("exec", node, "cat", CONTROLLER_MANAGER)
    manifest = engine.docker(*argv)
    pods, services = (
        re.search(rf"--{flag}=([^,\s]+)", manifest) for flag in ("cluster-cidr", "service-cluster-ip-range")
    )
    if pods is None or services is None:
        raise CommandError(["docker", *argv], 0, manifest, f"{CONTROLLER_MANAGER} names no subnet of pods or Services")
    return pods[1], services[1]


def import_images(engine: Engine, node: str, references: Sequence[str]) -> None:
    """Give images of the engine to the node's containerd, as one archive. Raises `CommandError`."""
    argv = ["exec", "--interactive", node, *CTR, "images", "import", "--all-platforms", "--no-unpack", "-"]
    save = [str(engine.client), "save", *references]
    with subprocess.Popen(save, env=engine.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as saving:
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
