"""The terminal: each finding when it is made; at the end verdict, reasons, advice, and what was not tested."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from acceptance.core.redaction import redactor
from acceptance.plugin.outcomes import REPEATED
from acceptance.plugin.state import SessionState
from acceptance.report import html, run_folder
from acceptance.report.closing import closing_lines
from acceptance.report.finding_text import finding_line


class SummaryHooks:
    """Writes findings, and the release's section of pytest's summary."""

    def __init__(self, config: pytest.Config, state: SessionState) -> None:
        self._config = config
        self._state = state

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what a test of a rule found, or why it could not judge, at once; the details follow at the end."""
        terminal: pytest.TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        if not report.failed or terminal is None or self._state.results.tests[report.nodeid].binding.level is None:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        first, *others = str(crash.message if crash is not None else report.longrepr).splitlines() or [""]
        if not first.startswith(REPEATED):
            more = " …" if others else ""
            terminal.ensure_newline()
            terminal.write_line(f"{report.nodeid.rpartition('::')[2]}: {first}{more}", red=True)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the section, unless the run leaves no folder."""
        if not self._state.writes:
            return
        if not self._state.reported:
            terminalreporter.section("no report")
            for line in self._state.write_errors:
                terminalreporter.line(line)
            return
        signoff = self._state.signoff
        verdict = signoff["verdict"]
        if all(test.binding.level is None for test in self._state.results.tests.values()):
            verdict = "not tested"
        terminalreporter.section(f"release {verdict}")
        lines = [
            "waiver of {rule} for {object} is {state}".format_map(waiver)
            for waiver in signoff["waivers"]
            if waiver["state"] != "used"
        ]
        lines += [f"advice: {finding_line(each)}" for each in signoff["findings"] if each["severity"] == "advice"]
        lines += self._not_judged()
        page = os.path.relpath(self._state.parent / run_folder.LATEST / html.FILE)
        lines += [f"report: {page}"] if verdict == "not tested" else closing_lines(signoff, page)
        for line in (*lines, *self._state.write_errors):
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
