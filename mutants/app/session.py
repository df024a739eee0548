"""One pytest session that judges many mutants: the release is made once, and only the mutated process starts again.

The tests run on the unmodified application first. Those that pass judge the mutants: the first that fails on a mutant
has killed it. A mutant that ends or does not answer is killed by its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import requests
from _pytest.runner import runtestprotocol
from psycopg import sql

from acceptance.client.pods import ready_pods
from acceptance.core.deadlines import Deadline
from acceptance.core.fields import name_of
from acceptance.core.wait import NotYet, WaitError, eventually
from acceptance.provision import docker
from acceptance.provision.containers import (
    LOG_LINES,
    ContainerProvisioner,
    StoppedError,
    log,
    wait_answered,
)
from acceptance.provision.gateway import Gateway
from acceptance.provision.recipes import Changes
from acceptance.provision.release import Release
from mutants.app.mutant import Mutant
from mutants.app.stryker import SWITCH
from mutants.app.tests import Order, judges

IMAGE_FOLDER, PACKAGE = "/app", "todo_backend"
"""Where the backend's image has its package."""
STARTER = Path(__file__).with_name("starter.py")
STARTER_PATH, STARTER_PORT, WORK_FOLDER = "/mutants/starter.py", 9000, "/mutant"
STARTER_UP = Deadline("starter up", 60, "the imports take 3 s here; a busy machine gets twenty times that")
STARTED = Deadline("mutant's start", 15, "the backend starts in 0.5 s here; a busy machine gets thirty times that")
BY_START, BY_SIGN_UP = "its start", "a new user's sign-up"
SWITCHED = Deadline("mutant switched on", 30, "the frontend starts in 2 s here; a busy machine gets fifteen times that")
ALL_LINES = 1_000_000
REASON = 1000
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
        self._touched: dict[str, set[str]] = {}
        """By test: the components that have logged something while it ran."""
        self._container = ""
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
            if any(not mutant.switch for mutant in self._mutants):
                self._open_starter()
            for mutant in self._mutants:
                self._report(mutant, self._judge(mutant, end))
        except (BaselineError, StoppedError, WaitError) as error:
            self.problem = str(error)
        finally:
            if session.items:
                session._setupstate.teardown_exact(None)
        return True

    def _baseline(self, items: Iterable[pytest.Item], end: pytest.Item) -> None:
        failed = []
        given = list(items)
        for item, next_item in zip(given, [*given[1:], end], strict=True):
            start, logged = time.monotonic(), self._log_lines()
            reports = run(item, next_item)
            self._order.seconds[item.nodeid] = time.monotonic() - start
            if bad := next((each for each in reports if each.failed), None):
                failed.append(f"{item.nodeid}: {bad.longreprtext[-REASON:]}")
            elif not any(each.skipped for each in reports):
                self._items[item.nodeid] = item
                lines = self._log_lines()
                self._touched[item.nodeid] = {name for name in lines if lines[name] > logged.get(name, 0)}
        if failed:
            raise BaselineError(f"{len(failed)} tests fail on the unmodified application, first {failed[0]}")

    def _log_lines(self) -> dict[str, int]:
        """Return how many lines each component has logged; nothing before the release is there."""
        provisioner: ContainerProvisioner | None = self._fixtures.get("provisioner")
        release: Release | None = self._fixtures.get("ready_release")
        if provisioner is None or release is None:
            return {}
        return {
            name: log(provisioner.toolchain, name_of(pod), ALL_LINES).count("\n")
            for name in release.target.components
            for pod in ready_pods(release, name)
        }

    def _judge(self, mutant: Mutant, end: pytest.Item) -> Result:
        start = time.monotonic()
        killed_by = self._killed_by(mutant, end)
        return Result(killed_by, time.monotonic() - start)

    def _killed_by(self, mutant: Mutant, end: pytest.Item) -> str | None:
        try:
            self._start(mutant)
        except (StoppedError, WaitError):
            return BY_START
        if mutant.component == "frontend":
            try:
                self._fixtures["new_user"]()
            except AssertionError:
                return BY_SIGN_UP
        candidates = [test for test in self._items if mutant.component in self._touched[test]]
        if mutant.component == "backend":
            candidates = [test for test in candidates if judges(test, mutant.file.stem)]
        tests = self._order.of(candidates)
        following = [*(self._items[test] for test in tests[1:]), end]
        for test, next_item in zip(tests, following, strict=True):
            if any(each.failed for each in run(self._items[test], next_item)):
                self._order.killed_by(test)
                with suppress(Exception):  # fixtures of tests that the mutant broke
                    end.session._setupstate.teardown_exact(end)
                return test
        return None

    def _open_starter(self) -> None:
        """Replace the backend's container by one that starts mutants."""
        command = ("python3", STARTER_PATH, str(STARTER_PORT), IMAGE_FOLDER, WORK_FOLDER, PACKAGE)
        changes = Changes(command=command, files={STARTER_PATH: STARTER.read_bytes()}, tmpfs=(WORK_FOLDER,))
        provisioner: ContainerProvisioner = self._fixtures["provisioner"]
        self._container = provisioner.start_component(self._fixtures["ready_release"], "backend", changes=changes)

        def probe() -> None:
            try:
                self._command("GET")
            except OSError as error:
                if docker.state(provisioner.toolchain, self._container) != "running":
                    raise StoppedError(log(provisioner.toolchain, self._container, LOG_LINES)) from error
                raise NotYet(str(error)) from error

        eventually("the mutants' starter to answer", probe, STARTER_UP)

    def _command(self, method: str, body: object = None) -> requests.Response:
        gateway: Gateway = self._fixtures["gateway"]
        with gateway.session() as session:
            return session.request(method, f"http://{self._container}:{STARTER_PORT}/", json=body, timeout=30)

    def _start(self, mutant: Mutant) -> None:
        """Start a mutant. Raises `StoppedError` if it ends, or `WaitError` if it does not answer."""
        if mutant.switch:
            self._switch_on(mutant)
            return
        self._command("POST", {"file": str(mutant.file), "source": mutant.source}).raise_for_status()
        self._remove_rows(self._fixtures["provisioner"])
        gateway: Gateway = self._fixtures["gateway"]
        url = gateway.url("backend", gateway.target.component("backend").probes.readiness)

        def probe() -> None:
            try:
                with gateway.session() as session:
                    status = session.get(url, timeout=5).status_code
            except OSError as error:
                if self._command("GET").status_code == requests.codes.gone:
                    raise StoppedError(mutant.name) from error
                raise NotYet(str(error)) from error
            if status >= requests.codes.multiple_choices:
                raise NotYet(f"it was answered {status}")

        eventually("the mutant to answer", probe, STARTED)

    def _switch_on(self, mutant: Mutant) -> None:
        """Replace the frontend's container by one in which a mutant is on."""
        provisioner: ContainerProvisioner = self._fixtures["provisioner"]
        release, gateway = self._fixtures["ready_release"], self._fixtures["gateway"]
        changes = Changes(environment={SWITCH: mutant.switch})
        container = provisioner.start_component(release, "frontend", changes=changes)
        self._remove_rows(provisioner)
        wait_answered(provisioner.toolchain, release, gateway, container, deadline=SWITCHED)

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


def run(item: pytest.Item, next_item: pytest.Item) -> list[pytest.TestReport]:
    """Run a test, and return the reports of its phases; what it shares with the next test is kept."""
    return runtestprotocol(item, log=False, nextitem=next_item)
