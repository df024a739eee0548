"""Which Dockerfile of the project builds which image, by its names, its port and what it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from os.path import commonpath
from pathlib import Path

from acceptance.chart.proposal.build_commands import BuildCommand, image_name
from acceptance.chart.proposal.project import text_of
from acceptance.chart.proposal.roles import ADD_ONS, NAMES, PROGRAMS, SERVICES
from acceptance.chart.proposal.vocabulary import words
from acceptance.core.dockerfile import final_stage, instructions, substituted
from acceptance.core.target import ComponentName

NAMED = re.compile(r"(?:(?P<before>.+)\.)?dockerfile(?:\.(?P<after>.+))?", re.IGNORECASE)
NO_DOCKERFILE = frozenset({"dockerignore", "bak", "orig", "old", "md", "txt", "j2", "tmpl", "example"})
OTHER_USES = frozenset({"dev", "development", "test", "tests", "local", "debug", "ci", "e2e"})
DEVELOPMENT = re.compile(
    r"\b(?:npm|yarn|pnpm|bun)(?: run)? dev\b|\b(?:next|nuxt|astro|fastapi) dev\b|\bvite(?! (?:build|preview))\b"
    r"|\bnodemon\b|\bts-node-dev\b|--reload\b|\bmanage\.py runserver\b|--debug\b"
)
"""A server for those who change the source, in a command."""
COMMON = frozenset({"todo", "todos", "app", "chatbot", "service", "services", "image", "docker", "prod", "production"})
"""Words that tell no image from another."""
ENOUGH = 4
"""The least score with which a Dockerfile is taken for an image's."""
MANY = 60
"""Dockerfiles that are read."""
FOLDERS = 2000
"""Folders in which is looked for what a Dockerfile copies."""


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile, and the project's folder in which it was found."""

    path: Path
    project: Path
    text: str

    @property
    def shown(self) -> str:
        """Its path in the project."""
        return self.path.relative_to(self.project).as_posix()

    @cached_property
    def own_words(self) -> set[str]:
        """The words of what names the image: the file's name beside `Dockerfile`, else the folder."""
        match = NAMED.fullmatch(self.path.name)
        named = [part for part in (match["before"], match["after"]) if part] if match else []
        told = set(words(" ".join(named))) - OTHER_USES - COMMON
        parent = self.path.parent
        return told or set(words(parent.name if parent != self.project else "")) - COMMON

    @cached_property
    def folder_words(self) -> set[str]:
        """The words of all folders between the project's and the Dockerfile."""
        return {word for part in self.path.parent.relative_to(self.project).parts for word in words(part)}

    @cached_property
    def ports(self) -> set[int]:
        """The ports that its last stage exposes."""
        stage = final_stage(self.text)
        known = stage.variables if stage else {}
        found: set[int] = set()
        for each in instructions(self.text):
            if each.keyword == "FROM":
                found.clear()
            elif each.keyword == "EXPOSE":
                found |= {int(port) for port in re.findall(r"\b\d{1,5}\b", substituted(each.argument, known) or "")}
        return found

    @cached_property
    def programs(self) -> set[str]:
        """The words of the last stage's base image and command."""
        stage = final_stage(self.text)
        if stage is None:
            return set()
        return set(words(" ".join([stage.base.rpartition("/")[2], *stage.command.entrypoint, *stage.command.cmd])))

    @cached_property
    def for_development(self) -> bool:
        """Whether its last stage starts a server for those who change the source."""
        stage = final_stage(self.text)
        command = " ".join([*stage.command.entrypoint, *stage.command.cmd]) if stage else ""
        return DEVELOPMENT.search(command) is not None

    def points(self, role: ComponentName, port: int, repository: str) -> int:
        """Return how much speaks for the Dockerfile as the role's."""
        other: ComponentName = "frontend" if role == "backend" else "backend"
        image = set(words(repository.rpartition("/")[2])) - COMMON
        file_words = set(words(self.path.name))
        return (
            4 * bool(self.own_words & NAMES[role])
            + 1 * bool(self.folder_words & NAMES[role])
            - 4 * bool(self.own_words & NAMES[other])
            - 6 * bool(self.own_words & (SERVICES | ADD_ONS))
            - 3 * bool(file_words & OTHER_USES)
            + 3 * bool(self.own_words & image)
            + 2 * (port in self.ports)
            + 2 * bool(self.programs & PROGRAMS[role])
        )

    def context(self, files: Iterable[Path]) -> tuple[Path, str]:
        """Return the folder that the build is given, and why: by what the Dockerfile copies, where that is known.

        It is the Dockerfile's own folder or one above, else the only other one that has all, of several the one that is
        named like it or is nearest to the project's folder; `files` are the project's.
        """
        sources = [source for each in instructions(self.text) for source in _sources(each.keyword, each.argument)]
        above = [self.path.parent, *self.path.parent.parents]
        above = above[: above.index(self.project) + 1]
        if not sources:
            return above[0], "the Dockerfile's folder: check it"
        complete = [folder for folder in above if all(_has(folder, source) for source in sources)][:1]
        if not complete:
            others = islice(dict.fromkeys(path.parent for path in files), FOLDERS)
            complete = [folder for folder in others if all(_has(folder, source) for source in sources)]
            complete = [each for each in complete if self.own_words & {*words(each.name)}] or complete
            complete = [each for each in complete if len(each.parts) == min(len(it.parts) for it in complete)]
        if len(complete) == 1:
            return complete[0], "has what the Dockerfile copies: check it"
        most = max(above, key=lambda folder: sum(_has(folder, source) for source in sources))
        return most, "lacks some of what the Dockerfile copies: correct it"


