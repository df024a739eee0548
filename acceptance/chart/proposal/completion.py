"""Finds the values without which a chart does not render, from Helm's own messages."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acceptance.chart.files import schema
from acceptance.chart.proposal.defaults import defaults
from acceptance.chart.proposal.source import ChartSource, InitError, loading_error
from acceptance.chart.proposal.vocabulary import credential_of, normalized
from acceptance.chart.renderer import Renderer
from acceptance.checks.snapshot import Rendering
from acceptance.core.fields import at, mapping_at
from acceptance.core.values import leaves, merge_values, set_paths
from acceptance.kube.manifests import read_text_or_empty

ATTEMPTS = 40
TEXT = "acceptance"
"""A value of whose name nothing is known."""
LINES_BEFORE = 6
"""Lines before a `fail` in which its condition is looked for."""
REFERENCE = re.compile(r"\.Values\.([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)")


def new_credential(name: str) -> str:
    """Return a random credential in the specification's format, by its name in the target."""
    return {
        "database_url": f"postgresql://todo:{secrets.token_hex(12)}@db.example.com:5432/todo?sslmode=require",
        "auth_secret": secrets.token_hex(24),
        "model_key": f"sk-proj-{secrets.token_hex(24)}",
    }[name]


@dataclass
class Completion:
    """A chart that renders, and what it took.

    Attributes:
        renderer: Renders the chart, or a copy without the templates in `left_out`.
        values: What rendering needs: the user's values and `filled`.
        filled: The values that were found, by dotted path.
        left_out: Helm's message for each template that never renders, by its path in the chart.
        first_error: Helm's message for the defaults with the user's values; None if they render.
    """

    renderer: Renderer
    values: dict[str, Any]
    filled: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    first_error: str | None = None
    rendering: Rendering = field(default_factory=Rendering)
    nil_leaves: list[str] = field(default_factory=list)
    """The paths that were read below a missing mapping, which was given empty."""


def complete(
    source: ChartSource,
    renderer_of: Callable[[Path], Renderer],
    given: Mapping[str, Any],
    folder: Path,
    progress: Callable[[str], None],
) -> Completion:
    """Render the chart with more and more values until it renders.

    Args:
        source: The chart.
        renderer_of: Returns the renderer of a chart's folder.
        given: The user's values.
        folder: Where a copy without broken templates may be written.
        progress: Called with what is being done.

    Raises:
        InitError: Helm can't load the chart, or no values were found with which it renders.
    """
    result = Completion(renderer_of(source.folder), dict(given))
    for _ in range(ATTEMPTS):
        result.rendering = result.renderer.render(result.values)
        message = result.rendering.error
        if message is None:
            return result
        if (cure := loading_error(message, source)) is not None:
            raise InitError(cure)
        result.first_error = result.first_error or message
        found = _new_values(message, result)
        if found:
            progress(f"the chart does not render without {', '.join(found)}")
            result.filled |= found
            result.values = set_paths(result.values, found)
        elif (template := _template_in(message, result.renderer.chart)) is not None:
            progress(f"{template} does not render: {_short(message)}")
            result.left_out[template] = message
            result.renderer = renderer_of(_copy_without(source.folder, result.left_out, folder))
        else:
            break
    raise InitError(
        f"the chart does not render: {result.rendering.error}; "
        "correct the chart, or give the values that it needs with --values FILE"
    )


def _short(message: str) -> str:
    return message if len(message) <= 160 else f"{message[:159]}…"


def _copy_without(chart: Path, templates: Mapping[str, str], folder: Path) -> Path:
    """Return a copy of the chart without some templates."""
    copy = folder / f"without-{len(templates)}"
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns(".git"))
    for template in templates:
        (copy / template).unlink()
    return copy


def _template_in(message: str, chart: Path) -> str | None:
    """Return the chart's template that a message names, as a path in the chart."""
    for name in re.findall(r"[\w.-]+/((?:charts/[\w.-]+/)*templates/[\w./-]+\.\w+)", message):
        if (chart / name).is_file() and not Path(name).name.startswith("_"):
            return str(name)
    return None


def _new_values(message: str, result: Completion) -> dict[str, Any]:
    """Return values, by path, that may cure the message and were not tried; empty if it suggests none."""
    chart = result.renderer.chart
    values = merge_values(defaults(chart), result.values)
    if "schema" in message and (found := _by_schema(message, chart)):
        return {path: value for path, value in found.items() if result.filled.get(path) != value}
    nil_pointers = list(_by_nil_pointer(message))
    for above, leaf in nil_pointers:
        plausible = guess(leaf)
        if leaf not in result.filled and not isinstance(plausible, bool) and plausible != TEXT:
            return {leaf: plausible}
        if above not in result.filled and leaf not in result.filled:
            result.nil_leaves.append(leaf)
            return {above: {}}
    if "YAML" in message and result.nil_leaves:
        return {leaf: guess(leaf) for leaf in result.nil_leaves if leaf not in result.filled}
    paths = [path for path in _suspects(message, chart, values) if path not in result.filled]
    credentials = [path for path in paths if credential_of(path) is not None]
    for path in credentials or paths[:1]:
        if not (current := at(values, path)) or credential_of(path) is not None:
            return {path: _as_demanded(message) or guess(path, current)}
    return {}


