"""Minikube: found on PATH, never built; and a base image for its node, built where none can be pulled.

Where kind's node image could be pulled, Minikube pulls what it needs by itself. Elsewhere its node starts from a
derivative of the locally built node image, whose containerd holds the control-plane images already.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from toolchain import binaries, cache, images, pins
from toolchain.console import ToolchainError, log, timed_step
from toolchain.engine import Engine

HERE = Path(__file__).resolve().parent / "minikube"
REFERENCE = images.local_reference("minikube", HERE, images.NODE.local_reference)
"""The base image that is built here."""
KUBERNETES_BINARIES = ("kubeadm", "kubelet", "kubectl")
"""What Minikube copies to its node from its cache, and downloads only if it is not there."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names of architectures, by the kernel's."""


def require() -> Path:
    """Return the path of `minikube`.

    Raises:
        ToolchainError: It is not on PATH; the message says how to get it.
    """
    path = shutil.which("minikube")
    if path is None:
        raise ToolchainError(
            "minikube is not on PATH: install it as https://minikube.sigs.k8s.io/docs/start says, "
            "or choose another cluster provider"
        )
    return Path(path)


def is_built(node_image: str) -> bool:
    """Whether the base image is built here, since kind's node image was."""
    return node_image == images.NODE.local_reference


def ensure(engine: Engine, node_image: str) -> None:
    """Find Minikube, and build its base image if it is to be built and missing.

    Raises:
        ToolchainError: Minikube is not on PATH, or its base image could not be built.
    """
    log("minikube", f"found, {require()}")
    if not is_built(node_image):
        log("minikube", "its base image is the one that it pulls")
        return
    with cache.lock(f"image-{REFERENCE.replace('/', '-')}"):
        if engine.has_image(REFERENCE):
            log("minikube base image", f"found, {REFERENCE}")
            return
        with timed_step("minikube base image", f"building a local replacement, {REFERENCE}"):
            build(engine, node_image, REFERENCE)


def build(engine: Engine, node_image: str, reference: str) -> None:
    """Build the base image on the node image, with the tools of `minikube/go.mod`."""
    tools = binaries.build("minikube-tools", HERE, ["tool"])
    with tempfile.TemporaryDirectory(dir=cache.directory()) as folder:
        for source in tools.iterdir():
            (Path(folder) / source.name).hardlink_to(source)
        engine.build("--tag", reference, "--build-arg", f"NODE_IMAGE={node_image}", "-f", HERE / "Dockerfile", folder)


def fill_cache(home: Path) -> None:
    """Put the Kubernetes binaries that were built here into the cache of a MINIKUBE_HOME."""
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    folder = home / ".minikube/cache/linux" / architecture / pins.KUBERNETES
    folder.mkdir(parents=True, exist_ok=True)
    source = binaries.kubernetes()
    for name in KUBERNETES_BINARIES:
        if not (folder / name).exists():
            (folder / name).hardlink_to(source / name)
