"""One pytest session that judges many mutants: the release is made once, and only the mutated component starts again.

The tests run on the unmodified application first. Those that pass judge the mutants: the first that fails on a mutant
has killed it. A mutant whose container ends or does not answer is killed by its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import psycopg
import pytest
from _pytest.runner import runtestprotocol
from psycopg import sql

from acceptance.core.deadlines import Deadline
from acceptance.core.wait import WaitError
from acceptance.provision.containers import Changes, ContainerProvisioner, StoppedError, wait_answered
from acceptance.provision.gateway import Gateway
from acceptance.provision.release import Release
from mutants.app.python_source import Mutant
from mutants.app.tests import Order, judges

PACKAGE_FOLDER = "/app"
"""Where the backend's image has the package."""
STARTED = Deadline("mutant's start", 30, "the backend starts in 4 s here; a busy machine gets seven times that")
BY_START = "its start"
CPUS = 1.0
"""Of a container; the frontend idles while the backend's mutants run."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant: the test that killed it, `BY_START`, or None if it survived; and seconds."""

    killed_by: str | None
    seconds: float


class BaselineError(Exception):
    """Tests fail on the unmodified application."""


class End(pytest.Item):
    """Stands for the next test where none follows, so that the fixtures of the session stay."""

    def runtest(self) -> NoReturn:
        """Never run."""
        raise NotImplementedError


class MutantSession:
    """A pytest plugin that replaces the loop over the tests by one over mutants."""

    def __init__(self, mutants: Sequence[Mutant], report: Callable[[Mutant, Result], None]) -> None:
        """`report` is called with each mutant's result as soon as it is known."""
        self._mutants = mutants
        self._report = report
        self._fixtures: dict[str, Any] = {}
        self._order = Order()
        self._items: dict[str, pytest.Item] = {}
        self.problem: str | None = None
        """Why the mutants could not be judged, or None."""

    def pytest_configure(self) -> None:
        """One container of each component is enough, and the mutants start faster."""
        ContainerProvisioner.replicas = 1
        ContainerProvisioner.cpus = CPUS

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Keep the fixtures by which a container is replaced."""
        value = yield
        self._fixtures[fixturedef.argname] = value
        return value

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge the mutants."""
        end = End.from_parent(session, name="end")
        try:
            self._baseline(session.items, end)
            for mutant in self._mutants:
                self._report(mutant, self._judge(mutant, end))
        except BaselineError as error:
            self.problem = str(error)
        finally:
            if session.items:
                session._setupstate.teardown_exact(None)
        return True

    def _baseline(self, items: Iterable[pytest.Item], end: pytest.Item) -> None:
        failed = []
        for item in items:
            start = time.monotonic()
            outcomes = run(item, end)
            self._order.seconds[item.nodeid] = time.monotonic() - start
            if "failed" in outcomes:
                failed.append(item.nodeid)
            elif "skipped" not in outcomes:
                self._items[item.nodeid] = item
        if failed:
            raise BaselineError(f"tests fail on the unmodified application: {', '.join(failed)}")

    def _judge(self, mutant: Mutant, end: pytest.Item) -> Result:
        start = time.monotonic()
        killed_by = self._killed_by(mutant, end)
        return Result(killed_by, time.monotonic() - start)

    def _killed_by(self, mutant: Mutant, end: pytest.Item) -> str | None:
        provisioner: ContainerProvisioner = self._fixtures["provisioner"]
        release: Release = self._fixtures["ready_release"]
        gateway: Gateway = self._fixtures["gateway"]
        folder = f"{PACKAGE_FOLDER}/{mutant.file.parent}"
        files = {f"{PACKAGE_FOLDER}/{mutant.file}": mutant.source.encode()}
        # The image's bytecode is not compared with the source.
        container = provisioner.start_component(
            release, "backend", changes=Changes(files, emptied=(f"{folder}/__pycache__",))
        )
        self._remove_rows(provisioner)
        try:
            wait_answered(provisioner.toolchain, release, gateway, container, deadline=STARTED)
        except (StoppedError, WaitError):
            return BY_START
        module = mutant.file.stem
        for test in self._order.of(test for test in self._items if judges(test, module)):
            if "failed" in run(self._items[test], end):
                self._order.killed_by(test)
                return test
        return None

    def _remove_rows(self, provisioner: ContainerProvisioner) -> None:
        """Remove what the users have, so that the tests stay as fast as they were."""
        tables = provisioner.target.tables
        names = [
            sql.Identifier(*name.split(".")) for name in (tables.task, tables.tag, tables.conversation, tables.message)
        ]
        with provisioner.database().admin() as connection:
            connection.execute("SET lock_timeout = '5s'")
            try:
                connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(names)))
            except psycopg.errors.LockNotAvailable:
                return


def run(item: pytest.Item, end: pytest.Item) -> set[str]:
    """Run a test, and return the outcomes of its phases."""
    return {report.outcome for report in runtestprotocol(item, log=False, nextitem=end)}
