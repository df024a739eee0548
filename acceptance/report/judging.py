"""From everything that a run collected to the data of signoff.json; a merged run is judged as any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from acceptance.core import rules
from acceptance.core.git import Checkout
from acceptance.core.rules import Level
from acceptance.report import signoff
from acceptance.report.results import Results
from acceptance.report.sections import Evaluation
from acceptance.report.verdict import evaluate_rules, run_verdict

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
        suite_errors=[*part, *results.suite_errors],
    )
    return signoff.assemble(results, Evaluation(every, levels, verdict, why, checkout, ended))
