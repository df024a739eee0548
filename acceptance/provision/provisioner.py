"""What a run needs, made side by side: the cluster starts while the images are built and the database comes up.

The release is installed as soon as it can be, so its pods start while tests run that need no cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from acceptance.checks.finding import Untested
from acceptance.core.deadlines import NODE_UP
from acceptance.core.rules import ROOT
from acceptance.core.target import Target
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import cluster, database, gateway, images, model_stub, release
from acceptance.provision.cluster import Cluster
from acceptance.provision.database import Database
from acceptance.provision.gateway import Gateway
from acceptance.provision.images import BuiltImage
from acceptance.provision.model_stub import ModelStub
from acceptance.provision.release import Release
from acceptance.provision.run import Run
from toolchain import Toolchain

T = TypeVar("T")
WORKERS = 16
"""More than there are parts, so that none waits for another's worker."""
LIVE = {"release", "ready_release"}
"""Fixtures that need everything."""
DERIVED_IMAGES = {
    "rebuilt_images": "COPY Dockerfile /release",
    "crashing_rollout": 'ENTRYPOINT []\nCMD ["false"]',
}
"""Further images of each component, by the fixture that needs them: the same application with other content, and with
a command that ends at once. They are loaded with those whose layers they have."""
METRICS_SERVER = ROOT / "support" / "metrics-server.yaml"


