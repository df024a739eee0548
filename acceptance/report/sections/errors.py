"""What could not be judged: errors of tests, failed unit tests, and the evidence of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from acceptance.report.results import Picture, Results
from acceptance.report.sections.section import Evaluation, Section


def errors_data(results: Results, _evaluation: Evaluation) -> dict[str, Any]:
    """Return `unit_tests` and `evidence`."""
    unit_tests = [test for test in results.tests.values() if test.binding.level is None]
    return {
        "unit_tests": {
            "results": dict(Counter(test.outcome for test in unit_tests)),
            "failed": [
                {"test": test.binding.test, "result": test.outcome, "reason": test.reason}
                for test in unit_tests
                if test.outcome != "passed"
            ],
        },
        "evidence": {name: test.evidence for name, test in results.tests.items() if test.evidence},
    }


def errors_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `errors`: tests by the reason of their error, since one broken fixture fails many."""
    errors: dict[str, list[str]] = {}
    for rule in signoff["rules"].values():
        for level in rule["levels"].values():
            for test in level["tests"]:
                if test["result"] == "error" and test["test"] not in errors.setdefault(test["reason"], []):
                    errors[test["reason"]].append(test["test"])
    return {"errors": errors}


ERRORS = Section("errors", "Not judged", errors_data, errors_context)
