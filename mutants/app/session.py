"""One pytest session that judges many mutants: the release is made once, and only the mutated process starts again.

The tests run on the unmodified application first, which finds out what of the source each reaches. Those that pass and
reach a mutant judge it: the first that fails has killed it. A mutant that ends or does not answer is killed by its
start. A kill that a busy machine may have caused is confirmed by the original, which the same test must pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import psycopg
import pytest
from _pytest.runner import runtestprotocol
from psycopg import sql

from acceptance.core.wait import WaitError
from acceptance.provision import docker
from acceptance.provision.container_provisioner import ContainerProvisioner, StoppedError
from mutants.app.mutant import Mutant
from mutants.app.processes import BackendProcesses, FrontendProcesses, Processes
from mutants.app.tests import Order, covering, is_decisive, judges

BY_START, BY_SIGN_UP = "its start", "a new user's sign-up"
REASON = 1000
CPUS = 1.0
"""Of a container; the frontend idles while the backend's mutants run."""
CPU_SHARES = 64
"""Of each container, where Docker's default is 1024: all else on the machine comes first."""
SLOW_FACTOR, SLOW_SECONDS = 2, 2
"""A test that takes longer than that many times its usual time and so many seconds may have failed by the machine."""
SURVIVOR_SECONDS = 10
"""Where the tests that reach a mutant take longer, some of each kind judge it, and all that killed one of its file."""
ATTEMPTS = 3
"""How often a mutant is judged until the original passes the test that killed it."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant: the test that killed it, `BY_START`, or None if it survived; and seconds."""

    killed_by: str | None
    seconds: float


class BaselineError(Exception):
    """The tests can't judge mutants."""


class UnconfirmedError(Exception):
    """The original fails too."""


class End(pytest.Item):
    """Stands for the next test where none follows, so that the fixtures of the session stay."""

    def runtest(self) -> NoReturn:
        """Never run."""
        raise NotImplementedError


