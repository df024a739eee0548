"""Generated mutants of the application, judged by the tests of a running application in containers, without a cluster.

    python -m mutants.app [--component frontend] [--module tasks] [--shard 1/4] [--sample 40] [--survivors]

Every result is kept by the content of the mutated file and of the tests: an interrupted run goes on where it stopped.
Exit code 1 if less than 90 % of the mutants that are not equivalent are killed, 2 if they could not be judged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import pytest
from rich.console import Console
from rich.table import Column, Table

from acceptance.core.git import checkout
from acceptance.core.rules import ROOT
from acceptance.core.shard import parse_shard
from mutants import options
from mutants.app import lists
from mutants.app.mutant import Mutant
from mutants.app.python_source import mutants
from mutants.app.session import MutantSession, Result
from mutants.app.stryker import instrument
from mutants.app.tests import MODULES
from mutants.copies import copied
from mutants.equivalent import Equivalent
from mutants.live import SUITE
from toolchain.console import ToolchainError

SOURCES = ROOT / "app" / "backend"
PACKAGE = "todo_backend"
RESULTS = ROOT / "reports" / "mutants-app"
MINIMUM = 0.9
"""The share of the mutants that must be killed, without the equivalent ones."""


@dataclass
class Score:
    """What became of the mutants of one module."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0
    elsewhere: int = 0
    """Not judged here."""
    waiting: int = 0
    """Not judged yet."""

    @property
    def share(self) -> float:
        """The share of the judged mutants that are killed, without the equivalent ones."""
        return self.killed / max(1, self.killed + self.survived)

    def add(self, other: Score) -> None:
        """Add the mutants of another module."""
        for field, count in asdict(other).items():
            setattr(self, field, getattr(self, field) + count)


def every(module: str | None = None) -> Iterator[Mutant]:
    """Yield every mutant of a module of the backend, or of all."""
    for path in sorted((SOURCES / PACKAGE).rglob("*.py")):
        if module in (None, path.stem):
            yield from mutants(PurePosixPath(path.relative_to(SOURCES)), path.read_text(encoding="utf-8"))


def select(found: Iterable[Mutant], shard: tuple[int, int], sample: int | None = None, seed: str = "") -> list[Mutant]:
    """Return the mutants that are in a shard, or some of them, in a random order that is the same for the same seed."""
    number, shards = shard
    chosen = [each for each in found if int(each.key, 16) % shards == number - 1]
    return random.Random(seed).sample(chosen, min(len(chosen), sample or len(chosen)))  # noqa: S311 - not for cryptography


def state_of_tests() -> str:
    """Return a digest of what judges the mutants."""
    digest = hashlib.sha256()
    for name in (*SUITE, *MODULES, "target.toml"):
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*.py")]):
            if path.is_file():
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Results:
    """The results of mutants, a file each; a survivor is judged again when the tests have changed."""

    def __init__(self, folder: Path, tests: str) -> None:
        self._folder = folder
        self._tests = tests

    def read(self, mutant: Mutant) -> Result | None:
        """Return the result of an earlier run, or None."""
        try:
            kept = json.loads(self._place(mutant).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if kept["killed_by"] is None and kept["tests"] != self._tests:
            return None
        return Result(kept["killed_by"], kept["seconds"])

    def write(self, mutant: Mutant, result: Result) -> None:
        """Keep a result."""
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"mutant": mutant.name, "line": mutant.line, "tests": self._tests, **asdict(result)}
        staging = self._place(mutant).with_suffix(".new")
        staging.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        staging.replace(self._place(mutant))

    def _place(self, mutant: Mutant) -> Path:
        return self._folder / f"{mutant.key}.json"


def judge(chosen: Sequence[Mutant], target: Path, results: Results, console: Console) -> str | None:
    """Judge mutants on the release of a target and keep their results; return why they could not be judged, or None."""

    def report(mutant: Mutant, result: Result) -> None:
        results.write(mutant, result)
        what = f"killed by {result.killed_by}" if result.killed_by else "SURVIVED"
        console.print(f"{result.seconds:5.1f} s  {mutant.file}:{mutant.line}  {what}", markup=False, soft_wrap=True)

    session = MutantSession(chosen, report)
    with tempfile.TemporaryDirectory(prefix="mutants-app-") as reports:
        argv = ["--cluster-provider", "none", "--target", str(target), "--reports", reports]
        argv += ["-p", "no:terminal", "-p", "no:cacheprovider"]
        code = pytest.main([*argv, *(str(ROOT / module) for module in MODULES)], plugins=[session])
    if session.problem or all(map(results.read, chosen)):
        return session.problem
    return f"pytest ended early, with exit code {code}; the results so far are kept"