@dataclass
class Provisioner:
    """Parts by name, each made once, in the background, when it is first asked for.

    A part that waits for another calls it: `self.cluster()` starts it if need be, and waits for it. A failure is
    raised to everybody who asks for the part. `seconds` tells how long each took, waiting for others included.

    On a cluster of the user's own nothing is made beside the release but the gateway, and that only when it is asked
    for; what belongs to a release that the run installs raises `Untested`.
    """

    toolchain: Toolchain
    run: Run
    target: Target
    redact: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS))
    _parts: dict[str, Future[Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    def prepare(self, wanted: Collection[str]) -> None:
        """Begin what fixtures of these names will ask for, before the first of it is waited for."""
        if self.run.context:
            return
        for name in DERIVED_IMAGES:
            if name in wanted:
                self._begin(f"altered {name}")
        if LIVE & set(wanted):
            for name in ("cluster", "tools", "database", "model", "load", "release", "ready", "gateway", "metrics"):
                self._begin(name)
        for name in ("cluster", "database", "model"):
            if name in wanted:
                self._begin(name)
        if "images" in wanted:
            for component in self.target.components:
                self._begin(f"image {component}")

    def close(self) -> None:
        """Wait for what runs; what has not begun is not begun, not even as a part of what runs."""
        self._closed = True
        self._pool.shutdown(cancel_futures=True)

    def network(self) -> str:
        return self._part("network", str)

    def cluster(self) -> Cluster:
        return self._part("cluster", Cluster)

    def tools(self) -> BuiltImage:
        """The suite's own tools as an image: gateway, sampler, load and the model's stub."""
        return self._part("tools", BuiltImage)

    def database(self) -> Database:
        self._require_own_release("database")
        return self._part("database", Database)

    def model(self) -> ModelStub:
        self._require_own_release("model")
        return self._part("model", ModelStub)

    def gateway(self) -> Gateway:
        return self._part("gateway", Gateway)

    def metrics(self) -> None:
        """metrics-server is installed, though it has measured nothing yet."""
        self._require_own_release("metrics-server")
        self._part("metrics", type(None))

    def images(self) -> dict[str, BuiltImage]:
        """The image of every component, built side by side."""
        self._require_own_release("images")
        for component in self.target.components:
            self._begin(f"image {component}")
        return {component: self._part(f"image {component}", BuiltImage) for component in self.target.components}

    def derived_images(self, name: str) -> dict[str, BuiltImage]:
        """The further image of every component that the fixture of this name needs."""
        self._require_own_release("images")
        made: dict[str, BuiltImage] = self._part(f"altered {name}", dict)
        return made

    def loaded_images(self) -> dict[str, BuiltImage]:
        """The same once they are on the node."""
        self._part("load", type(None))
        return self.images()

    def release(self) -> Release:
        """The release that the run installs, as helm left it."""
        return self._part("release", Release)

    def ready(self) -> float:
        """`time.monotonic` when every pod of that release was Ready. Raises `WaitError` with the cause."""
        return self._part("ready", float)

    def raise_if_closing(self) -> None:
        """Raises `CancelledError` when the run ends, and what is being made is not wanted any more."""
        if self._closed:
            raise CancelledError("nothing more is made, since the run ends")

    def _require_own_release(self, what: str) -> None:
        if self.run.context:
            raise Untested(f"the {what} of a release in context {self.run.context.name} is not this run's own")

    def _begin(self, name: str) -> Future[Any]:
        with self._lock:
            if name not in self._parts:
                kind, *component = name.split()
                make = partial(getattr(self, f"_make_{kind}"), *component)
                self._parts[name] = self._pool.submit(self._timed, name, make)
            return self._parts[name]

    def _timed(self, name: str, make: Callable[[], object]) -> object:
        begun = time.monotonic()
        try:
            return make()
        finally:
            self.seconds[name] = time.monotonic() - begun

    def _part(self, name: str, kind: type[T]) -> T:
        self.raise_if_closing()
        made = self._begin(name).result()
        assert isinstance(made, kind)
        return made

    def _make_network(self) -> str:
        return cluster.create_network(self.toolchain, self.run)

    def _make_cluster(self) -> Cluster:
        if self.run.context:
            return cluster.user_cluster(self.toolchain, self.run, self.run.context)
        self.network()
        return cluster.create(self.toolchain, self.run)

    def _make_tools(self) -> BuiltImage:
        return images.build_support(self.toolchain, self.run, "tools")

    def _make_database(self) -> Database:
        image = images.build_support(self.toolchain, self.run, "postgres")
        self.network()
        return database.start(self.toolchain, self.run, image.reference, self.redact)

    def _make_model(self) -> ModelStub:
        image = self.tools()
        self.network()
        return model_stub.start(self.toolchain, self.run, image.reference)

    def _make_gateway(self) -> Gateway:
        if self.run.context:
            self.cluster().require_capability("image-load")
            self.cluster().load_image(self.tools().reference)
        else:
            self._part("own", type(None))
        return gateway.open_gateway(self.cluster(), self.target, self.tools().reference)

    def _make_metrics(self) -> None:
        self._part("own", type(None))
        cluster.install_metrics_server(self.cluster(), METRICS_SERVER, self.toolchain.metrics_server_image)

    def _make_image(self, component: str) -> BuiltImage:
        return images.build_component(self.toolchain, self.run, self.target.root, self.target.component(component))

    def _make_altered(self, name: str) -> dict[str, BuiltImage]:
        return {
            component: images.build_derived(self.toolchain, self.run, image, DERIVED_IMAGES[name])
            for component, image in self.images().items()
        }

    def _make_load(self) -> None:
        """In one command, since layers that images share are then loaded once; while Kubernetes still starts."""
        wanted = [
            self.images(),
            *(self.derived_images(name) for name in DERIVED_IMAGES if f"altered {name}" in self._parts),
        ]
        references = [image.reference for made in wanted for image in made.values()]
        creation = self._begin("cluster")
        starting = cluster.run_cluster(self.toolchain, self.run)

        def probe() -> None:
            if creation.done():
                creation.result()
            elif not starting.node_up():
                raise NotYet("it does not answer")

        eventually("the node's containerd to answer", probe, NODE_UP)
        starting.load_image(*references)

    def _make_release(self) -> Release:
        return release.install(self, self.target, self.redact)

    def _make_ready(self) -> float:
        self.release().wait_ready(self.raise_if_closing)
        return time.monotonic()

    def _make_own(self) -> None:
        """The suite's own images come after those that the release waits for."""
        self._part("load", type(None))
        self.cluster().load_image(self.tools().reference, self.toolchain.metrics_server_image)


def environment(toolchain: Toolchain, run: Run) -> dict[str, str]:
    """The environment in which kind, kubectl, docker and testcontainers find this run's engine, tools and network."""
    folder = run.folder / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("kind", "kubectl", "helm"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(getattr(toolchain, name))
    found = toolchain.engine.environment
    # Helm's own limit would drop the oldest revisions of a release that is the user's.
    kept = {"HELM_MAX_HISTORY": "0"} if run.context else {}
    return {
        "PATH": f"{folder}:{found['PATH']}",
        "DOCKER_HOST": toolchain.engine.host,
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": run.network,
        "KUBECONFIG": str(run.kubeconfig),
        **kept,
    }
