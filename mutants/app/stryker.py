"""Mutants of the frontend by Stryker's instrumenter: one build contains all of them, and a process switches one on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mutants.app.mutant import Mutant
from toolchain.console import ToolchainError, run

SWITCH = "__STRYKER_ACTIVE_MUTANT__"
"""Stryker's variable with the identifier of the mutant that is on."""
INSTRUMENTER = Path(__file__).with_name("frontend")
"""A Node.js package of its own, so that the application does not depend on Stryker."""
PATTERNS = ("lib/*.ts", "instrumentation.ts", "observe.js", "app/**/route.ts", "app/**/page.tsx", "app/**/layout.tsx")
"""What runs on the server, where the variable is read."""


def sources(folder: Path) -> list[str]:
    """Return the files that are mutated, relative to the frontend's folder."""
    return sorted({path.relative_to(folder).as_posix() for pattern in PATTERNS for path in folder.glob(pattern)})


def instrument(folder: Path) -> list[Mutant]:
    """Put every mutant into a copy of the frontend's sources, and return them. Raises `ToolchainError`."""
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in sources(folder)}
    try:
        if not (INSTRUMENTER / "node_modules").is_dir():
            run(["npm", "ci", "--prefix", INSTRUMENTER, "--no-audit", "--no-fund"])
        found = json.loads(run(["node", INSTRUMENTER / "instrument.mjs", folder, *texts]))
    except OSError as error:
        raise ToolchainError(f"{error.filename} can't be run: install Node.js 20 or newer with npm") from error
    return list(parse(found, texts))


def parse(found: Sequence[dict[str, Any]], texts: dict[str, str]) -> Iterator[Mutant]:
    """Yield the mutants that the instrumenter reports; texts for people are not judged.

    Args:
        found: The instrumenter's report.
        texts: The unchanged files by name.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for each in found:
        name, after = each["file"], each["replacement"]
        before = cut(texts[name], each["start"], each["end"])
        if each["mutator"] == "StringLiteral" and " " in before.strip():
            continue
        counts[name, before, after] += 1
        number = counts[name, before, after]
        line = each["start"]["line"] + 1
        yield Mutant("frontend", PurePosixPath(name), line, before, after, number, texts[name], each["id"])


def cut(text: str, start: dict[str, int], end: dict[str, int]) -> str:
    """Return the text between two places, each a line and a column from 0."""
    lines = text.splitlines(keepends=True)[start["line"] : end["line"] + 1]
    lines[-1] = lines[-1][: end["column"]]
    lines[0] = lines[0][start["column"] :]
    return "".join(lines)