class MutantSession:
    """A pytest plugin that replaces the loop over the tests by one over mutants.

    Attributes:
        problem: Why the mutants could not be judged, or None.
    """

    def __init__(self, mutants: Sequence[Mutant], report: Callable[[Mutant, Result], None]) -> None:
        """`report` is called with each mutant's result as soon as it is known; the mutants are of one component."""
        self._mutants = mutants
        self._report = report
        self._fixtures: dict[str, Any] = {}
        self._order = Order()
        self._usual: dict[str, float] = {}
        """Seconds that each test takes on the original."""
        self._items: dict[str, pytest.Item] = {}
        self._reached: dict[str, frozenset[str]] = {}
        """By test, what it reaches on the original; `BY_SIGN_UP` is one of them."""
        self._at_start: frozenset[str] = frozenset()
        """What runs before the tests."""
        self._processes: Processes | None = None
        self.problem: str | None = None

    def pytest_configure(self) -> None:
        """One container of each component is enough, and the mutants start faster."""
        ContainerProvisioner.replicas = 1
        ContainerProvisioner.cpus = CPUS
        docker.LIMITS["cpu_shares"] = CPU_SHARES

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Keep the fixtures by which a container is replaced, and replace it once the release is ready."""
        value = yield
        self._fixtures[fixturedef.argname] = value
        if fixturedef.argname == "ready_release":
            kind = BackendProcesses if self._mutants[0].component == "backend" else FrontendProcesses
            self._processes = kind(self._fixtures["provisioner"], value)
            self._processes.start(None)
            self._at_start = self._processes.places()
        return value

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge the mutants."""
        end = End.from_parent(session, name="end")
        try:
            self._baseline(session.items, end)
            for mutant in sorted(self._mutants, key=self._late):
                if result := self._judge(mutant, end):
                    self._report(mutant, result)
        except (BaselineError, StoppedError, WaitError) as error:
            self.problem = str(error)
        finally:
            if session.items:
                session._setupstate.teardown_exact(None)
        return True

    @property
    def processes(self) -> Processes:
        """The component's processes, once the release is ready."""
        assert self._processes is not None
        return self._processes

    def _baseline(self, items: Sequence[pytest.Item], end: pytest.Item) -> None:
        self._run_baseline(items, end)
        if self._mutants[0].component == "frontend":
            # Its modules are loaded by the first request that needs them, which is no place of that test.
            self._at_start |= frozenset().union(*self._reached.values())
            self._run_baseline([self._items[test] for test, reached in self._reached.items() if reached], end)
            self._fixtures["new_user"]()
            self._reached[BY_SIGN_UP] = self.processes.places()

    def _run_baseline(self, items: Sequence[pytest.Item], end: pytest.Item) -> None:
        for item, next_item in zip(items, [*items[1:], end], strict=True):
            start = time.monotonic()
            reports = run(item, next_item)
            self._usual[item.nodeid] = self._order.seconds[item.nodeid] = time.monotonic() - start
            if bad := next((each for each in reports if each.failed), None):
                self.problem = (
                    f"{item.nodeid} fails on the original, and judges no mutant: {bad.longreprtext[-REASON:]}"
                )
            elif not any(each.skipped for each in reports):
                self._items[item.nodeid] = item
                self._reached[item.nodeid] = self.processes.places()
        if not self._items:
            raise BaselineError("no test passes on the original")

    def _late(self, mutant: Mutant) -> bool:
        """Whether a mutant is judged after the others: one that needs a new start of the frontend."""
        return bool(mutant.switch) and not self._loaded(mutant)

    def _loaded(self, mutant: Mutant) -> bool:
        """Whether a test reaches the mutant after the start."""
        return any(mutant.places & reached for reached in self._reached.values())

    def _candidates(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a mutant, or of many some of each kind; all if it matters at the start alone."""
        reaching = {test: reached for test, reached in self._reached.items() if reached}
        if self._loaded(mutant):
            tests = [test for test, reached in reaching.items() if mutant.places & reached]
        elif not mutant.places or mutant.places & self._at_start:
            tests = list(reaching)
        else:
            return []
        if mutant.component == "backend":
            tests = [test for test in tests if judges(test, mutant.file.stem)]
        if sum(self._usual.get(test, 0) for test in tests) > SURVIVOR_SECONDS:
            kept = covering({test: reaching[test] for test in tests}, self._usual)
            kept |= {test for test in tests if is_decisive(test) or self._order.kills[test, str(mutant.file)]}
            tests = [test for test in tests if test in kept]
        return self._order.of(tests, str(mutant.file))

    def _judge(self, mutant: Mutant, end: pytest.Item) -> Result | None:
        """Return what became of a mutant, or None if the original fails too, whenever it is tried."""
        start = time.monotonic()
        for _ in range(ATTEMPTS):
            with suppress(UnconfirmedError):
                return Result(self._killed_by(mutant, end), time.monotonic() - start)
        return None

    def _killed_by(self, mutant: Mutant, end: pytest.Item) -> str | None:
        tests = self._candidates(mutant)
        if not tests:
            return None
        try:
            self.processes.start(mutant, loaded=self._loaded(mutant))
        except StoppedError:
            return BY_START
        except WaitError:
            self._start_original()
            return BY_START
        self._remove_rows(self._fixtures["provisioner"])
        items = [self._items.get(test) for test in tests]
        for place, (test, item) in enumerate(zip(tests, items, strict=True)):
            start = time.monotonic()
            following = next((each for each in items[place + 1 :] if each), end)
            if self._passes(item, following):
                continue
            with suppress(Exception):  # fixtures of tests that the mutant broke
                end.session._setupstate.teardown_exact(end)
            seconds = time.monotonic() - start
            slow = seconds > SLOW_FACTOR * self._usual.get(test, 0) + SLOW_SECONDS
            if mutant.component == "frontend" or slow:
                self._confirm(item, end)
            self._order.killed_by(test, str(mutant.file), seconds)
            return test
        return None

    def _passes(self, item: pytest.Item | None, following: pytest.Item) -> bool:
        """Whether a test passes, or without one the sign-up of a user."""
        if item is not None:
            return not any(each.failed for each in run(item, following))
        try:
            self._fixtures["new_user"]()
        except AssertionError:
            return False
        return True

    def _start_original(self) -> None:
        try:
            self.processes.start(None)
        except (StoppedError, WaitError) as error:
            raise UnconfirmedError from error

    def _confirm(self, item: pytest.Item | None, end: pytest.Item) -> None:
        """Run a test on the original; raises `UnconfirmedError` if it fails, after a new start of the original."""
        self._start_original()
        if self._passes(item, end):
            return
        with suppress(Exception):
            end.session._setupstate.teardown_exact(end)
        self.processes.start(None, loaded=False)
        raise UnconfirmedError

    def _remove_rows(self, provisioner: ContainerProvisioner) -> None:
        """Remove what the users have, so that the tests stay as fast as they were."""
        tables = provisioner.target.tables
        named = (tables.task, tables.tag, tables.conversation, tables.message)
        names = [sql.Identifier(*name.split(".")) for name in named if name is not None]
        with provisioner.database().admin() as connection:
            connection.execute("SET lock_timeout = '5s'")
            try:
                connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(names)))
            except psycopg.errors.LockNotAvailable:
                return


def run(item: pytest.Item, next_item: pytest.Item) -> list[pytest.TestReport]:
    """Run a test, and return the reports of its phases; what it shares with the next test is kept."""
    return runtestprotocol(item, log=False, nextitem=next_item)
