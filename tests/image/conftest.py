"""The built images, read and started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acceptance.checks.component_view import ComponentView
from acceptance.checks.secret import stated_keys
from acceptance.checks.snapshot import ImageRun, ImageState, Snapshot
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.snapshots.image import read
from acceptance.snapshots.standalone import IsolatedNetwork, container_environment, rendered_for


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
    return rendered_for(target, provisioner.database().url, redactor.add)


@pytest.fixture(scope="session")
def standalone_runs(
    images: Mapping[str, BuiltImage], provisioner: Provisioner, rendered: Snapshot, target: Target
) -> dict[str, ImageRun]:
    """Each image run with only its database, with the environment that the chart sets."""
    database = provisioner.database()

    def start(alone: IsolatedNetwork, name: str) -> ImageRun:
        part, view = target.component(name), ComponentView(rendered, target, name)
        environment = container_environment(view, view.main_container(view.pods[0]))
        return alone.start(name, images[name].reference, environment, part.port, part.probes.liveness)

    engine, client = provisioner.toolchain.engine, provisioner.tools().reference
    with IsolatedNetwork(engine, provisioner.run, database.container, client) as alone, ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(start, alone, name) for name in images}
        return {name: each.result() for name, each in runs.items()}


@pytest.fixture(scope="session")
def snapshot(
    image_contents: Mapping[str, ImageState], standalone_runs: Mapping[str, ImageRun], rendered: Snapshot
) -> Snapshot:
    """The contents and the runs of all images, and the objects that run them."""
    images = {name: replace(image, run=standalone_runs[name]) for name, image in image_contents.items()}
    return replace(rendered, source="image", chart=None, captured_at=datetime.now(UTC), images=images)
