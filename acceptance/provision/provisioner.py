"""Creates what a run needs, in parallel: the cluster starts while images are built and the database starts.

The release is installed as soon as it can be, so its pods start while tests run that need no cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from acceptance.core.deadlines import IMAGES_BUILT, NODE_UP
from acceptance.core.target import Component, FurtherImage, Target
from acceptance.core.wait import NotYet, eventually
from acceptance.kube import diagnostics
from acceptance.provision import database, docker, images, metrics_server, model_stub, release
from acceptance.provision.background import Background, Lazy
from acceptance.provision.cluster import Cluster
from acceptance.provision.container_dependency import ContainerDependencies
from acceptance.provision.database import Database
from acceptance.provision.dependency import Dependencies
from acceptance.provision.gateway import Gateway, open_gateway
from acceptance.provision.images import BuiltImage
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.node_agent import open_agents
from acceptance.provision.pod_dependency import PodDependencies
from acceptance.provision.providers import Provider, provider_of
from acceptance.provision.release import Release, ReleaseInputs
from acceptance.provision.run import Run
from toolchain import Toolchain

T = TypeVar("T")
DERIVED_IMAGES = {
    "rebuilt_images": "COPY Dockerfile /release",
    "crashing_rollout": 'ENTRYPOINT ["false"]\nCMD []',
}
"""Further images of each component by the fixture that needs them: with other content, and with a command that exits
at once. They are loaded together with the images whose layers they share."""


class Provisioner:
    """Everything that a run creates, each part a `Lazy` value; a part that needs another one asks for it.

    Where the release under test is the user's, only the gateway and what it needs can be made; the other parts raise
    `Untested`.
    """

    def __init__(self, toolchain: Toolchain, run: Run, target: Target, redact: Callable[[str], None]) -> None:
        """Start nothing yet; `redact` is called with every secret that is created."""
        self.toolchain = toolchain
        self.run = run
        self.redact = redact
        self.provider: Provider = provider_of(toolchain, run)
        beside_others = self.installs_release and run.context is not None
        self.target = release.installed_in(target, run.release_namespace) if beside_others else target
        """What is under test, with the namespace that it is installed in."""
        self.background = Background()
        self._opened = ExitStack()
        lazy, own = self.background.lazy, self._lazy_own
        fixed = self.provider.fixes_address
        network = partial(docker.create_network, toolchain, run, with_subnet=fixed)
        self.network: Lazy[str] = lazy("network", network)
        self.cluster: Lazy[Cluster] = lazy("cluster", self._create_cluster)
        lacking = self.provider.lacking
        build_tools = partial(images.build_support, toolchain, run, "tools")
        self.tools: Lazy[BuiltImage] = lazy("tools", build_tools)
        self.agents: Lazy[None] = lazy("pods on the nodes", self._open_agents, lacking.get("node", ""))
        self.gateway: Lazy[Gateway] = lazy("gateway", self._open_gateway)
        self.engine_database: Lazy[Database] = own("database", self._start_engine_database)
        """A database on this machine's engine: the release's where pods reach that, else for images alone."""
        self.database: Lazy[Database] = own("database", self._start_database)
        self.dependencies: Lazy[Dependencies] = own("dependencies", self._find_dependencies)
        self.postgres: Lazy[BuiltImage] = own("database's image", self._make_postgres)
        """PostgreSQL and PgBouncer, on the nodes where they run as pods."""
        self.model: Lazy[ModelStub] = own("model", self._start_model)
        self.metrics: Lazy[None] = lazy(
            "metrics-server", self._install_metrics_server, lacking.get("metrics-server", "")
        )
        self.loaded_images: Lazy[dict[str, BuiltImage]] = own("loaded images", self._load_images)
        self.loaded_tools: Lazy[None] = lazy("loaded tools", self._load_tools)
        self.release: Lazy[Release] = own("release", self._install_release)
        self.ready: Lazy[float] = own("ready release", self._wait_ready)
        self._images: dict[str, Lazy[BuiltImage]] = {
            name: own("images", partial(self._component_image, component))
            for name, component in target.components.items()
        }
        self._further_images: dict[str, Lazy[BuiltImage]] = {
            image.repository: own("images", partial(self._further_image, image)) for image in target.images
        }
        self.archive: Path | None = None
        """The archive that the components' images are taken from; None to build them."""
        self._archived: Lazy[dict[str, BuiltImage]] = own("images", self._load_archive)
        self._derived: dict[str, Lazy[dict[str, BuiltImage]]] = {
            name: own("images", partial(self._build_derived, instructions))
            for name, instructions in DERIVED_IMAGES.items()
        }

    @property
    def installs_release(self) -> bool:
        """Whether the run installs the release under test."""
        return "own-release" not in self.provider.lacking

    @property
    def _dependencies_are_pods(self) -> bool:
        return "engine-network" in self.provider.lacking

    def images(self) -> dict[str, BuiltImage]:
        """Return the image of every component, built side by side."""
        for image in self._images.values():
            image.start()
        return {name: image() for name, image in self._images.items()}

    def further_images(self) -> dict[str, BuiltImage]:
        """Return the image of every further workload that the target names, by its repository there."""
        for image in self._further_images.values():
            image.start()
        return {repository: image() for repository, image in self._further_images.items()}

    def inputs(self, images: Mapping[str, BuiltImage], database_url: str) -> ReleaseInputs:
        """Return what a release of the run is installed with, with these images and a database of the run's."""
        return ReleaseInputs(images, database_url, self.database().ca, self.model().base_url, self.further_images())

    def derived_images(self, name: str) -> dict[str, BuiltImage]:
        """Return the images of every component that `DERIVED_IMAGES` describes."""
        return self._derived[name]()

    def prepare(self, fixtures: Collection[str]) -> None:
        """Start what the fixtures of these names will need; for a user's own release nothing is started in advance."""
        if not self.installs_release:
            return
        for name, part in self._derived.items():
            if name in fixtures:
                part.start()
        everything = (
            self.cluster,
            self.tools,
            self.database,
            self.model,
            self.loaded_images,
            self.release,
            self.ready,
            self.gateway,
            self.agents,
            self.metrics,
        )
        parts: Mapping[str, Sequence[Lazy[Any]]] = {
            "installation": everything,
            "release": everything,
            "ready_release": everything,
            "cluster": [self.cluster],
            "database": [self.database],
            "model": [self.model],
            "images": list(self._images.values()),
        }
        for name in parts:
            if name in fixtures:
                for part in parts[name]:
                    if part.available:
                        part.start()

    def evidence(self, namespace: str) -> dict[str, str]:
        """Return what explains a failure: the problems of a namespace."""
        return diagnostics.collect(self.cluster().api, namespace)

    def close(self) -> None:
        """Wait for what is being created, and close connections; nothing new is started."""
        self.background.close()
        self._opened.close()

    def _lazy_own(self, name: str, make: Callable[[], T]) -> Lazy[T]:
        unavailable = ""
        if not self.installs_release:
            unavailable = f"the run creates no {name}: the release in context {self.provider.context} is not its own"
        return self.background.lazy(name, make, unavailable)

    def _create_cluster(self) -> Cluster:
        if self.provider.creates_cluster:
            self.network()
        self.provider.create()
        return Cluster(self.provider, self.agents)

    def _find_dependencies(self) -> Dependencies:
        """Return where the release's dependencies run: on the run's network, else in the suite's namespace."""
        if self._dependencies_are_pods:
            return PodDependencies(self.cluster(), self.gateway, self._opened)
        return self._on_engine()

    def _on_engine(self) -> Dependencies:
        self.network()
        return ContainerDependencies(self.toolchain, self.run)

    def _make_postgres(self) -> BuiltImage:
        image = images.build_support(self.toolchain, self.run, "postgres")
        if self._dependencies_are_pods:
            self.cluster().load_image(image.reference)
        return image

    def _start_engine_database(self) -> Database:
        return database.start(
            self._on_engine(), self.postgres().reference, self.redact, self.target.secret.database_form
        )

    def _start_database(self) -> Database:
        if not self._dependencies_are_pods:
            return self.engine_database()
        return database.start(
            self.dependencies(), self.postgres().reference, self.redact, self.target.secret.database_form
        )

    def _start_model(self) -> ModelStub:
        image = self.tools()
        if self._dependencies_are_pods:
            self.loaded_tools()
        return model_stub.start(self.dependencies(), image.reference)

    def _open_agents(self) -> None:
        """Start the suite's pods on the nodes, through a `Cluster` that does not wait for them itself."""
        self.loaded_tools()
        open_agents(Cluster(self.provider), self.tools().reference)

    def _open_gateway(self) -> Gateway:
        self.loaded_tools()
        return open_gateway(self.cluster(), self.target, self.tools().reference, self._opened)

    def _install_metrics_server(self) -> None:
        """Install metrics-server; it need not have measured anything yet."""
        self.loaded_tools()
        metrics_server.install(self.cluster())

    def _component_image(self, component: Component) -> BuiltImage:
        if self.archive is None:
            return images.build_component(self.toolchain, self.run, self.target.root, component)
        return self._archived()[component.image.repository]

    def _further_image(self, image: FurtherImage) -> BuiltImage:
        if self.archive is None:
            return images.build_further(self.toolchain, self.run, self.target.root, image)
        return self._archived()[image.repository]

    def _load_archive(self) -> dict[str, BuiltImage]:
        """Load the images from the archive, as soon as it is written."""
        archive = self.archive
        assert archive is not None

        def probe() -> None:
            self.background.raise_if_closing()
            if not images.is_written(archive):
                raise NotYet("they are being built")

        eventually(f"the images in {archive.name}", probe, IMAGES_BUILT)
        components = [component.image.repository for component in self.target.components.values()]
        repositories = [*components, *(image.repository for image in self.target.images)]
        return images.load(self.toolchain, self.run, archive, repositories)

    def _build_derived(self, instructions: str) -> dict[str, BuiltImage]:
        return {
            name: images.build_derived(self.toolchain, self.run, image, instructions)
            for name, image in self.images().items()
        }

    def _load_images(self) -> dict[str, BuiltImage]:
        """Load the images in one command, so that shared layers are loaded once, and if possible early."""
        derived = [part() for part in self._derived.values() if part.started]
        built = (self.images(), self.further_images(), *derived)
        references = [image.reference for each in built for image in each.values()]
        creation = self.cluster.start()

        def probe() -> None:
            if creation.done() or not self.provider.loads_early:
                creation.result()
            elif not self.provider.nodes_up():
                raise NotYet("it does not answer")

        eventually("the node's containerd to answer", probe, NODE_UP)
        self.provider.load_images(references)
        return self.images()

    def _load_tools(self) -> None:
        """Load the suite's images after the release's, which are awaited; into an existing cluster only the tools."""
        if not self.provider.creates_cluster:
            self.cluster().require_capability("image-load")
            self.cluster().load_image(self.tools().reference)
            return
        self.loaded_images()
        self.cluster().load_image(self.tools().reference, self.toolchain.metrics_server_image)

    def _install_release(self) -> Release:
        inputs = self.inputs(self.loaded_images(), self.database().url)
        return release.install(self.cluster(), self.target, inputs, self.redact, self.background.raise_if_closing)

    def _wait_ready(self) -> float:
        """Return `time.monotonic` when every pod was Ready. Raises `WaitError` with the cause."""
        self.release().wait_ready(self.background.raise_if_closing)
        return time.monotonic()


def environment(toolchain: Toolchain, run: Run) -> dict[str, str]:
    """Return the environment in which kind, kubectl, docker and testcontainers find this run's engine and tools."""
    folder = run.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name, tool in (("kind", toolchain.kind), ("kubectl", toolchain.kubectl), ("helm", toolchain.helm)):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(tool)
    return {
        "PATH": f"{folder}:{toolchain.engine.environment['PATH']}",
        "DOCKER_HOST": toolchain.engine.host,
        "KUBECONFIG": str(run.kubeconfig),
        **provider_of(toolchain, run).environment(),
    }
