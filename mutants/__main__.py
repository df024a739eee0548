"""`python -m mutants`: run every mutant of snapshots, chart and image against its rule.

Exit code 1 if a mutant survives (its own rule does not find it); 2 if the unmodified chart has findings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.core.target import load
from acceptance.kube.helm import find_helm
from mutants import charts, images, neutral, snapshots
from mutants.bases import base_snapshots, release_rendering
from toolchain.console import ToolchainError


@dataclass(frozen=True)
class MutantResult:
    """One mutant's result: its rule's finding (None if it survived), and the other rules that found it."""

    mutant: str
    rule: str
    finding: str | None
    other_rules: str = ""


def results(renderer: Renderer) -> Iterator[MutantResult]:
    """Run every mutant; raise `ValueError` if one changes nothing."""
    unmodified, target = base_snapshots(renderer), renderer.target
    for each in snapshots.every():
        finding = each.killed_by(unmodified[each.level], target)
        others = "" if finding else each.found_by_other_rules(unmodified[each.level], target)
        yield MutantResult(each.id, each.rule, finding, others)

    def run_chart_mutant(mutant: charts.Mutant) -> MutantResult:
        finding = mutant.killed_by(renderer.helm, target)
        others = "" if finding else mutant.found_by_other_rules(renderer.helm, target)
        return MutantResult(mutant.id, mutant.rule, finding, others)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(run_chart_mutant, charts.every())
    yield from (MutantResult(each.id, each.rule, each.killed_by(target), "nothing") for each in images.every())


def false_positives(renderer: Renderer) -> Iterator[str]:
    """Yield findings on charts that break no rule: the unmodified one and its neutral variants."""
    unmodified, target = base_snapshots(renderer), renderer.target
    for level, snapshot in unmodified.items():
        yield from (f"unmodified, {level}: {each}" for each in checks.run_checks(snapshot, target).findings)
    release = release_rendering(renderer, unmodified["static"])
    for variant in neutral.every():
        for result in variant.run_checks(unmodified, release, target):
            yield from (f"{variant.name}: {each}" for each in result.findings)


def main() -> int:
    """Print every mutant's result and return the exit code."""
    target = load()
    try:
        renderer = Renderer(find_helm(), target)
    except ToolchainError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    if findings := list(false_positives(renderer)):
        sys.stderr.write("\n".join(findings) + "\n")
        return 2
    count = survivors = 0
    for result in results(renderer):
        count += 1
        survivors += result.finding is None
        outcome = result.finding or f"SURVIVED (found by {result.other_rules})"
        sys.stdout.write(f"{result.mutant:<72} {result.rule:<7} {outcome}\n")
    variants = len(neutral.every())
    sys.stdout.write(f"{count} mutants, {survivors} survivors; {variants} neutral variants, no finding\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
