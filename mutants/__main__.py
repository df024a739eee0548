"""`python -m mutants`: every mutant of snapshots, the chart and an image, its rule, and what killed it.

Exit 1 where one survives, or where only another rule's check sees it; 2 where the unaltered chart has findings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.core import target
from acceptance.kube.helm import find_helm
from mutants import charts, images, neutral, snapshots
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
    yield from (Line(each.id, each.rule, each.killed_by(wanted), "nothing") for each in images.every())


def complaints(renderer: Renderer) -> Iterator[str]:
    """Findings on what is not broken: the chart as it is, and other ways of writing it."""
    unaltered, wanted = bases(renderer), renderer.target
    for level, snapshot in unaltered.items():
        yield from (f"unaltered, {level}: {each}" for each in checks.run_checks(snapshot, wanted).findings)
    live = installed(renderer, unaltered["static"])
    for variant in neutral.every():
        for judgement in variant.judge(unaltered, live, wanted):
            yield from (f"{variant.name}: {each}" for each in judgement.findings)


def main() -> int:
    wanted = target.load()
    try:
        renderer = Renderer(find_helm(), wanted)
    except ToolchainError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    if wrong := list(complaints(renderer)):
        sys.stderr.write("\n".join(wrong) + "\n")
        return 2
    count = survivors = 0
    for line in lines(renderer):
        count += 1
        survivors += line.killed is None
        verdict = line.killed or f"SURVIVED (seen by {line.other})"
        sys.stdout.write(f"{line.mutant:<72} {line.rule:<7} {verdict}\n")
    variants = len(neutral.every())
    sys.stdout.write(f"{count} mutants, {survivors} survivors; {variants} neutral variants, no finding\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
