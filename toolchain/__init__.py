"""The tools that the suite runs: each is found, pulled or built, in that order, and cached outside the checkout."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolchain import api_validator, binaries, browser, engine, helm_server, images
from toolchain.console import ToolchainError, log
from toolchain.engine import Engine

__all__ = ["Toolchain", "ensure", "find"]


@dataclass(frozen=True)
class Toolchain:
    """Paths and image references of everything the suite runs, however each was obtained."""

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
    """Return the whole toolchain; pull or build what is missing.

    Raises:
        ToolchainError: A part is unavailable and could not be built.
    """
    return gather(engine.ensure(), may_build=True)


def find() -> Toolchain:
    """Return the whole toolchain without building anything.

    Raises:
        ToolchainError: A part is missing; the message says how to get it.
    """
    return gather(engine.require(), may_build=False)


def gather(docker: Engine, *, may_build: bool) -> Toolchain:
    """Collect every part; base images and the Go build run in parallel, as one is bound by network, one by CPU."""

    def base_images() -> tuple[str, str, str]:
        bases = (images.DEBIAN, images.PYTHON, images.NODEJS)
        debian, python, nodejs = (images.ensure(docker, image, may_build=may_build) for image in bases)
        return debian, python, nodejs

    def cluster_images() -> tuple[str, str]:
        node = images.ensure(docker, images.NODE, may_build=may_build)
        metrics_server = images.ensure(docker, images.METRICS_SERVER, may_build=may_build)
        if may_build:
            build_api_validator()
        return node, metrics_server

    with ThreadPoolExecutor() as pool:
        bases, clusters = pool.submit(base_images), pool.submit(cluster_images)
        chromium = pool.submit(browser.ensure, may_build=may_build)
        debian, python, nodejs = bases.result()
        node, metrics_server = clusters.result()
        browser_path = chromium.result()

    def tool(name: str) -> Path:
        if may_build:
            return binaries.ensure(name, with_kubernetes=node == images.NODE.local_reference)
        return binaries.require(name)

    helm = tool("helm")
    if may_build:
        helm_server.prepare(helm)
    return Toolchain(
        engine=docker,
        kind=tool("kind"),
        kubectl=tool("kubectl"),
        helm=helm,
        node_image=node,
        metrics_server_image=metrics_server,
        debian_image=debian,
        python_image=python,
        nodejs_image=nodejs,
        browser=browser_path,
    )


def build_api_validator() -> None:
    """Build the API server's rules; without them a run goes on, and says which clauses are untested.

    Not side by side with another Go build: they share most packages, and each would compile them.
    """
    try:
        api_validator.ensure()
    except ToolchainError as error:
        log(api_validator.NAME, f"not built: {error}")
