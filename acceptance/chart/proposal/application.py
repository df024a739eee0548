"""What the project has beside the chart: the images' Dockerfiles, and hints from the backend's source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acceptance.chart.proposal.build_commands import build_commands
from acceptance.chart.proposal.dockerfiles import Choice, Dockerfile, choose, dockerfiles_of
from acceptance.chart.proposal.draft import Draft
from acceptance.chart.proposal.further import further_note, further_workloads
from acceptance.chart.proposal.project import files_of, project_of, text_of
from acceptance.chart.proposal.remaining import note_remaining
from acceptance.chart.proposal.routes import UNKNOWN, routes_of
from acceptance.core.fields import Object, at

ROUTES = 30
"""Routes that a note lists."""
NAMED = 8
"""Dockerfiles that a note names."""
SOURCE_BYTES = 50_000
"""How much of each file is searched for the database's driver."""
HEALTH_WORD = re.compile(r"health|ready|readi|live(?:ness|z)?$|ping$|status$")
"""What the path of a probe says."""
BY_NAME = "found by its name and content: check it"
ASYNCPG = (
    "The backend uses asyncpg. Unless it changes the URL itself, [secret] needs\n"
    '  database_scheme = "postgresql+asyncpg" and database_query = "ssl=require" with SQLAlchemy,\n'
    '  database_query = "sslmode=require" without it'
)


def files_beside(chart: Path, folder: Path) -> tuple[Path, list[Path]]:
    """Return the project's folder and its files, the nearest first; `folder` is the target file's."""
    project = project_of(chart, folder)
    return project, list(files_of(project))


def describe_application(
    draft: Draft,
    chart: Path,
    folder: Path,
    objects: Sequence[Object],
    values: Mapping[str, Any],
    shown: Callable[[Path], str],
) -> None:
    """Add the images' Dockerfiles, notes on what is found beside the chart, and the list of what is left to write.

    Args:
        draft: The draft, with its components.
        chart: The chart's folder or archive.
        folder: The target file's folder.
        objects: The rendered objects.
        values: The chart's values.
        shown: Returns a path as the target file writes it.
    """
    project, files = files_beside(chart, folder)
    found = dockerfiles_of(project, files)
    components: Mapping[Any, Mapping[str, Any]] = draft.document["components"]
    images = {role: (part["port"], part["image"]["repository"]) for role, part in components.items()}
    choices = choose(found, images, chart, list(build_commands(files, project)))
    for role, choice in choices.items():
        if choice.taken is None:
            draft.note(_not_found(role, choice, found, shown(project)))
        elif choice.command is not None:
            why = f"as {shown(choice.command.file)} builds it: check it"
            draft.set(("components", role, "image", "dockerfile"), shown(choice.taken.path), why)
            draft.set(("components", role, "image", "context"), shown(choice.command.context), why)
        else:
            context, why = choice.taken.context(files)
            draft.set(("components", role, "image", "dockerfile"), shown(choice.taken.path), BY_NAME)
            draft.set(("components", role, "image", "context"), shown(context), why)
    further = further_workloads(objects, components)
    if further:
        taken = [choice.taken for choice in choices.values()]
        unused = [each for each in found if each not in taken]
        draft.note(further_note(further, unused, files, values, shown))
    contexts = choices.get("backend", Choice(None)).contexts(files)
    if len(contexts) == 1:
        _note_source(draft, contexts.pop(), shown)
    note_remaining(draft, further=bool(further))


def _not_found(role: str, choice: Choice, found: Sequence[Dockerfile], project: str) -> str:
    named = choice.equal or found
    listed = ", ".join(each.shown for each in named[:NAMED]) + (" and others" if len(named) > NAMED else "")
    reason = (
        f"{listed} fit equally" if choice.equal else f"none of {listed} reads like it" if found else "there is none"
    )
    return f"Not found: the {role}'s Dockerfile, because in {project} {reason}."


def _note_source(draft: Draft, context: Path, shown: Callable[[Path], str]) -> None:
    """Add notes on the routes and the database's driver that the backend's source names."""
    source = [path for path in files_of(context) if not {"tests", "test"} & {*path.relative_to(context).parts[:-1]}]
    if routes := routes_of(source):
        _correct_probes(draft, routes, source)
        lines = [f"Routes in the source of {shown(context)}, for [api] and [auth], where the target writes {{id}}:"]
        lines += [f"  {each}" for each in routes[:ROUTES]]
        lines += [f"  and {len(routes) - ROUTES} more"] * (len(routes) > ROUTES)
        draft.note("\n".join(lines))
    named = [path for path in source if path.name in ("pyproject.toml", "Pipfile") or "requirements" in path.name]
    named += [path for path in source if path.suffix == ".py"]
    if any("asyncpg" in text_of(path, SOURCE_BYTES) for path in named):
        draft.note(ASYNCPG)


def _correct_probes(draft: Draft, routes: Sequence[str], source: Sequence[Path]) -> None:
    """State another path for each of the backend's probes whose own no route has, if there is one for it.

    A path whose last part the source mentions may be a route that is not declared as others are.
    """
    paths = [route.removeprefix("GET ") for route in routes if route.startswith("GET ")]
    probes = at(draft.document, "components.backend.probes") or {}
    asked = {path.partition("?")[0].rstrip("/") or "/" for path in probes.values()}
    healthy = [path for path in paths if HEALTH_WORD.search(path)] or [path for path in paths if path in asked]
    if any(UNKNOWN in path for path in paths) or not healthy:
        return
    text = "\n".join(text_of(path, SOURCE_BYTES) for path in source if path.suffix == ".py")
    for kind, rendered in list(probes.items()):
        path = rendered.partition("?")[0].rstrip("/") or "/"
        last = path.rpartition("/")[2]
        if path in paths or not last or re.search(rf"\b{re.escape(last)}\b", text):
            continue
        probes[kind] = min(healthy, key=len)
        draft.note(f"{kind} probe of the backend: {rendered} as rendered, {probes[kind]} as a route of its source.")