def _sources(keyword: str, argument: str) -> list[str]:
    """Return the paths that an instruction copies from the context and that are known."""
    if keyword not in ("COPY", "ADD") or "--from" in argument or "<<" in argument:
        return []
    parts = re.findall(r'[^\s",\[\]]+', argument)
    paths = [each.removeprefix("./").strip("/") for each in parts if not each.startswith("--")][:-1]
    return [each for each in paths if each not in ("", ".") and not re.search(r"[$:]|\.\.", each)]


def _has(folder: Path, source: str) -> bool:
    try:
        return any(True for _ in folder.glob(source))
    except (OSError, ValueError, NotImplementedError):
        return False


def dockerfiles_of(project: Path, files: Iterable[Path]) -> list[Dockerfile]:
    """Return the Dockerfiles among a project's files."""
    named = (path for path in files if (match := NAMED.fullmatch(path.name)) and _kept(match["after"]))
    return [Dockerfile(path, project, text_of(path)) for path in islice(named, MANY)]


def _kept(suffix: str | None) -> bool:
    return suffix is None or suffix.lower().rpartition(".")[2] not in NO_DOCKERFILE


@dataclass(frozen=True)
class Choice:
    """What was found for one image: the Dockerfile, or those that fit equally; `command` is how documents build it."""

    taken: Dockerfile | None
    equal: Sequence[Dockerfile] = ()
    command: BuildCommand | None = None

    def contexts(self, files: Sequence[Path]) -> set[Path]:
        """Return the folders that the builds of what was found are given."""
        if self.command is not None:
            return {self.command.context}
        return {each.context(files)[0] for each in ([self.taken] if self.taken else self.equal)}


def choose(
    found: Sequence[Dockerfile],
    images: Mapping[ComponentName, tuple[int, str]],
    chart: Path,
    commands: Sequence[BuildCommand] = (),
) -> dict[ComponentName, Choice]:
    """Return the choice for each component: what documents build its image with, else the likeliest.

    One that starts a server for development is taken only where no other fits, and of equal ones the nearest to the
    chart.

    Args:
        found: The project's Dockerfiles.
        images: The port and the image's repository of each component.
        chart: The chart's folder.
        commands: The commands that build images.
    """
    roles: tuple[ComponentName, ...] = ("backend", "frontend")
    points = {role: {each.path: each.points(role, *images.get(role, (0, ""))) for each in found} for role in roles}
    choices: dict[ComponentName, Choice] = {}
    for role in images:
        if (documented := _documented(found, image_name(images[role][1]), commands)) is not None:
            choices[role] = documented
            continue
        other: ComponentName = "frontend" if role == "backend" else "backend"
        fitting = [
            each
            for each in found
            if points[role][each.path] >= ENOUGH and points[role][each.path] > points[other][each.path]
        ]
        fitting = [each for each in fitting if not each.for_development] or fitting
        best = max(((points[role][each.path], _nearness(each.path, chart)) for each in fitting), default=None)
        equal = [each for each in fitting if (points[role][each.path], _nearness(each.path, chart)) == best]
        choices[role] = Choice(equal[0]) if len(equal) == 1 else Choice(None, equal)
    return choices


def _documented(found: Sequence[Dockerfile], image: str, commands: Sequence[BuildCommand]) -> Choice | None:
    """Return the only Dockerfile and context with which documents build an image of this name, or None."""
    own = {(each.dockerfile, each.context): each for each in commands if each.image == image}
    known = {each.path.resolve(): each for each in found}
    if len(own) != 1:
        return None
    (command,) = own.values()
    taken = known.get(command.dockerfile)
    return Choice(taken, command=command) if taken is not None else None


def _nearness(path: Path, chart: Path) -> int:
    return len(Path(commonpath([path, chart.resolve()])).parts)


def named_like(found: Sequence[Dockerfile], names: Iterable[str]) -> Dockerfile | None:
    """Return the only Dockerfile that is named like a workload."""
    wanted = {word for name in names for word in words(name)} - COMMON - {"server"}
    shared = {each.path: len(wanted & each.own_words) for each in found}
    best = max(shared.values(), default=0)
    fitting = [each for each in found if best and shared[each.path] == best]
    return fitting[0] if len(fitting) == 1 else None
