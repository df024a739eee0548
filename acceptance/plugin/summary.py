"""The summary on the terminal: verdict, reasons, advice, and what was not tested."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from acceptance.core.redaction import redactor
from acceptance.plugin.state import SessionState
from acceptance.report import run_folder
from acceptance.report.finding_text import finding_line


class SummaryHooks:
    """Writes the release's section of pytest's summary."""

    def __init__(self, state: SessionState) -> None:
        self._state = state

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the section, unless the run leaves no folder."""
        if not self._state.writes:
            return
        signoff = self._state.signoff
        verdict = signoff["verdict"]
        if all(test.binding.level is None for test in self._state.results.tests.values()):
            verdict = "not tested"
        terminalreporter.section(f"release {verdict}")
        lines = [] if verdict == "not tested" else list(signoff["reasons"])
        lines += [
            "waiver of {rule} for {object} is {state}".format_map(waiver)
            for waiver in signoff["waivers"]
            if waiver["state"] != "used"
        ]
        lines += [f"advice: {finding_line(each)}" for each in signoff["findings"] if each["severity"] == "advice"]
        lines += self._not_judged()
        lines.append(f"report: {os.path.relpath(self._state.parent / run_folder.LATEST / 'index.html')}")
        for line in lines:
            terminalreporter.line(line)

    def _not_judged(self) -> list[str]:
        reasons = Counter(
            f"{test.outcome}: {test.reason}"
            for test in self._state.results.tests.values()
            if test.outcome in ("untested", "waived")
        )
        return [
            redactor.text(f"{reason} ({count} test{'' if count == 1 else 's'})") for reason, count in reasons.items()
        ]
