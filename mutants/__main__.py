"""`python -m mutants`: every mutant of snapshots and of the chart, its rule, and what killed it.

Exit 1 where one survives, or where only another rule's check sees it; 2 where the unaltered chart has findings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from acceptance import checks, render, target
from acceptance.render import Renderer
from mutants import charts, neutral, snapshots
from mutants.bases import bases, installed
from toolchain.console import ToolchainError


@dataclass(frozen=True)
class Line:
    """One mutant's row; `killed` is None for a survivor."""

    mutant: str
    rule: str
    killed: str | None
    other: str = ""


def lines(renderer: Renderer) -> Iterator[Line]:
    """Every mutant, as its rule judged it; raises `ValueError` where an edit does not apply."""
    unaltered, wanted = bases(renderer), renderer.target
    for each in snapshots.every():
        killed = each.killed_by(unaltered[each.level], wanted)
        other = "" if killed else each.caught_elsewhere(unaltered[each.level], wanted)
        yield Line(each.id, each.rule, killed, other)

    def judge(each: charts.Mutant) -> Line:
        killed = each.killed_by(renderer.helm, wanted)
        return Line(each.id, each.rule, killed, "" if killed else each.caught_elsewhere(renderer.helm, wanted))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(judge, charts.every())


def complaints(renderer: Renderer) -> Iterator[str]:
    """Findings on what is not broken: the chart as it is, and other ways of writing it."""
    unaltered, wanted = bases(renderer), renderer.target
    for level, snapshot in unaltered.items():
        yield from (f"unaltered, {level}: {each}" for each in checks.judge(snapshot, wanted).findings)
    live = installed(renderer, unaltered["static"])
    for variant in neutral.every():
        for judgement in variant.judge(unaltered, live, wanted):
            yield from (f"{variant.name}: {each}" for each in judgement.findings)


def main() -> int:
    console = Console(soft_wrap=True)
    wanted = target.load()
    try:
        renderer = Renderer(render.locate(), wanted)
    except ToolchainError as error:
        console.print(str(error), markup=False)
        return 2
    if wrong := list(complaints(renderer)):
        console.print("\n".join(wrong), markup=False)
        return 2
    table = Table("mutant", "rule", "killed by", box=None)
    survivors = 0
    seen = list(lines(renderer))
    for line in seen:
        survivors += line.killed is None
        verdict = line.killed or f"SURVIVED (seen by {line.other})"
        table.add_row(*(text.replace("[", r"\[") for text in (line.mutant, line.rule, verdict)))
    console.print(table)
    console.print(f"{len(seen)} mutants, {survivors} survivors; {len(neutral.every())} neutral variants, no finding")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
