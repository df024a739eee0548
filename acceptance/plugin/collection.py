"""Collected tests: bound to rules, marked by folder, and ordered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from acceptance.core import rules
from acceptance.core.target import COMPONENTS
from acceptance.plugin.state import RULE_BINDING, SessionState
from acceptance.report.verdict import FOLDERS, RuleBinding, TestResult

RULES = "test_rules.py"
DISRUPTIVE = ("behaviour", "journey")
"""Folders whose tests disturb the release."""
FOLDER_ORDER = ("static", "image", "behaviour", "contract", "journey", "unit")
"""The order in which folders run. Contract tests wait for the HPA's first metrics, which arrive while others run."""
LATE_RULES = frozenset({"CHT-09"})
"""Rules whose static tests run after the others: what they need may be built meanwhile."""


class CollectionHooks:
    """Hooks of the collection phase."""

    def __init__(self, config: pytest.Config, state: SessionState) -> None:
        self._config = config
        self._state = state

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Skip the unit tests, half of all modules, where `-m` is `e2e` or another folder, which never selects them."""
        others = {"e2e", *FOLDERS} - {"unit"}
        is_unit = collection_path == self._config.rootpath / "tests" / "unit"
        return True if is_unit and self._config.option.markexpr in others else None

    @pytest.hookimpl(tryfirst=True, specname="pytest_collection_modifyitems")
    def pytest_bind_rules(self, items: list[pytest.Item]) -> None:
        """Bind every test to its rules, before options select tests by marker. Raises `pytest.UsageError`."""
        mistakes = []
        for item in items:
            try:
                binding = rule_binding(item, self._config.rootpath)
            except ValueError as error:
                mistakes.append(f"{item.nodeid}: {error}")
                continue
            item.stash[RULE_BINDING] = binding
            self._state.bindings.append(binding)
            item.user_properties += [("rule", rule) for rule in binding.rules]
            if binding.part:
                item.user_properties.append(("part", binding.part))
        if mistakes:
            raise pytest.UsageError(*mistakes)

    @pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
    def pytest_order_tests(self, items: list[pytest.Item]) -> None:
        """Sort by folder, experiments last; the sort is stable."""
        items.sort(key=collection_key)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Prepare a result for every selected test. Raises `pytest.UsageError` for disruption without permission."""
        option = self._config.option
        if not all(RULE_BINDING in item.stash for item in session.items):
            return  # their mistakes are being reported
        disruptive = [item.nodeid for item in session.items if any(map(item.get_closest_marker, DISRUPTIVE))]
        if option.context and disruptive and not (option.allow_disruption or option.own_release):
            raise pytest.UsageError(
                f"{disruptive[0]} disturbs the release in context {option.context}; "
                "pass --allow-disruption to permit this, or --own-release to test a release of the run's own"
            )
        for item in session.items:
            self._state.results.tests[item.nodeid] = TestResult(item.stash[RULE_BINDING])


def collection_key(item: pytest.Item) -> tuple[bool, bool, bool, int, bool, bool]:
    """Return a test's place in the order: what needs no release comes first, experiments come last.

    Of a folder's tests those come first that read one rendering, image or release for all rules. Of the experiments,
    the ones marked `experiment(last=True)` end what later ones would need, and those marked `every_experiment` judge
    all others.
    """
    folder = next(folder for folder in FOLDERS if item.get_closest_marker(folder))
    late = folder == "static" and not LATE_RULES.isdisjoint(item.stash[RULE_BINDING].rules)
    marks = [mark.kwargs for mark in item.iter_markers("experiment")]
    last = any(kwargs.get("last") for kwargs in marks)
    every = item.get_closest_marker("every_experiment") is not None
    return bool(marks), every, last, FOLDER_ORDER.index(folder), late, item.path.name != RULES


def experiments_are_last(items: Iterable[pytest.Item]) -> bool:
    """Return whether only experiments follow an experiment; options such as `--ff` can order tests in another way."""
    marked = [item.get_closest_marker("experiment") is not None for item in items]
    return marked == sorted(marked)


def rule_binding(item: pytest.Item, root: Path) -> RuleBinding:
    """Return the rules that a test asserts, and put its folder's markers on it. Raises `ValueError` for a mistake."""
    folder = level_folder(item.path, root)
    if folder is None:
        raise ValueError(f"a test belongs in a folder of its level: tests/{{{','.join(FOLDERS)}}}/")
    level = FOLDERS[folder]
    item.add_marker(folder)
    if level is None:
        if item.get_closest_marker("rule"):
            raise ValueError("a unit test asserts no rule of the release")
        return RuleBinding(item.nodeid, None)
    item.add_marker("e2e")
    named = tuple(dict.fromkeys(rule for mark in item.iter_markers("rule") for rule in mark.args))
    if not named:
        raise ValueError('bind it to a rule: @pytest.mark.rule("POD-04")')
    part = _component(item)
    for identifier in named:
        _check_rule(identifier, level, part)
    return RuleBinding(item.nodeid, level, named, part)


def _check_rule(identifier: str, level: rules.Level, part: str | None) -> None:
    rule = rules.load().get(identifier)
    if rule is None:
        raise ValueError(f"{identifier!r} is not in spec/rules.yaml")
    if level not in rule.levels:
        raise ValueError(f"{identifier} is asserted at {', '.join(rule.levels)}, not at {level}")
    if part and rule.components and part not in rule.components:
        raise ValueError(f"{identifier} is a rule of the {rule.part}, not of the {part}")


def level_folder(path: Path, root: Path) -> str | None:
    """Return the folder under tests/ that a module is in, or None if it is in none of a level or of unit tests."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return parts[1] if len(parts) > 2 and parts[0] == "tests" and parts[1] in FOLDERS else None


def _component(item: pytest.Item) -> str | None:
    """Return the component that a parametrised test is for."""
    callspec = getattr(item, "callspec", None)  # only a parametrised test has one
    values: list[object] = list(callspec.params.values()) if callspec else []
    return next((str(value) for value in values if value in COMPONENTS), None)
