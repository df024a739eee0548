"""Evidence of failures: gathered once for each error, shown with it, and kept in the run's folder."""

from __future__ import annotations

import pytest
from _pytest._code.code import ExceptionRepr

from acceptance.plugin.state import SessionState
from acceptance.report.verdict import TestResult


class EvidenceGatherer:
    """Asks the collectors that fixtures have registered."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._known: list[tuple[BaseException, str]] = []
        self._shown: dict[tuple[str, str], str] = {}

    def attach(self, report: pytest.TestReport, error: BaseException, result: TestResult) -> None:
        """Attach evidence to a failed report; a setup error that fails many tests has it once.

        What several collectors gather is attached once, and what an earlier test has shown is named only.
        """
        for known, test in self._known:
            if known is error:
                _attach(report, "Evidence", f"same cause as {test} (evidence there)")
                return
        self._known.append((error, result.binding.test))
        for title, text in self._gathered().items():
            shown = self._shown.setdefault((title, text), result.binding.test)
            _attach(report, title, text if shown == result.binding.test else f"the same as of {shown}")
            self._state.keep(result, f"{title}.txt", text)

    def _gathered(self) -> dict[str, str]:
        """Return what the collectors gather, by title: of the same title what the first one has."""
        gathered: dict[str, str] = {}
        for collector in self._state.collectors:
            try:
                found = collector()
            except Exception as failure:  # noqa: BLE001 - evidence must never hide the failure
                found = {"evidence": f"could not be gathered: {type(failure).__name__}: {failure}"}
            for title, text in found.items():
                gathered.setdefault(title, text)
        return gathered


def _attach(report: pytest.TestReport, title: str, text: str) -> None:
    """Add a section where both the terminal and JUnit show it: with the failure's own text."""
    if isinstance(report.longrepr, ExceptionRepr):
        report.longrepr.addsection(title, text)
    else:
        report.sections.append((title, text))
