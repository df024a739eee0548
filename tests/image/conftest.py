"""The built images, read and started once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acceptance import archive, render
from acceptance.checks.secret import stated_keys
from acceptance.checks.subject import Subject
from acceptance.images import BuiltImage
from acceptance.provision import Provision
from acceptance.redaction import redactor
from acceptance.render import Renderer
from acceptance.snapshot import Image, ImageRun, Snapshot
from acceptance.solo import Alone
from acceptance.target import Target


@pytest.fixture(scope="session")
def read_images(
    images: Mapping[str, BuiltImage], provision: Provision, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Image]:
    """Each image from `docker save`."""
    names = tuple(stated_keys(Subject(Snapshot("image"), target, None)))
    folder = tmp_path_factory.mktemp("images")

    def save(name: str, image: BuiltImage) -> Image:
        path = folder / f"{name}.tar"
        provision.toolchain.engine.docker("save", "--output", path, image.reference)
        try:
            return archive.read(path, image.reference, names)
        finally:
            path.unlink()

    with ThreadPoolExecutor() as pool:
        made = {name: pool.submit(save, name, image) for name, image in images.items()}
        return {name: each.result() for name, each in made.items()}


@pytest.fixture(scope="session")
def runs_alone(images: Mapping[str, BuiltImage], provision: Provision, target: Target) -> dict[str, ImageRun]:
    """Each image started beside its database alone, with the environment that the chart gives."""
    database = provision.database()
    renderer = Renderer(render.locate(), target)
    renderer.given[target.secret.database_url] = database.url
    for secret in renderer.given.values():
        redactor.add(secret)
    snapshot = renderer.snapshot()

    def environment(name: str) -> dict[str, str]:
        view = Subject(snapshot, target, name)
        container = view.main(view.pods[0])
        given = {each.name: view.value_of(each) for each in view.environment(container)}
        return {key: value for key, value in given.items() if value is not None} | {"POD_NAME": f"{name}-alone"}

    def start(alone: Alone, name: str) -> ImageRun:
        part = target.component(name)
        return alone.start(name, images[name].reference, environment(name), part.port, part.probes.liveness)

    engine, client = provision.toolchain.engine, provision.tools().reference
    with Alone(engine, provision.run, database.container, client) as alone, ThreadPoolExecutor() as pool:
        made = {name: pool.submit(start, alone, name) for name in images}
        return {name: each.result() for name, each in made.items()}


@pytest.fixture(scope="session")
def snapshot(read_images: Mapping[str, Image], runs_alone: Mapping[str, ImageRun]) -> Snapshot:
    images = {name: replace(image, run=runs_alone[name]) for name, image in read_images.items()}
    return Snapshot(source="image", taken=datetime.now(UTC), images=images)