def _as_demanded(message: str) -> str | None:
    """Return a credential of the format that a message names; None if it names none."""
    formats = {"postgresql://": "database_url", "sk-proj-": "model_key"}
    return next((new_credential(name) for start, name in formats.items() if start in message), None)


def guess(path: str, current: Any = None) -> Any:
    """Return a plausible value for a path, from its name."""
    if (credential := credential_of(path)) is not None:
        return new_credential(credential)
    if isinstance(current, bool):
        return True
    name = normalized(path.rpartition(".")[2])
    for pattern, value in (
        (r".*(port)", 8000),
        (r"(min|max)?replica(s|count)?", 1),
        (r".*enabled?|create", True),
        (r".*(url|uri|origins?|endpoint)", "https://todo.example.com"),
        (r".*(host|hostname|domain|server)", "todo.example.com"),
        (r".*(cpu)", "500m"),
        (r".*(memory)", "512Mi"),
        (r"tag|version", "latest"),
        (r".*(password|secret|token|key)", secrets.token_hex(24)),
        (r"environment|env", "development"),
        (r".*email", "someone@example.com"),
    ):
        if re.fullmatch(pattern, name):
            return value
    return TEXT


def _by_schema(message: str, chart: Path) -> dict[str, Any]:
    """Return values for what the schema misses or refuses."""
    found: dict[str, Any] = {}
    for pointer, complaint in re.findall(r"at '(/?[^']*)': (.*?)(?= - at '|$)", message):
        parents = [part for part in pointer.split("/") if part]
        names = re.findall(r"'([^']+)'", complaint) if "missing prop" in complaint else [""]
        for name in names:
            path = ".".join([*parents, name] if name else parents)
            if path:
                found[path] = _of_schema(path, schema(chart) or {})
    return found


def _of_schema(path: str, root: Mapping[str, Any]) -> Any:
    """Return a value for a path that its schema allows, as far as a name and a type tell."""
    part: Mapping[str, Any] = root
    for key in path.split("."):
        part = mapping_at(_resolved(part, root), "properties").get(key) or {}
    part = _resolved(part, root)
    if credential := credential_of(path):
        return new_credential(credential)
    for fixed in (part.get("default"), part.get("const"), next(iter(part.get("enum") or []), None)):
        if fixed not in (None, ""):
            return fixed
    kind = part.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    match kind:
        case "object":
            return {}
        case "array":
            return []
        case "boolean":
            return False
        case "integer" | "number":
            return part.get("minimum") or (guess(path) if isinstance(guess(path), int) else 1)
        case _:
            text = str(guess(path))
            return text.ljust(int(part.get("minLength") or 0), "x")


def _resolved(part: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a schema, a local `$ref` followed once."""
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        return mapping_at(root, reference[2:].replace("/", "."))
    return part


def _by_nil_pointer(message: str) -> Iterator[tuple[str, str]]:
    """Yield (path of the missing mapping, path that was read) for each nil pointer."""
    for prefix, path, name in re.findall(
        r"([\w./-]*)[^<]*<[^>]*?\.Values\.([\w.-]+)[^>]*>: nil pointer evaluating (?:interface \{\}|[\w.*]+)\.([\w-]+)",
        message,
    ):
        keys = path.split(".")
        above = keys[: keys.index(name)] if name in keys else keys[:-1]
        if above:
            subchart = _subchart_prefix(prefix, above[0])
            yield f"{subchart}{'.'.join(above)}", f"{subchart}{path}"


def _subchart_prefix(location: str, first_key: str) -> str:
    """Return the value path of the subchart that a template belongs to, with a dot; empty for the chart itself."""
    names = re.findall(r"charts/([\w.-]+)/", location)
    return "" if first_key == "global" else "".join(f"{name}." for name in names)


def _suspects(message: str, chart: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the value paths that a message is about: those it names, then those of the lines it points at."""
    known = {".".join(keys): value for keys, value in leaves(values)}
    for path in REFERENCE.findall(message):
        yield path
    for word in re.findall(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+", message):
        if word in known:
            yield word
    for template, number in re.findall(r"[\w.-]+/((?:charts/[\w.-]+/)*templates/[\w./-]+):(\d+)", message):
        lines = read_text_or_empty(chart / template).splitlines()
        at_line = int(number) - 1
        if not 0 <= at_line < len(lines):
            continue
        for line in reversed(lines[max(0, at_line - LINES_BEFORE) : at_line + 1]):
            for path in REFERENCE.findall(line):
                yield f"{_subchart_prefix(template, path.partition('.')[0])}{path}"
            if "fail" not in line and "required" in line:
                break
    mentioned = {normalized(word) for word in re.findall(r"[A-Za-z_][\w.-]*", message)}
    for path, value in known.items():
        if value in ("", None) and (normalized(path) in mentioned or normalized(path.rpartition(".")[2]) in mentioned):
            yield path
