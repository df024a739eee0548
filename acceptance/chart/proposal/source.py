"""The chart that a user names: a folder or an archive, or one sentence that says why it is neither."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from acceptance.core.archive import ArchiveError, is_archive, unpacked
from acceptance.core.fields import text_at
from acceptance.kube.manifests import loader_of, read_text_or_empty

SEARCH_DEPTH = 5
"""Levels of folders in which charts are looked for."""
SKIPPED = {".git", "node_modules", ".venv", "venv", "charts"}


class InitError(Exception):
    """No target can be proposed; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class ChartSource:
    """A chart: as the user named it, and the folder that has its files."""

    named: Path
    folder: Path
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The chart's name, as Chart.yaml states it."""
        return str(self.metadata["name"])

    def values_files(self) -> list[Path]:
        """Return the shipped values files beside values.yaml, as paths below `named`."""
        found = [*sorted(self.folder.glob("*.y*ml")), *sorted((self.folder / "values").glob("*.y*ml"))]
        return [
            self.named / path.relative_to(self.folder)
            for path in found
            if path.name not in ("values.yaml", "Chart.yaml")
            and (path.parent != self.folder or re.search(r"(^|[-_.])values([-_.]|$)", path.stem + "."))
        ]

    def test_values(self) -> list[str]:
        """Return the values files for tests of the chart (`ci/*-values.yaml`), below the chart's folder."""
        return [str(path.relative_to(self.folder)) for path in sorted((self.folder / "ci").glob("*values.y*ml"))]


def open_chart(named: str | Path) -> ChartSource:
    """Return the chart that the user named.

    Raises:
        InitError: It is not a chart that Helm can render; the message holds the cure.
    """
    text = str(named)
    if re.match(r"(oci|https?):/", text):
        raise InitError(f"{text} is not on this machine: run `helm pull {text} --untar` and name the folder it makes")
    path = Path(named)
    if not path.exists():
        hint = " (a chart of a repository: run `helm pull NAME --untar` first)" if text.count("/") == 1 else ""
        raise InitError(f"{path} does not exist; name the chart's folder or its .tgz{hint}")
    if path.is_file():
        return _from_file(path)
    _require_chart_yaml(path)
    return ChartSource(path, path, _metadata(path))


def _from_file(path: Path) -> ChartSource:
    if is_archive(path):
        try:
            folder = unpacked(path)
        except ArchiveError as error:
            raise InitError(str(error)) from error
        return ChartSource(path, folder, _metadata(folder))
    if path.name == "Chart.yaml":
        return ChartSource(path.parent, path.parent, _metadata(path.parent))
    raise InitError(f"{path} is a file, but no chart archive (.tgz); name the chart's folder")


def _require_chart_yaml(folder: Path) -> None:
    """Raise `InitError` for a folder without a Chart.yaml, with what the folder is instead."""
    if (folder / "Chart.yaml").is_file():
        return
    names = {path.name for path in folder.iterdir()}
    if misspelt := next((name for name in sorted(names) if name.lower() in ("chart.yaml", "chart.yml")), None):
        raise InitError(f"{folder} has {misspelt}, but Helm only reads Chart.yaml: rename the file")
    if charts := sorted(map(str, _charts_below(folder))):
        raise InitError(f"{folder} has no Chart.yaml; it contains charts: name one of {', '.join(charts[:8])}")
    if archives := sorted(str(path) for path in folder.glob("*.tgz")):
        raise InitError(f"{folder} has no Chart.yaml; it contains archives: name one of {', '.join(archives[:8])}")
    if names & {"kustomization.yaml", "kustomization.yml", "Kustomization"}:
        raise InitError(f"{folder} has no Chart.yaml: it is a Kustomize folder, and only Helm charts are tested")
    if any(re.search(r"^kind:", read_text_or_empty(path), re.M) for path in folder.glob("*.y*ml")):
        raise InitError(f"{folder} has no Chart.yaml: it holds plain manifests, and only Helm charts are tested")
    raise InitError(f"{folder} is not a chart: it has no Chart.yaml; name the chart's folder")


def _charts_below(folder: Path, depth: int = SEARCH_DEPTH) -> Iterator[Path]:
    """Yield the folders with a Chart.yaml below a folder, without subcharts."""
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if not entry.is_dir(follow_symlinks=False) or (entry.name in SKIPPED and entry.name != "charts"):
            continue
        path = Path(entry.path)
        if (path / "Chart.yaml").is_file():
            yield path
        elif depth > 1:
            yield from _charts_below(path, depth - 1)


