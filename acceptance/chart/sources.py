"""The names in the source that an image is built from, and the environment variables that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from acceptance.checks.snapshot import SourceNames
from acceptance.core.target import Target
from acceptance.kube.manifests import read_text_or_empty

SUFFIXES = frozenset({".py", ".js", ".cjs", ".mjs", ".ts", ".tsx", ".jsx", ".go", ".rs", ".rb", ".sh"})
"""Files of programs; those of other kinds, as lock files, read no variable."""
LEFT_OUT = frozenset({"node_modules", ".venv", "venv", ".next", "dist", "tests", "test", "__tests__", ".git"})
"""Folders that hold what others wrote or what no image runs."""
NAME = re.compile(r"[A-Za-z_]\w*")
READ = re.compile(
    r"(?:environ\s*\[|environ\.get\(|getenv\(|Getenv\(|LookupEnv\(|process\.env\[|\balias=)\s*[\"']([A-Z][A-Z0-9_]*)[\"']"
    r"|process\.env\.([A-Z][A-Z0-9_]*)"
)
"""How Python, Go and Node.js read a variable by its name, and the alias of a field of settings."""
REQUIRED = re.compile(r"\benviron\[[\"']([A-Z][A-Z0-9_]*)[\"']\]")
"""How Python reads a variable without a default."""
DYNAMIC = re.compile(
    r"env_?prefix|AutomaticEnv|environ\.items\(|Object\.(?:keys|entries)\(process\.env\)", re.IGNORECASE
)
"""Programs that read variables whose names they do not spell out: nothing is known of what they read."""


def of_components(target: Target) -> dict[str, SourceNames]:
    """Return the names in the source of each component's image, where the target names its context."""
    contexts = {str(name): component.image.context for name, component in target.components.items()}
    found = {name: names_in(target.root / context) for name, context in contexts.items() if context}
    return {name: names for name, names in found.items() if names is not None}


@cache
def names_in(folder: Path) -> SourceNames | None:
    """Return the names in a folder's programs; None if it has none or reads others too."""
    names: set[str] = set()
    reads: set[str] = set()
    modules: set[str] = set()
    required: dict[str, frozenset[str]] = {}
    for path in _programs(folder):
        text = read_text_or_empty(path)
        if DYNAMIC.search(text):
            return None
        if path.suffix == ".py":
            of_file = list(_modules(path.relative_to(folder)))
            modules.update(of_file)
            needed = frozenset(name for name in REQUIRED.findall(text) if len(re.findall(rf"\b{name}\b", text)) == 1)
            required |= dict.fromkeys(of_file, needed)
        names.update(each.upper() for each in NAME.findall(text))
        reads.update(first or second for first, second in READ.findall(text))
    return SourceNames(frozenset(names), frozenset(reads), frozenset(modules), required) if reads else None


def _modules(path: Path) -> Iterator[str]:
    """Yield the names of a Python file's module, from each folder that it may be run in; a package by `__main__`."""
    parts = path.with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__main__" else parts
    yield from (".".join(parts[start:]) for start in range(len(parts)))


def _programs(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            if path.name not in LEFT_OUT:
                yield from _programs(path)
        elif path.suffix in SUFFIXES:
            yield path
