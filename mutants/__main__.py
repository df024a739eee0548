"""Run the mutants of snapshots, chart and images, written by hand and generated.

    python -m mutants [--rules SVC-08,POD-04] [--source hand|generated|schema] [--survivors]

A mutant written by hand must be found by its own rule; a generated one by any rule, unless `mutants/equivalent.yaml`
says why users would not notice it. Exit code 1 if a mutant written by hand survives, or if fewer than 95 % of the
others are killed; 2 if the unmodified chart has findings.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from acceptance import checks
from acceptance.chart.renderer import Renderer
from acceptance.core.target import load
from acceptance.kube.helm import find_helm
from mutants import by_hand, equivalent, neutral, options
from mutants.bases import base_snapshots, release_rendering
from mutants.equivalent import Equivalent
from mutants.generated import constraints, judge
from mutants.generated.judge import Outcome
from toolchain.console import ToolchainError

SOURCES = ("hand", "generated", "schema")
MINIMUM = 0.95
"""The share of generated mutants, without the equivalent ones, that must be killed."""


@dataclass
class Total:
    """What became of the mutants of one source."""

    killed: int = 0
    equivalent: int = 0
    survived: int = 0

    @property
    def score(self) -> float:
        """The share of the mutants that are killed, without the equivalent ones."""
        return self.killed / max(1, self.killed + self.survived)


def known_rules() -> list[str]:
    """Return the rules that have a mutant written by hand."""
    return sorted({each.rule for each in by_hand.every()})


def false_positives(renderer: Renderer) -> Iterator[str]:
    """Yield findings on charts that break no rule: the unmodified one and its neutral variants."""
    unmodified, target = base_snapshots(renderer), renderer.target
    for level, snapshot in unmodified.items():
        yield from (f"unmodified, {level}: {each}" for each in checks.run_checks(snapshot, target).findings)
    release = release_rendering(renderer, unmodified["static"])
    for variant in neutral.every():
        for result in variant.run_checks(unmodified, release, target):
            yield from (f"{variant.name}: {each}" for each in result.findings)


def generated(renderer: Renderer, source: str) -> Iterator[Outcome]:
    """Yield the outcomes of the generated mutants of a source: of objects, or of the schema and validation."""
    if source == "schema":
        return constraints.outcomes(renderer)
    unmodified = base_snapshots(renderer)
    return judge.outcomes([unmodified["static"], unmodified["live"]], renderer)


def run_by_hand(renderer: Renderer, rules: Collection[str], only_survivors: bool) -> Total:
    """Print the result of each mutant written by hand, and return their total."""
    total = Total()
    for result in by_hand.results(renderer, rules):
        total.killed += result.finding is not None
        total.survived += result.finding is None
        if result.finding is None or not only_survivors:
            outcome = result.finding or f"SURVIVED (found by {result.other_rules})"
            sys.stdout.write(f"{result.mutant:<72} {result.rule:<7} {outcome}\n")
    return total


def run_generated(renderer: Renderer, source: str, only_survivors: bool) -> tuple[Total, Counter[Equivalent]]:
    """Print the result of each generated mutant of a source; return their total, and what made others equivalent."""
    total, found = Total(), Counter[Equivalent]()
    for each in generated(renderer, source):
        if each.finding is not None:
            total.killed += 1
        elif entry := Equivalent("schema *", each.equivalent) if each.equivalent else equivalent.find(each.id):
            total.equivalent += 1
            found[entry] += 1
            continue
        else:
            total.survived += 1
        if each.finding is None or not only_survivors:
            sys.stdout.write(f"{each.id:<100} {each.finding or 'SURVIVED'}\n")
    return total, found


def parse(argv: Sequence[str] | None) -> tuple[list[str], list[str], bool]:
    """Return the chosen rules, the sources to run, and whether to print survivors alone."""
    description = (__doc__ or "").splitlines()[0]
    parser = options.Parser(prog="python -m mutants", description=description)
    parser.add_argument(
        "--rules",
        type=lambda text: options.rules(text, known_rules()),
        default=[],
        metavar="RULES",
        help="rules, separated by commas: only their mutants written by hand",
    )
    parser.add_argument("--source", choices=SOURCES, action="append", help="only mutants of this source")
    parser.add_argument("--survivors", action="store_true", help="print survivors and totals only")
    chosen = parser.parse_args(argv)
    if chosen.rules and set(chosen.source or ["hand"]) != {"hand"}:
        parser.error("generated mutants are of no rule: --rules goes with --source hand alone")
    return chosen.rules, (["hand"] if chosen.rules else chosen.source or list(SOURCES)), chosen.survivors


def main(argv: Sequence[str] | None = None) -> int:
    """Print every mutant's result and the totals, and return the exit code."""
    rules, sources, only_survivors = parse(argv)
    target = load()
    try:
        renderer = Renderer(find_helm(), target)
    except ToolchainError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return 2
    if findings := list(false_positives(renderer)):
        sys.stderr.write("\n".join(findings) + "\n")
        return 2
    code = 0
    totals: list[tuple[str, Total, float]] = []
    entries: Counter[Equivalent] = Counter()
    for source in sources:
        start = time.monotonic()
        if source == "hand":
            total = run_by_hand(renderer, rules, only_survivors)
            minimum = 1.0
        else:
            total, found = run_generated(renderer, source, only_survivors)
            entries += found
            minimum = MINIMUM
        totals.append((source, total, time.monotonic() - start))
        code = max(code, int(total.score < minimum))
    for entry, count in entries.items():
        sys.stdout.write(f"equivalent: {count:>5} of {entry.pattern}: {entry.reason}\n")
    if {"generated", "schema"} <= set(sources) and (
        unused := [each.pattern for each in equivalent.load() if each not in entries]
    ):
        sys.stdout.write(f"no surviving mutant matches {', '.join(unused)}: remove it from {equivalent.FILE.name}\n")
        code = 1
    for source, total, seconds in totals:
        sys.stdout.write(
            f"{source}: {total.killed} killed, {total.survived} survived, {total.equivalent} equivalent, "
            f"score {total.score:.1%}, {seconds:.0f} s\n"
        )
    sys.stdout.write(f"{len(neutral.every())} neutral variants, no finding\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
