"""Secrets that people make before they install the chart, and their keys, as documents or the source have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from acceptance.chart.proposal.build_commands import documents
from acceptance.chart.proposal.project import text_of
from acceptance.chart.proposal.roles import Workload, value_of
from acceptance.chart.proposal.vocabulary import PROVIDERS, SPECIFIED_KEYS, normalized, rank
from acceptance.checks.snapshot import is_custom
from acceptance.core.fields import Object, mapping_at, name_of, text_at
from acceptance.core.secret_scan import strings
from acceptance.kube.manifests import loader_of
from acceptance.kube.pod_templates import EnvVar

COMMAND = re.compile(r"\bcreate\s+secret\s+generic\s+(?P<name>[\w.-]+)(?P<rest>[^\n]*)")
LITERAL = re.compile(r"--from-literal[= ]+[\"']?([\w.-]+)=")
COMMENT = re.compile(r"^[ \t]*#[ \t]?", re.MULTILINE)
CONTINUED = re.compile(r"[ \t]*[\\`]\r?\n[ \t]*(?:#[ \t]*)?")
EXAMPLES = (".env.example", ".env.sample", ".env.template", "env.example")
VARIABLE = re.compile(r"^[ \t]*(?:#[ \t]?)?(?:export )?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
FOLDERS = 400
READ = re.compile(
    r"(?:getenv|environ\.get|environ\[|process\.env\.|process\.env\[)\(?\s*[\"']?([A-Z][A-Z0-9_]+)"
    r"|^[ \t]+([A-Z][A-Z0-9_]+)[ \t]*:[ \t]*(?:str|SecretStr|Optional\[)",
    re.MULTILINE,
)
"""A variable that a source reads: from the environment, or as a field of settings."""
SOURCES = frozenset({".py", ".ts", ".js", ".mjs"})
SOURCE_FILES = 600
MENTIONED = 10
"""What a provider that the rendered settings name adds to its key's rank."""
Keys = dict[str, str]
"""Keys of a Secret, and where each is said."""


def keys_of_secret(name: str, files: Sequence[Path], project: Path, shown: Callable[[Path], str]) -> Keys:
    """Return the keys of a Secret that the chart does not create.

    They are those of commands and manifests that make it, else of examples of the environment, else of the source.

    Args:
        name: The Secret's name.
        files: The project's files, the nearest first.
        project: The project's folder.
        shown: Returns a path as it is shown.
    """
    for kind in (_made(name, files), _examples(files, project), _read(files)):
        found: Keys = {}
        for path, key in kind:
            found.setdefault(key, shown(path))
        if any(rank(key, meaning) for key in found for meaning in SPECIFIED_KEYS):
            return found
    return {}


def _made(name: str, files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the keys that a command, also one in a comment, or a manifest gives the Secret."""
    for path, written in documents(files):
        text = CONTINUED.sub(" ", COMMENT.sub("", written))
        for match in COMMAND.finditer(text):
            if match["name"] == name:
                yield from ((path, key) for key in LITERAL.findall(match["rest"]))
        if path.suffix in (".yaml", ".yml") and "kind: Secret" in text:
            yield from ((path, key) for key in _in_manifest(name, written))


def _in_manifest(name: str, text: str) -> Iterator[str]:
    try:
        items = [item for item in yaml.load_all(text, Loader=loader_of(text)) if isinstance(item, dict)]
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    for item in items:
        if text_at(item, "kind") == "Secret" and name_of(item) == name:
            yield from (str(key) for part in ("data", "stringData") for key in mapping_at(item, part))


def _examples(files: Sequence[Path], project: Path) -> Iterator[tuple[Path, str]]:
    """Yield the variables of example files, which are hidden, of the folders that have other files."""
    folders = list(dict.fromkeys([project, *(path.parent for path in files)]))
    for folder in folders[:FOLDERS]:
        for example in EXAMPLES:
            for key in VARIABLE.findall(text_of(folder / example)):
                if any(rank(key, meaning) for meaning in SPECIFIED_KEYS):
                    yield folder / example, key


def _read(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    sources = [path for path in files if path.suffix in SOURCES and not {"test", "tests"} & set(path.parts)]
    for path in sources[:SOURCE_FILES]:
        for groups in READ.findall(text_of(path)):
            key = next(filter(None, groups))
            if any(rank(key, meaning) for meaning in SPECIFIED_KEYS):
                yield path, key


def key_of(meaning: str, keys: Sequence[str], workload: Workload | None) -> str | None:
    """Return the key with a meaning: of several providers' keys that of the one which the rendered settings name."""
    variables = [(each, workload) for each in workload.main_variables] if workload is not None else []
    named = {normalized(text) for each, of in variables for text in _texts(each, of)}
    mentioned = {each for each in PROVIDERS.split("|") if any(each in text for text in named)}

    def points(key: str) -> int:
        own = any(each in normalized(key) for each in mentioned)
        return rank(key, meaning) + MENTIONED * (own and meaning == "model_key")

    fitting = [key for key in keys if rank(key, meaning)]
    return max(fitting, key=points, default=None)


def _texts(variable: EnvVar, workload: Workload) -> Iterator[str]:
    """Yield a variable's name, and its value where that is a provider's name."""
    if variable.source != "Secret":
        yield variable.name
        if "provider" in normalized(variable.name):
            yield value_of(variable, workload.objects) or ""


def template_of(key: str) -> str:
    """Return what an existing Secret holds under a key: the run's credential of its meaning, or nothing."""
    ranks = {meaning: rank(key, meaning) for meaning in SPECIFIED_KEYS}
    best = max(ranks, key=lambda meaning: ranks[meaning])
    return f"{{{best}}}" if ranks[best] else ""


def is_made_by_controller(name: str, objects: Sequence[Object]) -> bool:
    """Whether an object of a controller's kind names a Secret, so that the controller may make it."""
    custom = [item for item in objects if is_custom(text_at(item, "apiVersion").rpartition("/")[0])]
    return any(text == name for item in custom for _, text in strings(item))


def referenced_keys(name: str, workloads: Sequence[Workload]) -> Mapping[str, str]:
    """Return the keys of a Secret without which pods do not start, and a variable of each."""
    return {
        each.key: each.name
        for workload in workloads
        for each in workload.all_variables
        if each.source == "Secret" and each.source_name == name and each.key and not each.optional
    }


def entry(name: str, data: Mapping[str, str], usual: Mapping[str, str]) -> dict[str, Any]:
    """Return the `[[existing_secrets]]` entry of a Secret, without its data where that has the usual keys alone."""
    return {"name": name} if dict(data) == dict(usual) else {"name": name, "data": dict(data)}
