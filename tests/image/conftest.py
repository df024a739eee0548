"""The built images, read and started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.secret import stated_keys
from acceptance.checks.snapshot import ImageRun, ImageState, Snapshot
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.snapshots.image import read
from acceptance.snapshots.standalone import IsolatedNetwork


@pytest.fixture(scope="session")
def image_contents(
    images: Mapping[str, BuiltImage], provisioner: Provisioner, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ImageState]:
    """The contents of each image, read from `docker save`."""
    names = tuple(stated_keys(ComponentView(Snapshot("image"), target, None)))
    folder = tmp_path_factory.mktemp("images")

    def save(name: str, image: BuiltImage) -> ImageState:
        path = folder / f"{name}.tar"
        provisioner.toolchain.engine.docker("save", "--output", path, image.reference)
        try:
            return read(path, image.reference, names)
        finally:
            path.unlink()

    with ThreadPoolExecutor() as pool:
        reads = {name: pool.submit(save, name, image) for name, image in images.items()}
        return {name: each.result() for name, each in reads.items()}


@pytest.fixture(scope="session")
def rendered(provisioner: Provisioner, target: Target) -> Snapshot:
    """The chart's defaults, rendered with the URL of the images' database."""
    renderer = Renderer(find_helm(), target)
    renderer.credentials[target.secret.database_url] = provisioner.engine_database().url
    for secret in renderer.credentials.values():
        redactor.add(secret)
    return renderer.snapshot()


@pytest.fixture(scope="session")
def standalone_runs(
    images: Mapping[str, BuiltImage], provisioner: Provisioner, rendered: Snapshot, target: Target
) -> dict[str, ImageRun]:
    """Each image run with only its database, with the environment that the chart sets."""
    database = provisioner.engine_database()

    def environment(name: str) -> dict[str, str]:
        view = ComponentView(rendered, target, name)
        container = view.main_container(view.pods[0])
        given = {each.name: view.value_of(each) for each in view.environment(container)}
        return {key: value for key, value in given.items() if value is not None} | {"POD_NAME": f"{name}-alone"}

    def start(alone: IsolatedNetwork, name: str) -> ImageRun:
        part = target.component(name)
        return alone.start(name, images[name].reference, environment(name), part.port, part.probes.liveness)

    engine, client = provisioner.toolchain.engine, provisioner.tools().reference
    with IsolatedNetwork(engine, provisioner.run, database.server.host, client) as alone, ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(start, alone, name) for name in images}
        return {name: each.result() for name, each in runs.items()}


@pytest.fixture(scope="session")
def snapshot(
    image_contents: Mapping[str, ImageState], standalone_runs: Mapping[str, ImageRun], rendered: Snapshot
) -> Snapshot:
    """The contents and the runs of all images, and the objects that run them."""
    images = {name: replace(image, run=standalone_runs[name]) for name, image in image_contents.items()}
    return replace(rendered, source="image", chart=None, captured_at=datetime.now(UTC), images=images)
