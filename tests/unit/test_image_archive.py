"""Images built once for several machines: written into an archive, and taken from it instead of being built."""

from __future__ import annotations

import io
import json
import tarfile
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from acceptance.core.target import FurtherImage, load
from acceptance.provision import images
from acceptance.provision.provisioner import Provisioner
from acceptance.provision.release import ReleaseInputs, run_values
from acceptance.provision.run import Run
from tests.unit.user_cluster import Machine
from toolchain.console import ToolchainError

IDENTIFIERS = {"backend": "sha256:" + "ab" * 32, "frontend": "sha256:" + "cd" * 32}


def write_archive(path: Path, *references: str) -> None:
    manifest = json.dumps([{"Config": "x.json", "RepoTags": [reference]} for reference in references]).encode()
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        archive.addfile(info, io.BytesIO(manifest))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    for name, identifier in IDENTIFIERS.items():
        answer = [{"Id": identifier, "RootFS": {"Layers": ["sha256:1"]}}]
        machine.answer("docker", f"image inspect todo-{name}:", answer)
    return machine


def test_images_of_an_archive_are_tagged_for_the_run_and_not_built(machine: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    write_archive(archive, "todo-backend:abababababab-11111111", "todo-frontend:cdcdcdcdcdcd-11111111")
    provisioner = Provisioner(machine.toolchain, Run("0badc0de", tmp_path, kept=False), load(), lambda _: None)
    provisioner.archive = archive
    try:
        made = provisioner.images()
    finally:
        provisioner.close()
    assert {name: image.config_digest for name, image in made.items()} == IDENTIFIERS
    assert made["backend"].reference == "todo-backend:abababababab-0badc0de"
    commands = machine.commands("docker")
    assert sum(" load " in command for command in commands) == 1
    assert not any(" build " in command for command in commands)
    assert commands[-1].endswith("rmi todo-backend:abababababab-11111111 todo-frontend:cdcdcdcdcdcd-11111111")


@pytest.mark.parametrize("ends", [False, True])
def test_images_are_waited_for_until_they_are_written(machine: Machine, tmp_path: Path, *, ends: bool) -> None:
    archive = tmp_path / "images.tar"
    provisioner = Provisioner(machine.toolchain, Run("0badc0de", tmp_path, kept=False), load(), lambda _: None)
    provisioner.archive = archive
    with ThreadPoolExecutor() as pool:
        try:
            with images.being_written(archive):
                waiting = pool.submit(provisioner.images)
                with pytest.raises(TimeoutError):
                    waiting.result(0.5)
                write_archive(archive, "todo-backend:1", "todo-frontend:1")
                if ends:
                    provisioner.close()
                    with pytest.raises(CancelledError, match="the run ends"):
                        waiting.result(10)
            if not ends:
                assert waiting.result(10).keys() == IDENTIFIERS.keys()
        finally:
            provisioner.close()


WORKER = {
    "repository": "registry.example/todo-worker",
    "dockerfile": "dockerfiles/backend.Dockerfile",
    "context": "app/backend",
    "image_repository": "worker.image.repository",
    "image_tag": "worker.image.tag",
}


def test_image_of_a_further_workload_is_made_and_set(machine: Machine, tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    write_archive(archive, "registry.example/todo-worker:1", "todo-backend:1", "todo-frontend:1")
    machine.answer(
        "docker", "image inspect registry.example/todo-worker:", [{"Id": "sha256:ef", "RootFS": {"Layers": []}}]
    )
    target = load().model_copy(update={"images": (FurtherImage.model_validate(WORKER),)})
    provisioner = Provisioner(machine.toolchain, Run("0badc0de", tmp_path, kept=False), target, lambda _: None)
    provisioner.archive = archive
    try:
        built, further = provisioner.images(), provisioner.further_images()
    finally:
        provisioner.close()
    assert further["registry.example/todo-worker"].reference == "registry.example/todo-worker:ef-0badc0de"
    secrets = {"auth_secret": "a" * 48, "model_key": "sk-proj-x"}
    expected = {"image": {"repository": "registry.example/todo-worker", "tag": "ef-0badc0de"}}
    for given, set_values in ((further, expected), ({}, None)):
        inputs = ReleaseInputs(built, "postgresql://u:p@h/d", "ca", "http://model", given)
        assert run_values(target, inputs, secrets).get("worker") == set_values


def test_further_image_names_where_its_tag_is_set() -> None:
    assert FurtherImage.model_validate({**WORKER, "image_repository": False}).image_repository is None
    with pytest.raises(ValidationError, match="image_tag"):
        FurtherImage.model_validate({key: value for key, value in WORKER.items() if key != "image_tag"})


def test_archive_has_every_image(machine: Machine, tmp_path: Path) -> None:
    made = [images.BuiltImage(f"todo-{name}", "1-0badc0de", digest, ()) for name, digest in IDENTIFIERS.items()]
    images.save(machine.toolchain, made, tmp_path / "images.tar")
    (command,) = machine.commands("docker")
    assert command.endswith(f"save --output {tmp_path}/images.tar todo-backend:1-0badc0de todo-frontend:1-0badc0de")


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (("todo-backend:1",), "has no image of todo-frontend: write it with the same target"),
        ((), "has no image of todo-backend"),
        (None, "is not an archive of images: write one with `make images`"),
    ],
)
def test_other_archive_is_refused(
    machine: Machine, tmp_path: Path, references: tuple[str, ...] | None, message: str
) -> None:
    archive = tmp_path / "images.tar"
    archive.write_text("text")
    if references is not None:
        write_archive(archive, *references)
    run = Run("0badc0de", tmp_path, kept=False)
    with pytest.raises(ToolchainError, match=message):
        images.load(machine.toolchain, run, archive, ["todo-backend", "todo-frontend"])