def _metadata(folder: Path) -> dict[str, Any]:
    """Return Chart.yaml. Raises `InitError` where Helm could not load or install the chart."""
    path = folder / "Chart.yaml"
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError as error:
        raise InitError(f"{path} is not valid YAML: {' '.join(str(error).split())}; correct it") from error
    if not isinstance(loaded, dict):
        raise InitError(f"{path} is not a mapping; write the chart's apiVersion, name and version into it")
    for key in ("name", "version"):
        if loaded.get(key) in (None, ""):
            raise InitError(f"{path} has no {key}, without which Helm loads no chart; add it")
    if loaded.get("type") == "library":
        raise InitError(f"{folder} is a library chart, which renders no objects; name the chart that uses it")
    return loaded


def loading_error(message: str, source: ChartSource) -> str | None:
    """Return the sentence with the cure for a chart that Helm can't load; None where Helm did load it."""
    folder = source.folder
    if "Chart.yaml file is missing" in message:
        return _ignored(folder)
    if match := re.search(r"missing in charts/ directory: ([^;]*?)(?: Use |$)", message):
        return (
            f"the dependencies of {source.named} are not built ({match[1].strip()}): "
            f"run `helm dependency build {source.named}`"
        )
    if "Chart.lock" in message or "out of sync" in message:
        return f"the lock file of {source.named} does not fit: run `helm dependency update {source.named}` ({message})"
    if re.search(r"(cannot load|failed to parse|error converting) (.*/)?values\.yaml|cannot load values", message):
        return f"{folder / 'values.yaml'} is not what Helm can read: {message}; correct it"
    if "schema" in message and (mistake := _json_mistake(folder / "values.schema.json")) is not None:
        return f"{folder / 'values.schema.json'} is not valid JSON: {mistake}; correct it"
    if re.search(r"chart requires kubeVersion", message):
        return f"{message}; correct kubeVersion in {folder / 'Chart.yaml'}"
    return None


def _json_mistake(path: Path) -> str | None:
    """Return why a file is not valid JSON; None if it is, or is absent."""
    try:
        json.loads(read_text_or_empty(path) or "{}")
    except ValueError as error:
        return str(error)
    return None


def _ignored(folder: Path) -> str:
    """Return the sentence on the pattern of .helmignore by which Helm ignores Chart.yaml."""
    path = folder / ".helmignore"
    lines = [(number, line.strip()) for number, line in enumerate(read_text_or_empty(path).splitlines(), 1)]
    if negated := [(number, pattern) for number, pattern in lines if pattern.startswith("!")]:
        several = len(negated) > 1
        where = f"line{'s' if several else ''} {', '.join(str(number) for number, _ in negated)}"
        patterns = ", ".join(f'"{pattern}"' for _, pattern in negated)
        what = "each of these" if several else f'"{negated[0][1][1:]}"'
        remedy = f"remove the line{'s' if several else ''}"
        ignored = f"Helm ignores every file that does not match {what}, Chart.yaml too"
        return f"{path}, {where}: with {patterns} {ignored}; {remedy}"
    for number, pattern in lines:
        if pattern and not pattern.startswith("#") and fnmatch("Chart.yaml", pattern.strip("/")):
            return f'{path}, line {number}: with "{pattern}" Helm ignores Chart.yaml; remove the line'
    return f"Helm finds no Chart.yaml in {folder}; correct {path}"


def given_values(path: Path) -> dict[str, Any]:
    """Return the values of a user's values file. Raises `InitError` where it has none."""
    try:
        text = path.read_text(encoding="utf-8")
        loaded = yaml.load(text, loader_of(text))  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InitError(f"cannot read the values file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InitError(f"the values file {path} is not valid YAML: {' '.join(str(error).split())}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InitError(f"the values file {path} is not a mapping of values but a {type(loaded).__name__}")
    return loaded


def default_release(metadata: Mapping[str, Any]) -> str:
    """Return the chart's name as a release name, with which the usual name helpers give short names."""
    name = re.sub(r"[^a-z0-9-]+", "-", text_at(metadata, "name").lower()).strip("-")
    return name[:53].rstrip("-") or "todo"
