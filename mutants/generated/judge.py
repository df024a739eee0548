"""Judges generated mutants of objects, with one process per core: the first finding of any rule kills a mutant."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from acceptance import checks
from acceptance.checks.finding import Untested, Waived
from acceptance.checks.registry import Check
from acceptance.checks.snapshot import Snapshot
from acceptance.core.target import Target
from mutants.generated import objects

BATCH = 40


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

    def __init__(self, base: Snapshot, target: Target) -> None:
        self.base = base
        self.target = target
        self.mutants = list(objects.every(base))
        timed: list[tuple[float, Check]] = []
        for check in checks.for_level(base.source):
            if check.rule not in CHART_FILES:
                start = time.process_time()
                self._run(check, base)
                timed.append((time.process_time() - start, check))
        self.checks = [check for _, check in sorted(timed, key=lambda each: each[0])]

    def _run(self, check: Check, snapshot: Snapshot) -> str | None:
        try:
            found = check(snapshot, self.target)
        except (Untested, Waived):
            return None
        return str(found[0]) if found else None

    def outcome(self, mutant: objects.Mutant) -> Outcome:
        """Return the first finding on a mutant."""
        altered = mutant.apply(self.base)
        found = (self._run(check, altered) for check in self.checks)
        return Outcome(mutant.id, next((each for each in found if each is not None), None))


_judges: dict[str, Judge] = {}


def _start(bases: Sequence[Snapshot], target: Target) -> None:
    """Prepare a process of the pool."""
    _judges.update({base.source: Judge(base, target) for base in bases})


def _judge(level: str, start: int) -> list[Outcome]:
    judge = _judges[level]
    return [judge.outcome(mutant) for mutant in judge.mutants[start : start + BATCH]]


def outcomes(bases: Sequence[Snapshot], target: Target) -> Iterator[Outcome]:
    """Yield the outcome of every generated mutant of the snapshots, in their order."""
    batches = [(base.source, start) for base in bases for start in range(0, sum(1 for _ in objects.every(base)), BATCH)]
    with ProcessPoolExecutor(os.cpu_count(), initializer=_start, initargs=(bases, target)) as pool:
        for batch in pool.map(_judge, *zip(*batches, strict=True)):
            yield from batch
