"""The life of a run: acquired, and removed with everything it made; the sweep of what dead runs left."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from acceptance.core.deadlines import API_SERVER, NAMESPACE_GONE
from acceptance.core.fields import mapping_at, mappings_at
from acceptance.core.rules import ROOT
from acceptance.core.signals import uninterrupted
from acceptance.provision.run import CTR, LABEL, Run, folder, paused_containers, record, try_lock, update_record
from acceptance.provision.user_context import Context, error_summary
from toolchain import Toolchain, cache
from toolchain.console import CommandError, log, run

IMAGE_NAME = "io.containerd.image.name"
"""Annotation of an image in an archive's index."""


REFUSED = "refused"
"""What kubectl says where nobody listens at the API server's address."""


@contextmanager
def acquire_run(toolchain: Toolchain, *, keep: bool, context: Context | None = None) -> Iterator[Run]:
    """This process's run: a kept one of this checkout that nobody uses, if `keep`, else a new one.

    It is on the user's cluster that `context` names, else on one that it makes. At the end all that it made is removed,
    unless it is kept.
    """
    sweep(toolchain)
    with cache.lock("runs"):
        run_, lock = (kept_run() if keep else None) or new_run(keep=keep, context=context)
    with lock:
        try:
            yield run_
        finally:
            if not keep:
                with uninterrupted():
                    remove(toolchain, run_)


def new_run(*, keep: bool, context: Context | None = None) -> tuple[Run, TextIO]:
    identifier = secrets.token_hex(4)
    path = folder() / identifier
    path.mkdir(mode=0o700)
    lock = try_lock(path)
    if lock is None:
        raise RuntimeError(f"the lock of the new run {identifier} is taken")
    made = Run(identifier, path, keep, context=context)
    named = {}
    if context is not None:
        made.kubeconfig.touch(mode=0o600)
        made.kubeconfig.write_text(context.kubeconfig, encoding="utf-8")
        named = {"context": context.name, "node": context.node}
    update_record(made, kept=keep, checkout=str(ROOT), **named)
    return made, lock


def kept_run() -> tuple[Run, TextIO] | None:
    for path in sorted(folder().iterdir()):
        content = record(path)
        if content.get("kept") and content.get("checkout") == str(ROOT) and (lock := try_lock(path)) is not None:
            return Run(path.name, path, kept=True, reused=True), lock
    return None


@contextmanager
def reuse_run(toolchain: Toolchain) -> Iterator[None]:
    """One kept run for several pytest processes, one after the other: removed at the end if it was made meanwhile."""
    before = {path.name for path in folder().iterdir()}
    try:
        yield
    finally:
        if (found := kept_run()) is not None:
            run_, lock = found
            with lock, uninterrupted():
                if run_.id not in before:
                    remove(toolchain, run_)


def sweep(toolchain: Toolchain, *, kept: bool = False) -> None:
    """Remove what runs have left whose owners are dead; with `kept` also what was kept, in any checkout."""
    with cache.lock("runs"):  # a run that is being made has no lock yet
        paths = [path for path in sorted(folder().iterdir()) if kept or not record(path).get("kept")]
        dead = [(path, lock) for path in paths if (lock := try_lock(path)) is not None]
    for path, lock in dead:
        with lock:
            log("sweep", f"what run {path.name} left is removed")
            remove(toolchain, Run(path.name, path, kept=False))


