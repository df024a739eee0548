"""Judges generated mutants of objects, with one process per core: the first finding of any rule kills a mutant."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.checks.finding import Untested
from acceptance.checks.registry import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from mutants import equivalent
from mutants.generated import altered, objects
from toolchain.console import ToolchainError

BATCH = 40
RECENT = 4


@dataclass(frozen=True)
class Outcome:
    """A generated mutant's name, the finding that killed it, and else the reason why users would not notice it."""

    id: str
    finding: str | None
    equivalent: str | None = None


CHART_FILES = frozenset({*(f"CHT-0{number}" for number in range(1, 8)), "CHT-10", "CHT-15"})
"""Rules of the chart's files and values, which no object can break."""


class Judge:
    """Runs the checks of one snapshot's level of its objects, the fastest first."""

    def __init__(self, base: Snapshot, target: Target, renderer: Renderer | None = None) -> None:
        self.base = base
        self.target = target
        self.renderer = renderer
        self.mutants = list(objects.every(base))
        timed: list[tuple[float, Check]] = []
        for check in checks.for_level(base.source):
            if check.rule not in CHART_FILES:
                start = time.process_time()
                self._run(check, base)
                timed.append((time.process_time() - start, check))
        self.recent: tuple[Check, ...] = ()
        """The checks that killed the latest mutants, which are asked first: neighbours have the same field."""
        self.checks = [check for _, check in sorted(timed, key=lambda each: each[0])]

    def _run(self, check: Check, snapshot: Snapshot) -> str | None:
        try:
            found = check(snapshot, self.target)
        except Untested as reason:
            if isinstance(reason.__cause__, ToolchainError):
                raise  # a mutant that no rule could judge is no survivor
            return None
        return str(found[0]) if found else None

    def outcome(self, mutant: objects.Mutant) -> Outcome:
        """Return the first finding on a mutant: of a rule on its objects, or on what changed values do to them.

        The latter is asked for where a mutant is not equivalent without it.

        Raises:
            Untested: The API server's rules can't judge it.
        """
        snapshot = mutant.apply(self.base)
        finding = None
        for check in (*self.recent, *(each for each in self.checks if each not in self.recent)):
            if (finding := self._run(check, snapshot)) is not None:
                self.recent = (check, *(each for each in self.recent if each is not check))[:RECENT]
                break
        if finding is None and self.renderer is not None and equivalent.find(mutant.id) is None:
            finding = altered.finding(self.renderer, mutant)
        return Outcome(mutant.id, finding)


_judges: dict[str, Judge] = {}


def _start(bases: Sequence[Snapshot], renderer: Renderer) -> None:
    """Prepare a process of the pool."""
    _judges.update({each.source: Judge(each, renderer.target, renderer if each.chart else None) for each in bases})


def _judge(level: str, start: int) -> list[Outcome]:
    judge = _judges[level]
    return [judge.outcome(mutant) for mutant in judge.mutants[start : start + BATCH]]


def outcomes(bases: Sequence[Snapshot], renderer: Renderer) -> Iterator[Outcome]:
    """Yield the outcome of every generated mutant of the snapshots, in their order."""
    altered.prepare(renderer)
    batches = [(base.source, start) for base in bases for start in range(0, sum(1 for _ in objects.every(base)), BATCH)]
    with ProcessPoolExecutor(
        os.cpu_count(), get_context("fork"), initializer=_start, initargs=(bases, renderer)
    ) as pool:
        for batch in pool.map(_judge, *zip(*batches, strict=True)):
            yield from batch
