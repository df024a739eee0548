"""The built images, read and started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acceptance.chart.renderer import Renderer
from acceptance.checks.component_view import ComponentView
from acceptance.checks.finding import Untested
from acceptance.checks.health import find_health_path
from acceptance.checks.secret import stated_keys
from acceptance.checks.snapshot import ImageRun, ImageState, Snapshot
from acceptance.core.redaction import redactor
from acceptance.core.target import Target
from acceptance.kube.helm import find_helm
from acceptance.provision.images import BuiltImage
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.recipes import recipe
from acceptance.snapshots.image import read
from acceptance.snapshots.standalone import IsolatedNetwork

TMP = "/tmp"  # noqa: S108
"""Writable where the chart mounts nothing there, too: the image is judged here, not the chart."""


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
) -> dict[str, ImageRun | None]:
    """Each image run with only its database, as the chart starts it; none where that takes what only a pod has."""
    database = provisioner.engine_database()

    def try_out(alone: IsolatedNetwork, name: str) -> ImageRun | None:
        view = ComponentView(rendered, target, name)
        container = view.main_container(view.pods[0])
        try:
            made = recipe(view, container, f"{alone.network}-{name}", images[name].reference)
        except Untested:
            return None
        part, tmpfs = view.component, dict.fromkeys((TMP, *made.tmpfs))
        path = find_health_path(part, container.body)
        return alone.try_out(replace(made, tmpfs=tuple(tmpfs)), part.port, path)

    toolchain, client = provisioner.toolchain, provisioner.tools().reference
    alone = IsolatedNetwork(toolchain, provisioner.run, database.server.host, client)
    with alone, ThreadPoolExecutor() as pool:
        runs = {name: pool.submit(try_out, alone, name) for name in images}
        return {name: each.result() for name, each in runs.items()}


@pytest.fixture(scope="session")
def snapshot(
    image_contents: Mapping[str, ImageState], standalone_runs: Mapping[str, ImageRun | None], rendered: Snapshot
) -> Snapshot:
    """The contents and the runs of all images, and the objects that run them."""
    images = {name: replace(image, run=standalone_runs[name]) for name, image in image_contents.items()}
    return replace(rendered, source="image", chart=None, captured_at=datetime.now(UTC), images=images)
