"""Knows every test of the release, selected or not: what options leave out must not look as if it had passed."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from acceptance.plugin.collection import level_folder
from acceptance.plugin.state import SessionState
from acceptance.report.verdict import FOLDERS


class SelectionHooks:
    """Notes the tests of every module that is collected, and the modules that are not."""

    def __init__(self, config: pytest.Config, state: SessionState) -> None:
        self._config = config
        self._state = state
        self._collected: set[Path] = set()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note the tests of a module or a class, before the command line's names or --last-failed choose some."""
        report = yield
        tests = [each for each in report.result if isinstance(each, pytest.Item)]
        if tests or not report.passed:
            self._collected.add(collector.path)
        self._state.results.collected.update(test.nodeid for test in tests if self._is_of_the_release(test.path))
        return report

    def pytest_collection_finish(self) -> None:
        """Note the modules of which nothing was collected."""
        root = self._config.rootpath
        self._state.results.uncollected = {
            path.relative_to(root).as_posix()
            for pattern in self._config.getini("python_files")
            for path in (root / "tests").rglob(pattern)
            if self._is_of_the_release(path) and path not in self._collected and not self._is_left_out(path)
        }

    def _is_of_the_release(self, path: Path) -> bool:
        folder = level_folder(path, self._config.rootpath)
        return folder is not None and FOLDERS[folder] is not None

    def _is_left_out(self, path: Path) -> bool:
        """Return whether the suite itself leaves a module out of this run, as a conftest does; not --ignore."""
        manager = self._config.pluginmanager
        hook = manager.subset_hook_caller("pytest_ignore_collect", [manager.get_plugin("main")])
        return bool(hook(collection_path=path, config=self._config))
