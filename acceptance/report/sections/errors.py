"""What could not be judged: errors of tests and failed unit tests; and the evidence that other tests left."""

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


def evidence_context(signoff: Mapping[str, Any], _pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return `other_evidence`: the files of the tests that neither found anything nor ended with an error, by test."""
    shown = {test for finding in signoff["findings"] for test in finding["tests"]}
    shown |= {test for tests in errors_context(signoff, ())["errors"].values() for test in tests}
    return {"other_evidence": {test: files for test, files in signoff["evidence"].items() if test not in shown}}


def has_errors(signoff: Mapping[str, Any]) -> bool:
    """Return whether something could not be judged."""
    return bool(errors_context(signoff, ())["errors"] or signoff["unit_tests"]["failed"])


def has_evidence(signoff: Mapping[str, Any]) -> bool:
    """Return whether there is evidence that no finding and no error shows."""
    return bool(evidence_context(signoff, ())["other_evidence"])


ERRORS = Section("errors", "Not judged", errors_data, errors_context, has_errors)
EVIDENCE = Section("evidence", "Evidence", context=evidence_context, is_shown=has_evidence)
