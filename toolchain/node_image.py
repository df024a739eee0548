"""kind's node image, built from Debian's packages and Go's modules where none can be pulled.

It is what kind's own build makes: the base image's files come from kind's module, verified by `go.sum`; the
control-plane images are binaries on nothing, imported into the node's containerd.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from toolchain import binaries, cache, pins
from toolchain.console import ToolchainError, log, run
from toolchain.engine import Engine

HERE = Path(__file__).resolve().parent / "node"
PACKAGES = tuple(
    (
        "systemd systemd-sysv conntrack iptables nftables iproute2 ethtool util-linux mount kmod libseccomp2 pigz "
        "e2fsprogs ca-certificates jq procps runc socat curl"
    ).split()
)
CONTAINERD_SECONDS = 30
"""containerd answers in about 1 s; a busy machine gets thirty times that."""

BINARIES = {"kube-apiserver": "kube-apiserver", "kube-controller-manager": "kube-controller-manager"}
BINARIES |= {"kube-scheduler": "kube-scheduler", "etcd": "server"}


def build(engine: Engine, reference: str, root: Callable[[tuple[str, ...], str], None], debian: str) -> None:
    """Build the node image as `reference`. `root` makes a root file system of packages as an image of a name."""
    kubernetes, containerd = binaries.kubernetes(), binaries.containerd()
    base_files = binaries.module_folder("sigs.k8s.io/kind") / "images/base/files"
    rootfs = reference.replace("/node:", "/node-rootfs:")
    if not engine.has_image(rootfs):
        root(PACKAGES, rootfs)
    with tempfile.TemporaryDirectory(dir=cache.directory()) as name:
        context = Path(name)
        gather(context, kubernetes, containerd, base_files)
        wanted = run(
            [kubernetes / "kubeadm", "config", "images", "list", "--kubernetes-version", pins.KUBERNETES]
        ).split()
        control_plane(engine, context / "bin", wanted, rootfs, debian)
        pause, proxy = (next(image for image in wanted if f"/{name}:" in image) for name in ("pause", "kube-proxy"))
        arguments = {"ROOTFS": rootfs, "KUBERNETES": pins.KUBERNETES}
        arguments |= {"PAUSE_IMAGE": pause, "KUBE_PROXY_IMAGE": proxy}
        flags = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        bare = reference.replace("/node:", "/node-bare:")
        engine.build("--tag", bare, *flags, "-f", HERE / "Dockerfile", context)
        log("node image", f"{len(wanted)} control-plane images are imported")
        load(engine, bare, wanted, reference)
        engine.docker("image", "rm", bare, *wanted)


def gather(context: Path, kubernetes: Path, containerd: Path, base_files: Path) -> None:
    """The build context: kind's files, the binaries and our own few files."""
    shutil.copytree(base_files, context / "kind")
    for path in (context / "kind").rglob("*"):
        path.chmod(0o755 if path.is_dir() or "bin" in path.parts else 0o644)
    (context / "bin").mkdir()
    for source in [*kubernetes.iterdir(), *containerd.iterdir()]:
        (context / "bin" / source.name).hardlink_to(source)
    for source in HERE.iterdir():
        shutil.copy2(source, context)


def control_plane(engine: Engine, folder: Path, wanted: list[str], rootfs: str, debian: str) -> None:
    """Build each image that kubeadm names, under that name; `ToolchainError` on a name that is not known here."""
    for image in wanted:
        name = image.rpartition("/")[2].partition(":")[0]
        if name in BINARIES:
            arguments = ["--build-arg", f"SOURCE={BINARIES[name]}", "--build-arg", f"NAME={name}"]
            recipe = "component.Dockerfile"
        elif name == "kube-proxy":
            arguments, recipe = ["--build-arg", f"ROOTFS={rootfs}"], "kube-proxy.Dockerfile"
        elif name == "coredns":
            arguments, recipe = [], "coredns.Dockerfile"
        elif name == "pause":
            arguments, recipe = ["--build-arg", f"DEBIAN_IMAGE={debian}"], "pause.Dockerfile"
        else:
            raise ToolchainError(f"kubeadm {pins.KUBERNETES} wants {image}, which toolchain/node_image.py can't build")
        engine.build("--tag", image, *arguments, "-f", HERE / recipe, folder)


def load(engine: Engine, bare: str, images: list[str], reference: str) -> None:
    """Import images into the bare node's containerd and commit the result as `reference`."""
    container = engine.docker("run", "--detach", "--privileged", "--entrypoint", "sleep", bare, "infinity").strip()
    try:
        engine.docker("exec", "--detach", container, "containerd")
        deadline = time.monotonic() + CONTAINERD_SECONDS
        while True:
            try:
                engine.docker("exec", container, "ctr", "version")
                break
            except ToolchainError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        importer = ["exec", "--interactive", container, "ctr", "--namespace", "k8s.io", "images", "import"]
        importer += ["--all-platforms", "--no-unpack", "-"]
        save = subprocess.Popen([engine.client, "save", *images], env=engine.environment, stdout=subprocess.PIPE)
        done = subprocess.run(
            [engine.client, *importer],
            env=engine.environment,
            stdin=save.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
        if save.wait() or done.returncode:
            raise ToolchainError(f"the control-plane images could not be imported: {done.stderr.strip()[-300:]}")
        engine.docker("exec", container, "pkill", "-TERM", "-x", "containerd")
        entrypoint = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        engine.docker("commit", "--change", entrypoint, container, reference)
    finally:
        engine.docker("rm", "--force", container)