def remove(toolchain: Toolchain, run_: Run) -> None:
    """Remove every container, network, image tag and file of one run, by its id; each step even if another fails.

    A cluster is deleted only where the run was to make it.
    """
    engine = toolchain.engine
    said = record(run_.folder)
    failures = []

    def step(*argv: str) -> list[str]:
        try:
            return engine.docker(*argv).split()
        except CommandError as error:
            failures.append(str(error))
            return []

    resume_paused(toolchain, said)
    if said.get("context"):
        failures += clean_user_cluster(toolchain, run_, said)
    else:
        try:
            run(
                [toolchain.kind, "delete", "cluster", "--name", run_.cluster_name, "--kubeconfig", run_.kubeconfig],
                env=engine.environment,
            )
        except CommandError as error:
            failures.append(str(error))
    for container in step("ps", "--all", "--quiet", "--filter", f"label={LABEL}={run_.id}"):
        step("rm", "--force", "--volumes", container)
    for network in step("network", "ls", "--quiet", "--filter", f"label={LABEL}={run_.id}"):
        step("network", "rm", network)
    for image in step("images", "--format", "{{.Repository}}:{{.Tag}}"):
        if image.endswith(f"-{run_.id}"):  # docker's own filter has no pattern for a repository with slashes
            step("image", "rm", image)
    if failures:
        log("sweep", f"run {run_.id}: {failures[0]}; the next run tries again")
        return
    shutil.rmtree(run_.folder, ignore_errors=True)


def resume_paused(toolchain: Toolchain, said: Mapping[str, object]) -> None:
    """Let go on what a killed run has left frozen."""
    for identifier, node in paused_containers(said).items():
        with suppress(CommandError):  # it was started again meanwhile, or its node is no more
            toolchain.engine.docker("exec", node, *CTR, "task", "resume", identifier)


def clean_user_cluster(toolchain: Toolchain, run_: Run, said: Mapping[str, object]) -> list[str]:
    """Remove from a cluster of the user's own what the run put there, by its id; what failed.

    `said` is the run's record. Nothing failed where the cluster is no more.
    """
    node, context = str(said.get("node") or ""), str(said["context"])
    if not node:
        return []  # without its node, nothing can have been put there
    if release := said.get("release"):
        log("sweep", f"run {run_.id} ended before it was sure that {release}")
    failures = []
    seconds = f"{NAMESPACE_GONE.seconds:g}s"
    wait = ("--timeout", seconds, f"--request-timeout={seconds}")
    cluster: list[str | Path] = [toolchain.kubectl, "--kubeconfig", run_.kubeconfig, "--context", context]
    try:
        run(
            [*cluster, "delete", "namespace", "--selector", f"{LABEL}={run_.id}", *wait],
            seconds=NAMESPACE_GONE.seconds + API_SERVER.seconds,
        )
    except CommandError as error:
        failures.append(f"context {context}: {error_summary(error)}")
    try:
        there = toolchain.engine.docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={node}").split()
        if not there and failures and REFUSED in failures[0]:
            log("sweep", f"the cluster of context {context} is no more, nor is what run {run_.id} put there")
            return []
        remove_images(toolchain, run_, node)
    except CommandError as error:
        failures.append(str(error))
    return failures


def remove_images(toolchain: Toolchain, run_: Run, node: str) -> None:
    """Remove the run's images from a node, by their exact names; content that has a name of somebody else's stays."""

    def ctr(*argv: str) -> str:
        return toolchain.engine.docker("exec", node, *CTR, *argv)

    def mine(name: str) -> bool:
        return name.endswith(f"-{run_.id}")

    names: dict[str, list[str]] = {}
    for line in ctr("images", "ls").splitlines()[1:]:
        name, _, digest, *_ = line.split()
        names.setdefault(digest, []).append(name)
    gone = [name for every in names.values() for name in every if mine(name)]
    if not gone:
        return
    for digest, every in names.items():
        tagged = [name for name in every if not name.startswith("sha256:") and "@" not in name]
        if tagged and all(map(mine, tagged)):  # the kubelet's name of the same content
            gone += [name for name in every if name.startswith("sha256:")]
        imported = [name for name in every if name.startswith("import-")]
        if imported and all(map(mine, loaded(ctr("content", "get", digest)))):  # what kind has loaded, as a whole
            gone += imported
    ctr("images", "rm", *gone)


def loaded(index: str) -> list[str]:
    """The names of the images that an archive held when it was imported; one that has none counts as such."""
    manifests = mappings_at(json.loads(index), "manifests")
    return [str(mapping_at(each, "annotations").get(IMAGE_NAME)) for each in manifests] or [""]
