"""Compares the time of the suite's setup with that of the raw kind, docker and helm commands, in one run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from acceptance.core.signals import interrupted_by_sigterm, uninterrupted
from acceptance.provision import images, lifecycle
from acceptance.provision.providers import kind
from acceptance.provision.provisioner import Provisioner, environment
from toolchain import Toolchain, find
from toolchain.console import ToolchainError, run

FACTOR = 1.25
"""Allowed overhead of concurrency: on the longer of cluster creation and image builds, which run side by side."""
MAX_SETUP_SECONDS = 120.0
"""Limit from pytest's command to every pod Ready, with warm caches."""
TRIVIAL_TEST = "tests/behaviour/test_release.py::test_pods_are_ready_within_three_minutes"
READY_LINE = "ready release: "
"""Part of the progress line that is printed when the setup of the fixture `ready_release` has finished."""


@dataclass(frozen=True)
class CommandTimes:
    """Seconds that each command took alone, with warm caches; `builds` by component."""

    cluster: float
    builds: dict[str, float]
    load: float
    install: float

    @property
    def bound(self) -> float:
        """The seconds that the suite's setup may take."""
        return FACTOR * max(self.cluster, sum(self.builds.values())) + self.load + self.install


def measure(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


@contextmanager
def open_provisioner(toolchain: Toolchain, tested: target.Target | None = None) -> Iterator[Provisioner]:
    """Yield the provisioner of a new run, with the run's environment set.

    The run is removed at the end, after Ctrl-C and SIGTERM too.
    """
    with (
        interrupted_by_sigterm(),
        lifecycle.acquire_run(toolchain, keep=False) as current,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment(toolchain, current).items():
            patch.setenv(name, value)
        provisioner = Provisioner(toolchain, current, tested or target.load(), redactor.add)
        try:
            yield provisioner
        finally:
            with uninterrupted():
                provisioner.close()


def time_commands(toolchain: Toolchain) -> CommandTimes:
    """Run docker, kind and helm one after the other, in a run of their own."""
    with open_provisioner(toolchain) as provisioner:
        builds = time_builds(provisioner)
        cluster = time_cluster_creation(provisioner)
        references = [image.reference for image in provisioner.images().values()]
        load_command = kind.load_command(toolchain, provisioner.run.cluster_name, references)
        load = measure(lambda: run(load_command))
        for prepare in (provisioner.database, provisioner.model, provisioner.metrics, provisioner.loaded_images):
            prepare()
        return CommandTimes(cluster, builds, load, install=measure(provisioner.ready))


def time_builds(provisioner: Provisioner) -> dict[str, float]:
    """Build the image of each component; return the seconds by component."""
    toolchain, current, subject = provisioner.toolchain, provisioner.run, provisioner.target
    return {
        name: measure(partial(images.build_component, toolchain, current, subject.root, component))
        for name, component in subject.components.items()
    }


def time_cluster_creation(provisioner: Provisioner) -> float:
    """Create the run's cluster with kind; return the seconds."""
    provisioner.network()
    path = provisioner.run.folder / "kind.yaml"
    path.write_text(yaml.safe_dump(kind.configuration(provisioner.toolchain, provisioner.run)), encoding="utf-8")
    argv: list[str | Path] = [provisioner.toolchain.kind, "create", "cluster", "--config", path]
    return measure(lambda: run([*argv, "--kubeconfig", provisioner.run.kubeconfig]))


def time_setup() -> float:
    """Run pytest with one trivial test; return the seconds from its start to every pod Ready.

    Raises:
        ToolchainError: pytest failed or did not print `READY_LINE`; the message has the last lines of its output.
    """
    start, ready = time.monotonic(), None
    lines = []
    with tempfile.TemporaryDirectory() as reports:
        argv = [sys.executable, "-m", "pytest", "--reports", reports, TRIVIAL_TEST]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                lines.append(line)
                if READY_LINE in line:
                    ready = time.monotonic() - start
    if process.returncode or ready is None:
        raise ToolchainError(f"pytest exited with {process.returncode}: {''.join(lines[-20:])}")
    return ready


def bench() -> int:
    """Measure and print the times; return 0 if the setup keeps both limits, else 1. Raises `ToolchainError`."""
    commands = time_commands(find())
    setup = time_setup()
    console = Console()
    console.print(result_table(commands, setup))
    console.print(
        f"{setup / commands.bound:.2f} of the first limit, {setup / MAX_SETUP_SECONDS:.2f} of {MAX_SETUP_SECONDS:.0f} s"
    )
    return 0 if setup <= min(commands.bound, MAX_SETUP_SECONDS) else 1


def result_table(commands: CommandTimes, setup: float) -> Table:
    """Return the table of all times."""
    table = Table("step", "seconds", title="warm caches, images unchanged")
    table.columns[1].justify = "right"
    rows = {
        **{f"docker build, {name}": seconds for name, seconds in commands.builds.items()},
        "kind create cluster": commands.cluster,
        "kind load docker-image": commands.load,
        "helm install to every pod Ready": commands.install,
        f"limit: {FACTOR} x the longer of cluster and builds, + load + install": commands.bound,
        "the suite's setup, from the command to every pod Ready": setup,
    }
    for name, seconds in rows.items():
        table.add_row(name, f"{seconds:.1f}")
    return table
