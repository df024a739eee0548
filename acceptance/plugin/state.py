"""What the hook objects of one pytest session share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from acceptance.core.redaction import redactor
from acceptance.core.rules import INSTALLED
from acceptance.plugin.progress import Progress
from acceptance.report import history, run_folder
from acceptance.report.results import Collector, Results
from acceptance.report.verdict import RuleBinding, TestResult

RULE_BINDING = pytest.StashKey[RuleBinding]()
"""The rules that a collected test asserts."""


class SessionState:
    """One run of pytest: its folder, its results, and who gathers evidence."""

    def __init__(self, config: pytest.Config, progress: Progress) -> None:
        """Choose the run's identifier and folder; nothing is written yet."""
        self.id = run_folder.new_id()
        folder = config.invocation_params.dir if INSTALLED else config.rootpath
        self.parent: Path = config.option.reports or folder / "reports"
        self.folder = self.parent / self.id
        self.writes = not config.option.collectonly
        """Whether the run leaves a folder."""
        self.progress = progress
        self.bindings: list[RuleBinding] = []
        """Of all collected tests, deselected ones too."""
        self.current: TestResult | None = None
        """Of the test that runs."""
        self.collectors: list[Collector] = []
        self.failed: set[str] = set()
        """The tests that pytest counts as failed."""
        self.collection_errors: list[str] = []
        """What could not be collected, a sentence each."""
        self.signoff: dict[str, Any] = {}
        """The data of signoff.json, redacted; empty before the session ends."""
        self.reported = False
        """Whether the report was written."""
        self.write_errors: list[str] = []
        """What could not be written at the end of the run, a sentence each."""
        self._results: Results | None = None

    @property
    def results(self) -> Results:
        """What the run has collected so far. Raises `RuntimeError` before the session starts."""
        if self._results is None:
            raise RuntimeError("the session has not started")
        return self._results

    @property
    def history(self) -> Path:
        """The file with the earlier runs of the target. Raises `RuntimeError` before the session starts."""
        return history.path_of(self.parent, self.results.target, self.results.target_file)

    @property
    def started(self) -> bool:
        """Whether the session has started."""
        return self._results is not None

    def start(self, results: Results) -> None:
        """Begin to collect."""
        self._results = results

    @contextmanager
    def collecting(self, collector: Collector) -> Iterator[None]:
        """Gather evidence of every failure with `collector`, setup's included, until exit."""
        self.collectors.append(collector)
        try:
            yield
        finally:
            self.collectors.remove(collector)

    def keep(self, result: TestResult, name: str, content: str | bytes) -> Path:
        """Write evidence of a test, redacted, and return its path."""
        folder = self.folder / "evidence" / run_folder.safe_file_name(result.binding.test)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / run_folder.safe_file_name(name)
        path.write_bytes(redactor.content(content.encode() if isinstance(content, str) else content))
        relative = path.relative_to(self.folder).as_posix()
        if relative not in result.evidence:
            result.evidence.append(relative)
        return path


STATE = pytest.StashKey[SessionState]()