def summarize(chosen: Sequence[Mutant], results: Results, console: Console, *, only_survivors: bool) -> Score:
    """Print the survivors and a table of the modules, and return the total."""
    scores: dict[str, Score] = {}
    entries: Counter[Equivalent] = Counter()
    for mutant in chosen:
        score = scores.setdefault(str(mutant.file), Score())
        if entry := lists.find(lists.ELSEWHERE, mutant):
            score.elsewhere += 1
            entries[entry] += 1
            continue
        result = results.read(mutant)
        if result is None:
            score.waiting += 1
        elif result.killed_by:
            score.killed += 1
        elif entry := lists.find(lists.EQUIVALENT, mutant):
            score.equivalent += 1
            entries[entry] += 1
        else:
            score.survived += 1
            console.print(f"survived: line {mutant.line} of {mutant.name}", markup=False, soft_wrap=True)
    if not only_survivors:
        for entry, count in entries.items():
            what = "not judged here" if entry in lists.load(lists.ELSEWHERE) else "equivalent"
            console.print(f"{what}: {count:>4} of {entry.pattern}: {entry.reason}", markup=False, soft_wrap=True)
    figures = ("killed", "survived", "equivalent", "not judged here", "not judged yet", "score")
    table = Table(Column("module", no_wrap=True), *(Column(name, justify="right") for name in figures))
    total = Score()
    for module, score in sorted(scores.items()):
        add_row(table, module.removeprefix(f"{PACKAGE}/"), score)
        total.add(score)
    add_row(table, "all", total)
    console.print(table)
    return total


def add_row(table: Table, name: str, score: Score) -> None:
    """Add the score of a module to the table."""
    judged = score.killed + score.survived
    table.add_row(name, *map(str, asdict(score).values()), f"{score.share:.1%}" if judged else "")


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the chosen mutants, and return the exit code."""
    parser = options.Parser(prog="python -m mutants.app", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--component", choices=("backend", "frontend"), default="backend", help="default: backend")
    parser.add_argument("--module", help="mutants of one module, such as tasks (default: all)")
    parser.add_argument("--shard", type=parse_shard, default=(1, 1), metavar="N/M", help="one of M shards")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants, chosen by the commit (default: all)")
    parser.add_argument("--survivors", action="store_true", help="print survivors and scores only")
    chosen = parser.parse_args(argv)
    console = Console()
    if chosen.component == "backend":
        return run(list(every(chosen.module)), ROOT / "target.toml", chosen, console)
    with copied() as root:
        try:
            found = instrument(root / "app" / "frontend")
        except ToolchainError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return 2
        found = [each for each in found if chosen.module in (None, each.file.stem)]
        return run(found, root / "target.toml", chosen, console)


def run(found: Sequence[Mutant], target: Path, chosen: argparse.Namespace, console: Console) -> int:
    """Judge the chosen ones of a component's mutants, and return the exit code."""
    selected = select(found, chosen.shard, chosen.sample, checkout(ROOT).commit or "")
    if not selected:
        sys.stderr.write("ERROR: no mutant was selected\n")
        return 2
    results = Results(RESULTS, state_of_tests())
    judged_here = [each for each in selected if lists.find(lists.ELSEWHERE, each) is None]
    open_mutants = [each for each in judged_here if results.read(each) is None]
    open_mutants.sort(key=lambda mutant: lists.find(lists.EQUIVALENT, mutant) is not None)
    earlier = len(judged_here) - len(open_mutants)
    console.print(f"{len(selected)} mutants, {len(judged_here)} judged here, {earlier} of them by earlier runs")
    problem = judge(open_mutants, target, results, console) if open_mutants else None
    total = summarize(selected, results, console, only_survivors=chosen.survivors)
    if problem:
        sys.stderr.write(f"ERROR: {problem}\n")
        return 2
    return 0 if total.share >= MINIMUM else 1


if __name__ == "__main__":
    sys.exit(main())
