"""The tools under the suite: each is found, else pulled, else built, and kept in a cache outside the checkout."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolchain import binaries, browser, engine, images
from toolchain.engine import Engine

__all__ = ["Toolchain", "ensure", "find"]


@dataclass(frozen=True)
class Toolchain:
    """What the suite works with. Nothing in it tells whether it was found, pulled or built."""

    engine: Engine
    kind: Path
    kubectl: Path
    helm: Path
    node_image: str
    metrics_server_image: str
    debian_image: str
    python_image: str
    nodejs_image: str
    browser: Path


def ensure() -> Toolchain:
    """Everything, pulled or built where it is not there; raises `console.ToolchainError`."""
    return gather(engine.acquire(), may_build=True)


def find() -> Toolchain:
    """Everything, if it is there; raises `console.ToolchainError` with the cure where something is not."""
    return gather(engine.locate(), may_build=False)


def gather(found: Engine, *, may_build: bool) -> Toolchain:
    """The base images and Go's build side by side, since one waits for the network and the other for the processor."""

    def base() -> tuple[str, str, str]:
        bases = (images.DEBIAN, images.PYTHON, images.NODEJS)
        debian, python, nodejs = (images.have(found, image, may_build=may_build) for image in bases)
        return debian, python, nodejs

    def cluster() -> tuple[str, str]:
        node = images.have(found, images.NODE, may_build=may_build)
        return node, images.have(found, images.METRICS_SERVER, may_build=may_build)

    with ThreadPoolExecutor() as pool:
        bases, clusters = pool.submit(base), pool.submit(cluster)
        chromium = pool.submit(browser.have, may_build=may_build)
        debian, python, nodejs = bases.result()
        node, metrics_server = clusters.result()
        found_browser = chromium.result()

    def tool(name: str) -> Path:
        if may_build:
            return binaries.have(name, with_kubernetes=node == images.NODE.stand_in)
        return binaries.locate(name)

    return Toolchain(
        engine=found,
        kind=tool("kind"),
        kubectl=tool("kubectl"),
        helm=tool("helm"),
        node_image=node,
        metrics_server_image=metrics_server,
        debian_image=debian,
        python_image=python,
        nodejs_image=nodejs,
        browser=found_browser,
    )
