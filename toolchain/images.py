"""The images that others stand on: present in the engine, else pulled, else built."""

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
"""Repository prefix of every image that is built here."""
MIRROR = "IMAGE_MIRROR"
"""Environment variable: a registry that mirrors the others, `host[:port][/path]`."""

# What a stand-in of Debian's packages has no use for.
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


@dataclass(frozen=True)
class Image:
    """An image under the name that a registry has it by, and how a stand-in of it is built."""

    reference: str
    stand_in: str
    build: Callable[[Engine, str], None]


def pull(engine: Engine, reference: str) -> str:
    """Pull an image; the name by which the engine then has it. Raises `ToolchainError`.

    A mirror need not keep the digest; without one, an image that is pulled by digest has no tag.
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
    """A Debian root file system as an image of one layer."""
    with tempfile.TemporaryDirectory(dir=cache.directory()) as aside:
        archive = Path(aside) / "root.tar"
        argv = ["mmdebstrap", "--variant=minbase", *(f"--dpkgopt=path-exclude={path}" for path in EXCLUDED)]
        argv += [f"--include={','.join(packages)}"] if packages else []
        if shutil.which("mmdebstrap") is None:
            raise ToolchainError("no image can be pulled, and mmdebstrap, which would build them, is not installed")
        run([*argv, suite, str(archive)])
        engine.docker("import", "--change", 'CMD ["bash"]', archive, reference)


def debian(engine: Engine, reference: str) -> None:
    root_file_system(engine, pins.BASE_SUITE, (), reference)


def python(engine: Engine, reference: str) -> None:
    base = have(engine, DEBIAN)
    argument = f"DEBIAN_IMAGE={base}"
    engine.build("--tag", reference, "--build-arg", argument, "-f", HERE / "base/python.Dockerfile", HERE / "base")


def nodejs(engine: Engine, reference: str) -> None:
    arguments = ["--build-arg", f"DEBIAN_IMAGE={have(engine, DEBIAN)}"]
    arguments += ["--build-arg", f"PYTHON_IMAGE={have(engine, PYTHON)}"]
    engine.build("--tag", reference, *arguments, "-f", HERE / "base/node.Dockerfile", HERE / "base")


def metrics_server(engine: Engine, reference: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache.directory()) as aside:
        shutil.copy2(binaries.kubernetes() / "metrics-server", aside)
        engine.build("--tag", reference, "-f", HERE / "base/metrics-server.Dockerfile", aside)


def node(engine: Engine, reference: str) -> None:
    def base(packages: tuple[str, ...], name: str) -> None:
        root_file_system(engine, pins.NODE_SUITE, packages, name)

    node_image.build(engine, reference, base, have(engine, DEBIAN))


def local_reference(name: str, *parts: str | Path) -> str:
    """The reference of a stand-in: its tag changes with what it is built of."""
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
    """The reference under which the engine has the image already: its own name or a stand-in's."""
    plain = image.reference.partition("@")[0]
    return next((name for name in (image.reference, plain, image.stand_in) if engine.has_image(name)), None)


def have(engine: Engine, image: Image, *, may_build: bool = True) -> str:
    """The reference of the image in the engine, once it is there: found, else pulled, else built."""
    part = image.reference.partition("@")[0]
    with cache.lock(f"image-{image.stand_in.replace('/', '-')}"):
        if (reference := present(engine, image)) is not None:
            log(part, f"found, {reference}")
            return reference
        if not may_build:
            raise ToolchainError(f"the image {part} is not there: run `make toolchain`")
        try:
            pulled = pull(engine, image.reference)
        except ToolchainError as error:
            log(part, f"can't be pulled ({str(error).splitlines()[-1][:120]})")
        else:
            log(part, f"pulled, {pulled}")
            return pulled
        with timed_step(part, f"a stand-in is built, {image.stand_in}"):
            image.build(engine, image.stand_in)
        return image.stand_in
