"""Judges the mutants written by hand, with one process per core."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from acceptance.chart.renderer import Renderer
from mutants import charts, draft, images, snapshots
from mutants.bases import base_snapshots

Mutant = draft.Mutant | charts.Mutant | images.Mutant
BATCH = 40
"""Mutants of snapshots that a process takes at once."""


@dataclass(frozen=True)
class MutantResult:
    """One mutant's result: its rule's finding (None if it survived), and the other rules that found it."""

    mutant: str
    rule: str
    finding: str | None
    other_rules: str = ""


def every() -> list[Mutant]:
    """Return every mutant of the chart, of which each takes long, then those of snapshots and images."""
    return [*charts.every(), *snapshots.every(), *images.every()]


def results(renderer: Renderer, rules: Collection[str] = ()) -> Iterator[MutantResult]:
    """Judge every mutant, or those of some rules; raise `ValueError` if one changes nothing."""
    mutants = every()
    chosen = [number for number, each in enumerate(mutants) if not rules or each.rule in rules]
    slow = sum(isinstance(mutants[number], charts.Mutant) for number in chosen)
    batches = [[number] for number in chosen[:slow]]
    batches += [chosen[start : start + BATCH] for start in range(slow, len(chosen), BATCH)]
    judge = _judge_of(renderer)
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork"), _start, (judge, mutants)) as pool:
        for batch in pool.map(_judge, batches):
            yield from batch


Judge = Callable[[Mutant], MutantResult]


def _judge_of(renderer: Renderer) -> Judge:
    """Return a function that judges one mutant."""
    unmodified, target = base_snapshots(renderer), renderer.target

    def judge(mutant: Mutant) -> MutantResult:
        if isinstance(mutant, images.Mutant):
            return MutantResult(mutant.id, mutant.rule, mutant.killed_by(target), "nothing")
        if isinstance(mutant, charts.Mutant):
            finding = mutant.killed_by(renderer.helm, target)
            others = "" if finding else mutant.found_by_other_rules(renderer.helm, target)
        else:
            finding = mutant.killed_by(unmodified[mutant.level], target)
            others = "" if finding else mutant.found_by_other_rules(unmodified[mutant.level], target)
        return MutantResult(mutant.id, mutant.rule, finding, others)

    return judge


_started: list[tuple[Judge, list[Mutant]]] = []


def _start(judge: Judge, mutants: list[Mutant]) -> None:
    """Prepare a process of the pool, which inherits the judge and the mutants."""
    _started.append((judge, mutants))


def _judge(numbers: list[int]) -> list[MutantResult]:
    judge, mutants = _started[-1]
    return [judge(mutants[number]) for number in numbers]
