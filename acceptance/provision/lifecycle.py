"""The lifecycle of a run, from its lock to the removal of all that it created, and the sweep of what dead runs left."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict
from typing import TextIO

from acceptance.core.rules import ROOT
from acceptance.core.signals import uninterrupted
from acceptance.provision.cgroups import resume_command
from acceptance.provision.cluster import Cluster
from acceptance.provision.providers import provider_of
from acceptance.provision.run import (
    LABEL,
    Context,
    OwnCluster,
    Run,
    paused_freezers,
    read_record,
    recorded_cluster,
    runs_folder,
    try_lock,
    update_record,
)
from toolchain import Toolchain, cache
from toolchain.console import CommandError, log

DEFAULT = OwnCluster()


@contextmanager
def acquire_run(
    toolchain: Toolchain,
    *,
    keep: bool,
    context: Context | None = None,
    own_cluster: OwnCluster = DEFAULT,
) -> Iterator[Run]:
    """Give this process a run; at the end, remove everything that the run created.

    Args:
        toolchain: The tools of this machine.
        keep: Go on with a kept run of this checkout that no process uses, if there is one, and keep the run.
        context: The existing cluster to test; None for a cluster that the run creates.
        own_cluster: The cluster that the run creates.
    """
    sweep(toolchain)
    with cache.lock("runs"):
        found = kept_run(own_cluster) if keep else None
        run, lock = found or new_run(keep=keep, context=context, own_cluster=own_cluster)
    with lock:
        try:
            yield run
        finally:
            if not keep:
                with uninterrupted():
                    remove(toolchain, run)


def new_run(*, keep: bool, context: Context | None = None, own_cluster: OwnCluster = DEFAULT) -> tuple[Run, TextIO]:
    """Make a run with its folder, record and lock."""
    identifier = secrets.token_hex(4)
    path = runs_folder() / identifier
    path.mkdir(mode=0o700)
    lock = try_lock(path)
    if lock is None:
        raise RuntimeError(f"the lock of the new run {identifier} is taken")
    run = Run(identifier, path, keep, context=context, own_cluster=own_cluster)
    existing: dict[str, object] = {}
    if context is not None:
        run.kubeconfig.touch(mode=0o600)
        run.kubeconfig.write_text(context.kubeconfig, encoding="utf-8")
        existing = {"context": context.record()}
    update_record(run, kept=keep, checkout=str(ROOT), own_cluster=asdict(own_cluster), **existing)
    return run, lock


def kept_run(own_cluster: OwnCluster = DEFAULT) -> tuple[Run, TextIO] | None:
    """Return a kept run of this checkout that has such a cluster and that no process uses, and its lock, if any."""
    for path in sorted(runs_folder().iterdir()):
        record = read_record(path)
        same = record.get("checkout") == str(ROOT) and recorded_cluster(path) == own_cluster
        if record.get("kept") and same and (lock := try_lock(path)) is not None:
            return Run(path.name, path, kept=True, reused=True, own_cluster=own_cluster), lock
    return None


@contextmanager
def reuse_run(toolchain: Toolchain) -> Iterator[None]:
    """Let several pytest processes in a row share one kept run; remove it at the end if it was made meanwhile."""
    before = {path.name for path in runs_folder().iterdir()}
    try:
        yield
    finally:
        if (found := kept_run()) is not None:
            run, lock = found
            with lock, uninterrupted():
                if run.id not in before:
                    remove(toolchain, run)


def sweep(toolchain: Toolchain, *, kept: bool = False) -> None:
    """Remove the leftovers of runs whose owners are dead; with `kept` also kept runs, of any checkout."""
    with cache.lock("runs"):  # a run that is being made has no lock yet
        paths = [path for path in sorted(runs_folder().iterdir()) if kept or not read_record(path).get("kept")]
        dead = [(path, lock) for path in paths if (lock := try_lock(path)) is not None]
    for path, lock in dead:
        with lock:
            log("sweep", f"removing leftovers of run {path.name}")
            remove(toolchain, Run(path.name, path, kept=False, own_cluster=recorded_cluster(path)))


def remove(toolchain: Toolchain, run: Run) -> None:
    """Remove every container, network, image tag and file of one run by its id; each step even if another fails.

    A cluster of the run's own is deleted beside the rest. A release in another one is uninstalled first: it may need
    its database for that.
    """
    resume_paused(toolchain, run)
    provider = provider_of(toolchain, run)
    engine = _EngineLeftovers(toolchain, run)
    with ThreadPoolExecutor() as pool:
        cluster = pool.submit(provider.remove)
        if not provider.creates_cluster:
            wait([cluster])
        engine.remove_containers_and_images()
        failures = cluster.result()
    engine.remove_networks()
    if failures := [*failures, *engine.failures]:
        log("sweep", f"run {run.id}: {failures[0]}; the next run tries again")
        return
    shutil.rmtree(run.folder, ignore_errors=True)


class _EngineLeftovers:
    """What a run has left on this machine's engine, by its id; `failures` has what could not be removed."""

    def __init__(self, toolchain: Toolchain, run: Run) -> None:
        self.failures: list[str] = []
        self._engine = toolchain.engine
        self._run = run
        self._label = f"label={LABEL}={run.id}"

    def remove_containers_and_images(self) -> None:
        """Remove the containers, and then the tags of the images that they used, each kind in one command."""
        self._remove(("rm", "--force", "--volumes"), self._docker("ps", "--all", "--quiet", "--filter", self._label))
        # docker's own filter has no pattern for a repository with slashes
        tags = self._docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        self._remove(("image", "rm"), [tag for tag in tags if tag.endswith(f"-{self._run.id}")])

    def remove_networks(self) -> None:
        """Remove the networks, on which no container is any more."""
        self._remove(("network", "rm"), self._docker("network", "ls", "--quiet", "--filter", self._label))

    def _remove(self, command: Sequence[str], names: Sequence[str]) -> None:
        if names:
            self._docker(*command, *names)

    def _docker(self, *argv: str) -> list[str]:
        try:
            return self._engine.docker(*argv).split()
        except CommandError as error:
            self.failures.append(str(error))
            return []


def resume_paused(toolchain: Toolchain, run: Run) -> None:
    """Resume the containers that a killed run left paused: on cgroup v1 their node could not be deleted."""
    provider = provider_of(toolchain, run)
    for freezer, node in paused_freezers(read_record(run.folder)).items():
        try:
            if node in provider.nodes:  # a container of this engine, which needs no API server
                toolchain.engine.docker("exec", node, *resume_command(freezer))
            else:
                Cluster(provider).node(node).exec(*resume_command(freezer))
        except Exception as error:  # noqa: BLE001 - its node or cluster may be gone, in any way
            log("sweep", f"run {run.id}: a container that it paused on {node} is not resumed: {error}")
