"""From everything that a run collected to the data of signoff.json; a merged run is judged as any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from acceptance.core import rules
from acceptance.core.git import Checkout
from acceptance.core.rules import Level
from acceptance.report import signoff
from acceptance.report.results import Results
from acceptance.report.sections import Evaluation
from acceptance.report.verdict import TestResult, evaluate_rules, run_verdict

COUNTS = frozenset({"requests", "writes", "connections"})
"""Units of figures that are exact. A time may exceed the deadline of its wait, which asks once more at the end."""
MAX_NAMED = 3
"""The modules that a reason names."""
ELSEWHERE = "in another shard of this run"
"""Why a level is untested in a shard."""


def judge(
    results: Results, missing: Mapping[tuple[str, Level], str], checkout: Checkout, ended: datetime
) -> dict[str, Any]:
    """Return the data of signoff.json; secrets are not redacted yet.

    Args:
        results: What the run collected.
        missing: Why a level of a rule has no test.
        checkout: What was tested.
        ended: When the run ended.
    """
    every = rules.load()
    reasons = {**dict.fromkeys(results.elsewhere, ELSEWHERE), **missing}
    levels = evaluate_rules(every.values(), list(results.tests.values()), reasons)
    part = (
        [f"this is {results.shard}, and its tests are a part of the run's: merge the shards"] if results.shard else []
    )
    verdict, why = run_verdict(
        levels,
        fresh_cluster=results.metadata.fresh_cluster,
        checkout=checkout,
        suite_errors=[*part, *unselected(results), *unreported(results), *results.suite_errors],
    )
    return signoff.assemble(results, Evaluation(every, levels, verdict, why, checkout, ended))


def unselected(results: Results) -> Iterator[str]:
    """Yield a sentence if tests of the release were not selected; a shard alone has a part of them anyway."""
    tests, modules = results.collected - results.tests.keys(), sorted(results.uncollected)
    if results.shard or not (tests or modules):
        return
    what = [f"{len(tests)} {'test' if len(tests) == 1 else 'tests'}"] if tests else []
    if modules:
        named = ", ".join([*modules[:MAX_NAMED], *(["…"] if len(modules) > MAX_NAMED else [])])
        what.append(f"{len(modules)} {'module' if len(modules) == 1 else 'modules'} ({named})")
    verbs = "asserts rules was" if len(tests) + len(modules) == 1 else "assert rules were"
    yield f"{' and '.join(what)} that {verbs} not selected"


def unreported(results: Results) -> Iterator[str]:
    """Yield a sentence if counts exceed their limits, and no test says so."""
    tests = results.tests.values()
    reported = {each.finding.rule for test in tests for each in test.classified}
    reported |= {rule for test in tests for rule in test.binding.rules if test.of(rule)[0] in ("failed", "error")}
    names = sorted(
        each.name
        for each in results.measurements
        if each.unit in COUNTS and each.limit is not None and each.value > each.limit
        # Of an experiment, the first of its tests records the figures; the rule's own test has the finding.
        if each.source.partition(":")[0] not in reported and _passed(results.tests.get(each.test))
    )
    if names:
        yield f"figures exceed their limits, and no test says so: {', '.join(names)}"


def _passed(test: TestResult | None) -> bool:
    """Return whether a test found nothing at all."""
    return test is None or (test.outcome == "passed" and not test.classified)
