"""How long fixtures take, without the fixtures that they request."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from acceptance.plugin.state import SessionState
from acceptance.report.results import FixtureTime


class DurationHooks:
    """Times the setup and teardown of every fixture above function scope, and shows the setup as progress."""

    def __init__(self, state: SessionState) -> None:
        self._state = state

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
            with self._state.progress.step(fixturedef.argname):
                return (yield)
        finally:
            timer.setup_ended()
            fixturedef.addfinalizer(timer.teardown_started)


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
