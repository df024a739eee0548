"""How long a run takes until every pod is Ready, compared with the raw commands, measured in the same run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.table import Table

from acceptance.core import target
from acceptance.core.redaction import redactor
from acceptance.core.rules import ROOT
from acceptance.provision import images, lifecycle
from acceptance.provision.providers import kind
from acceptance.provision.provisioner import Provisioner, environment
from toolchain import Toolchain, find
from toolchain.console import ToolchainError, run

FACTOR = 1.25
"""Of the longer of cluster creation and image builds: what doing them side by side may cost."""
SECONDS = 120.0
"""From the command to every pod Ready, with warm caches."""
TRIVIAL_TEST = "tests/behaviour/test_release.py::test_pods_are_ready_within_three_minutes"
READY = "ready_release: "
"""How the line of progress begins that says that every pod is Ready."""


@dataclass(frozen=True)
class Raw:
    """Seconds of each command alone, caches warm."""

    cluster: float
    builds: dict[str, float]
    load: float
    install: float

    @property
    def bound(self) -> float:
        """How long the chain may take."""
        return FACTOR * max(self.cluster, sum(self.builds.values())) + self.load + self.install


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def raw(toolchain: Toolchain) -> Raw:
    """Run kind, docker and helm one after the other, in a run of their own."""
    with lifecycle.acquire_run(toolchain, keep=False) as current, pytest.MonkeyPatch.context() as patch:
        settings = environment(toolchain, current)
        for name, value in settings.items():
            patch.setenv(name, value)
        subject = target.load()
        made = Provisioner(toolchain, current, subject, redactor.add)
        try:
            builds = {
                f"docker build, {name}": seconds(
                    partial(images.build_component, toolchain, current, subject.root, part)
                )
                for name, part in subject.components.items()
            }
            made.network()
            path = current.folder / "kind.yaml"
            path.write_text(yaml.safe_dump(kind.configuration(toolchain, current)), encoding="utf-8")
            argv: list[str | Path] = [
                toolchain.kind,
                "create",
                "cluster",
                "--config",
                path,
                "--kubeconfig",
                current.kubeconfig,
            ]
            creation = seconds(lambda: run(argv))
            references = [image.reference for image in made.images().values()]
            load = seconds(lambda: run(kind.load_command(toolchain, current.cluster_name, references)))
            for prepare in (made.database, made.model, made.metrics, made.loaded_images):
                prepare()
            install = seconds(made.ready)
            return Raw(creation, builds, load, install)
        finally:
            made.close()


def chain() -> float:
    """Return seconds from pytest's command to every pod Ready. Raises `ToolchainError` where pytest fails."""
    begun, ready = time.monotonic(), None
    with tempfile.TemporaryDirectory() as reports:
        argv = [sys.executable, "-m", "pytest", "--reports", reports, TRIVIAL_TEST]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith(READY):
                    ready = time.monotonic() - begun
    if process.returncode or ready is None:
        raise ToolchainError(f"the chain ended with {process.returncode}: {''.join(lines[-20:])}")
    return ready


def bench() -> int:
    """Measure, print, and return 0 where the chain keeps both bounds, else 1. Raises `ToolchainError`."""
    measured = raw(find())
    taken = chain()
    table = Table("step", "seconds", title="warm, images unchanged")
    table.columns[1].justify = "right"
    rows = {
        **measured.builds,
        "kind create cluster": measured.cluster,
        "kind load docker-image": measured.load,
        "helm install to every pod Ready": measured.install,
        f"{FACTOR} x the longer of cluster and builds, + load + install": measured.bound,
        "the chain, from the command to every pod Ready": taken,
    }
    for name, value in rows.items():
        table.add_row(name, f"{value:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{taken / measured.bound:.2f} of the first bound, {taken / SECONDS:.2f} of {SECONDS:.0f} s")
    return 0 if taken <= min(measured.bound, SECONDS) else 1
