"""The images under test and those of the suite: built by their Dockerfiles, tagged by their content."""

from __future__ import annotations

import fcntl
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.core import digests
from acceptance.core.rules import ROOT
from acceptance.core.target import Component, FurtherImage, Target
from acceptance.provision.run import Run
from toolchain import Toolchain
from toolchain.cache import lock
from toolchain.console import ToolchainError
from toolchain.images import DEBIAN, NODEJS, PYTHON, Image


@dataclass(frozen=True)
class BuiltImage:
    """An image in the engine; its tag is unique to its content and the run."""

    repository: str
    tag: str
    config_digest: str
    diff_ids: tuple[str, ...]

    @property
    def reference(self) -> str:
        """`repository:tag`."""
        return f"{self.repository}:{self.tag}"


def build(toolchain: Toolchain, run: Run, repository: str, dockerfile: Path, context: Path) -> BuiltImage:
    """Build an image. Raises `ToolchainError` with the last lines of the build's output."""
    engine = toolchain.engine
    arguments = [
        word
        for name, (_, reference) in _bases(toolchain, dockerfile).items()
        for word in ("--build-arg", f"{name}={reference}")
    ]
    with tempfile.TemporaryDirectory(dir=run.folder) as folder:
        identity = Path(folder) / "iid"
        # Named from the start, so that an interrupted run leaves no image without its id.
        name = f"{repository}:built-{run.id}"
        engine.build("--tag", name, "--iidfile", identity, *arguments, "--file", dockerfile, context)
        digest = identity.read_text(encoding="ascii").strip()
    return _tagged(toolchain, run, repository, digest)


def _bases(toolchain: Toolchain, dockerfile: Path) -> dict[str, tuple[Image, str]]:
    """Return the base images that a Dockerfile takes as build arguments: the engine's reference by argument."""
    bases = {
        "PYTHON_IMAGE": (PYTHON, toolchain.python_image),
        "NODE_IMAGE": (NODEJS, toolchain.nodejs_image),
        "DEBIAN_IMAGE": (DEBIAN, toolchain.debian_image),
    }
    recipe = dockerfile.read_text(encoding="utf-8")
    return {name: base for name, base in bases.items() if f"ARG {name}" in recipe}


def base_images(toolchain: Toolchain, target: Target) -> dict[str, dict[str, str]]:
    """Return the identifier and the origin of each base image that the target's Dockerfiles take as an argument."""
    found = {}
    named = (*(component.image.dockerfile for component in target.components.values()), *_dockerfiles(target.images))
    for dockerfile in filter(None, named):
        for base, reference in _bases(toolchain, target.root / dockerfile).values():
            described = json.loads(toolchain.engine.docker("image", "inspect", reference))[0]
            origin = "built on this machine" if reference == base.local_reference else "pulled"
            found[base.reference.partition("@")[0]] = {"id": str(described["Id"]), "origin": origin}
    return found


def _dockerfiles(images: Iterable[FurtherImage]) -> list[Path]:
    return [image.dockerfile for image in images]


def archived_ids(archive: Path) -> frozenset[str]:
    """Return the identifiers of the images in an archive. Raises `ToolchainError` for any other file."""
    return frozenset(f"{digests.PREFIX}{Path(entry['Config']).stem}" for entry in _manifest(archive))


def _manifest(archive: Path) -> list[dict[str, Any]]:
    try:
        with tarfile.open(archive) as file:
            manifest: list[dict[str, Any]] = json.loads(file.extractfile("manifest.json").read())  # type: ignore[union-attr]
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise ToolchainError(f"{archive} is not an archive of images: write one with `make images`") from error
    return manifest


def _tagged(toolchain: Toolchain, run: Run, repository: str, reference: str) -> BuiltImage:
    """Tag an image of the engine by its content and the run."""
    engine = toolchain.engine
    described = json.loads(engine.docker("image", "inspect", reference))[0]
    digest = str(described["Id"])
    tag = f"{digest.removeprefix('sha256:')[:12]}-{run.id}"
    image = BuiltImage(repository, tag, digest, tuple(described["RootFS"]["Layers"]))
    engine.docker("tag", reference, image.reference)
    return image


def in_registry(registry: str, repository: str) -> str:
    """Return the name that a repository has in a registry, `HOST/PREFIX`; without a registry, its own."""
    return f"{registry}/{repository.rpartition('/')[2]}" if registry else repository


def build_component(toolchain: Toolchain, run: Run, root: Path, component: Component) -> BuiltImage:
    """Build a component's image from the Dockerfile and context that the target names; `ValueError` without them."""
    dockerfile, context = component.image.dockerfile, component.image.context
    if dockerfile is None or context is None:
        raise ValueError(f"the target names no Dockerfile and context for {component.image.repository}")
    repository = in_registry(run.registry, component.image.repository)
    return build(toolchain, run, repository, root / dockerfile, root / context)


def build_further(toolchain: Toolchain, run: Run, root: Path, image: FurtherImage) -> BuiltImage:
    """Build the image of a further workload of the chart."""
    repository = in_registry(run.registry, image.repository)
    return build(toolchain, run, repository, root / image.dockerfile, root / image.context)


def build_derived(toolchain: Toolchain, run: Run, image: BuiltImage, instructions: str) -> BuiltImage:
    """Build an image of the same repository by further Dockerfile instructions on top of this one."""
    with tempfile.TemporaryDirectory(dir=run.folder) as folder:
        recipe = Path(folder) / "Dockerfile"
        recipe.write_text(f"FROM {image.reference}\n{instructions}\n", encoding="ascii")
        return build(toolchain, run, image.repository, recipe, Path(folder))


def build_support(toolchain: Toolchain, run: Run, name: str) -> BuiltImage:
    """Build one of the suite's images from `support/`; its name is in the run's registry, if it has one."""
    context = ROOT / "support" / name
    return build(toolchain, run, in_registry(run.registry, f"acceptance-{name}"), context / "Dockerfile", context)


def save(toolchain: Toolchain, images: Iterable[BuiltImage], archive: Path) -> None:
    """Write images into an archive, from which runs on other machines take them instead of building their own."""
    toolchain.engine.docker("save", "--output", archive.resolve(), *(image.reference for image in images))


@contextmanager
def being_written(archive: Path) -> Iterator[None]:
    """Until exit, or the end of this process, make the runs wait that take their images from this archive."""
    with _lock_of(archive).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        archive.touch()
        yield


def is_written(archive: Path) -> bool:
    """Return whether no process holds an archive in `being_written` any more; it may still be incomplete."""
    try:
        with _lock_of(archive).open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _lock_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.lock")


def load(toolchain: Toolchain, run: Run, archive: Path, repositories: Iterable[str]) -> dict[str, BuiltImage]:
    """Load the image of each repository from an archive that `save` has written, and tag it for the run.

    Raises:
        ToolchainError: The archive can't be read, or lacks an image.
    """
    engine = toolchain.engine
    references = [reference for entry in _manifest(archive) for reference in entry["RepoTags"] or ()]
    loaded: dict[str, BuiltImage] = {}
    with lock("images"):  # runs that load the same archive at the same time take each other's tags away
        engine.docker("load", "--input", archive.resolve())
        for repository in repositories:
            reference = next((each for each in references if each.rpartition(":")[0] == repository), None)
            if reference is None:
                raise ToolchainError(f"{archive} has no image of {repository}: write it with the same target")
            loaded[repository] = _tagged(toolchain, run, in_registry(run.registry, repository), reference)
        engine.docker("rmi", *references)  # the tags of the run that wrote them; the images stay under this run's
    return loaded
