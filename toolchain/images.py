"""Base images: found in the engine, pulled or built, in that order."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain import binaries, cache, node_image, pins
from toolchain.console import ToolchainError, log, run, timed_step
from toolchain.engine import Engine

HERE = Path(__file__).resolve().parent
LABEL = "todo-chatbot-acceptance"
"""Repository prefix of every image built here."""
MIRROR = "IMAGE_MIRROR"
"""Environment variable: a registry that mirrors the others, `host[:port][/path]`."""

# Files of Debian's packages that locally built images leave out.
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


@dataclass(frozen=True)
class Image:
    """A base image: its reference in a registry, and the reference and builder of its local replacement."""

    reference: str
    local_reference: str
    build: Callable[[Engine, str], None]


def pull(engine: Engine, reference: str) -> str:
    """Pull an image, from the mirror if there is one, and return the reference that the engine now knows it by.

    An image pulled by digest has no tag, so its full reference is returned. A mirror may have another digest: there
    the image is pulled and tagged without one.

    Raises:
        ToolchainError: It could not be pulled.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        engine.docker("pull", "--quiet", reference)
        return reference
    name = reference.partition("@")[0]
    engine.docker("pull", "--quiet", f"{mirror}/{name}")
    engine.docker("tag", f"{mirror}/{name}", name)
    return name


def root_file_system(engine: Engine, suite: str, packages: tuple[str, ...], reference: str) -> None:
    """Build a one-layer image of a Debian root file system with mmdebstrap."""
    with tempfile.TemporaryDirectory(dir=cache.directory()) as folder:
        archive = Path(folder) / "root.tar"
        argv = ["mmdebstrap", "--variant=minbase", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED)]
        argv += [f"--include={','.join(packages)}"] if packages else []
        if shutil.which("mmdebstrap") is None:
            raise ToolchainError("images can be neither pulled nor built: mmdebstrap is not installed")
        run([*argv, suite, str(archive)])
        engine.docker("import", "--change", 'CMD ["bash"]', archive, reference)


def debian(engine: Engine, reference: str) -> None:
    """Build the replacement of Debian's image."""
    root_file_system(engine, pins.BASE_SUITE, (), reference)


def python(engine: Engine, reference: str) -> None:
    """Build the replacement of Python's image."""
    base = ensure(engine, DEBIAN)
    argument = f"DEBIAN_IMAGE={base}"
    engine.build("--tag", reference, "--build-arg", argument, "-f", HERE / "base/python.Dockerfile", HERE / "base")


def nodejs(engine: Engine, reference: str) -> None:
    """Build the replacement of Node.js's image."""
    arguments = ["--build-arg", f"DEBIAN_IMAGE={ensure(engine, DEBIAN)}"]
    arguments += ["--build-arg", f"PYTHON_IMAGE={ensure(engine, PYTHON)}"]
    engine.build("--tag", reference, *arguments, "-f", HERE / "base/node.Dockerfile", HERE / "base")


def metrics_server(engine: Engine, reference: str) -> None:
    """Build the replacement of metrics-server's image."""
    with tempfile.TemporaryDirectory(dir=cache.directory()) as folder:
        shutil.copy2(binaries.kubernetes() / "metrics-server", folder)
        engine.build("--tag", reference, "-f", HERE / "base/metrics-server.Dockerfile", folder)


def node(engine: Engine, reference: str) -> None:
    """Build the replacement of kind's node image."""

    def base(packages: tuple[str, ...], name: str) -> None:
        root_file_system(engine, pins.NODE_SUITE, packages, name)

    node_image.build(engine, reference, base, ensure(engine, DEBIAN))


def local_reference(name: str, *parts: str | Path) -> str:
    """Return the reference of a local replacement; its tag is a digest of everything it is built from."""
    return f"{LABEL}/{name}:{cache.digest(HERE / 'pins.py', *parts)}"


DEBIAN = Image(pins.DEBIAN_IMAGE, local_reference("debian"), debian)
PYTHON = Image(pins.PYTHON_IMAGE, local_reference("python", HERE / "base/python.Dockerfile"), python)
NODEJS = Image(
    pins.NODEJS_IMAGE,
    local_reference(
        "nodejs",
        *(HERE / "base" / name for name in ("python.Dockerfile", "node.Dockerfile", "node-requirements.txt")),
    ),
    nodejs,
)
METRICS_SERVER = Image(
    pins.METRICS_SERVER_IMAGE,
    local_reference("metrics-server", HERE / "base/metrics-server.Dockerfile", HERE / "go"),
    metrics_server,
)
NODE = Image(
    pins.NODE_IMAGE,
    local_reference("node", HERE / "node", HERE / "node_image.py", HERE / "go", HERE / "containerd"),
    node,
)


def present(engine: Engine, image: Image) -> str | None:
    """Return the reference by which the engine already has the image (or its replacement), or None."""
    references = (image.reference, image.reference.partition("@")[0], image.local_reference)
    return next(filter(engine.has_image, references), None)


def ensure(engine: Engine, image: Image, *, may_build: bool = True) -> str:
    """Return the image's reference in the engine; pull or build it if missing.

    Raises:
        ToolchainError: It is missing and `may_build` is false, or it could not be built.
    """
    part = image.reference.partition("@")[0]
    with cache.lock(f"image-{image.local_reference.replace('/', '-')}"):
        if (reference := present(engine, image)) is not None:
            log(part, f"found, {reference}")
            return reference
        if not may_build:
            raise ToolchainError(f"the image {part} is missing: run `make toolchain`")
        try:
            pulled = pull(engine, image.reference)
        except ToolchainError as error:
            log(part, f"could not be pulled ({str(error).splitlines()[-1][:120]})")
        else:
            log(part, f"pulled, {pulled}")
            return pulled
        with timed_step(part, f"building a local replacement, {image.local_reference}"):
            image.build(engine, image.local_reference)
        return image.local_reference
