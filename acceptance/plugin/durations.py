"""How long fixtures take, without the fixtures that they request; on the terminal they are the steps of the setup."""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from acceptance.plugin.state import SessionState
from acceptance.report import history
from acceptance.report.results import FixtureTime

SHARED_BY: dict[str, type[pytest.Collector]] = {
    "package": pytest.Package,
    "module": pytest.Module,
    "class": pytest.Class,
}
"""What a fixture of a scope belongs to, unless it belongs to the session or to a test."""


class DurationHooks:
    """Times the setup and teardown of every fixture above function scope, and shows the setup as progress."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._usual: Mapping[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the steps of the selected tests' setup, and look up what each took in earlier runs of the target."""
        if not self._state.writes:
            return
        with suppress(history.HistoryError):  # the report says so
            self._usual = history.usual_steps(history.load(self._state.history))
        self._state.progress.plan(planned_steps(session.items))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Time a fixture."""
        if fixturedef.scope == "function" or not self._state.writes:
            return (yield)
        where = "" if fixturedef.scope == "session" else request.node.nodeid
        key = (fixturedef.argname, where)
        timer = _Timer(self._state.results.fixtures.setdefault(key, FixtureTime(*key)))
        # Finalizers run last in, first out: the fixture's own run between these two.
        fixturedef.addfinalizer(timer.teardown_ended)
        try:
            shown = step_text(fixturedef)
            with self._state.progress.step(shown, self._usual.get(history.step_name(*key))):
                return (yield)
        finally:
            timer.setup_ended()
            fixturedef.addfinalizer(timer.teardown_started)


def step_text(fixture: pytest.FixtureDef[Any]) -> str:
    """Return what a step of the setup is called, and what it does: the first sentence of its documentation."""
    name = fixture.argname.replace("_", " ")
    said = (inspect.getdoc(fixture.func) or "").split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
    return f"{name}: {said}" if said else name


def planned_steps(items: Iterable[pytest.Item]) -> int:
    """Return how many fixtures above function scope the tests request, by any path, each parameter counted."""
    steps = set()
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        params = item.callspec.params if hasattr(item, "callspec") else {}
        for name, definitions in item._fixtureinfo.name2fixturedefs.items():  # pytest has no public name for it
            scope = definitions[-1].scope
            if scope != "function":
                node = item.getparent(SHARED_BY[scope]) if scope in SHARED_BY else None
                steps.add((name, node, repr(params.get(name))))
    return len(steps)


class _Timer:
    def __init__(self, fixture: FixtureTime) -> None:
        self._fixture = fixture
        self._setup_started = time.monotonic()
        self._teardown_started: float | None = None

    def setup_ended(self) -> None:
        self._fixture.setup += time.monotonic() - self._setup_started

    def teardown_started(self) -> None:
        self._teardown_started = time.monotonic()

    def teardown_ended(self) -> None:
        if self._teardown_started is not None:
            self._fixture.teardown += time.monotonic() - self._teardown_started
