"""How mutants are started: a process of the backend for each, or a switch in the frontend's one process."""

from __future__ import annotations

from pathlib import Path

import requests

from acceptance.core.deadlines import Deadline
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import docker
from acceptance.provision.container_provisioner import LOG_LINES, ContainerProvisioner, StoppedError, wait_answered
from acceptance.provision.recipes import ContainerChanges
from acceptance.provision.release import Release
from mutants.app.mutant import ComponentName, Mutant
from mutants.app.stryker import INSTRUMENTER, SWITCH

PORT = 9000
"""Where the container of a mutated component takes commands."""
IMAGE_FOLDER, PACKAGE = "/app", "todo_backend"
"""Where the backend's image has its package."""
STARTER = Path(__file__).with_name("starter.py")
STARTER_PATH, WORK_FOLDER = "/mutants/starter.py", "/mutant"
PRELOAD = INSTRUMENTER / "switch.cjs"
PRELOAD_PATH = "/mutants/switch.cjs"
COMMAND_SECONDS = 30
STARTER_UP = Deadline("starter up", 60, "the imports take 3 s here; a busy machine gets twenty times that")
STARTED = Deadline("mutant's start", 15, "the backend starts in 0.5 s here; a busy machine gets thirty times that")
SWITCHED = Deadline("mutant switched on", 30, "the frontend starts in 2 s here; a busy machine gets fifteen times that")


class Processes:
    """A component's container, which takes commands and runs one mutant at a time."""

    component: ComponentName

    def __init__(self, provisioner: ContainerProvisioner, release: Release) -> None:
        """Nothing is started yet."""
        self._provisioner = provisioner
        self._release = release
        self._container = ""

    def start(self, mutant: Mutant | None, *, loaded: bool = True) -> None:
        """Run a mutant, or the original.

        Args:
            mutant: The mutant; None for the original.
            loaded: Whether its change matters after the application has started.

        Raises:
            StoppedError: It ends.
            WaitError: It does not answer in time.
        """
        raise NotImplementedError

    def places(self) -> frozenset[str]:
        """Return which mutants' places have run since the last call."""
        raise NotImplementedError

    def _command(self, method: str, path: str = "/", body: object = None) -> requests.Response:
        with self._provisioner.gateway().session() as session:
            return session.request(method, f"http://{self._container}:{PORT}{path}", json=body, timeout=COMMAND_SECONDS)


class BackendProcesses(Processes):
    """The backend: `starter.py` runs in its container, and forks a process for each mutant."""

    component = "backend"

    def start(self, mutant: Mutant | None, *, loaded: bool = True) -> None:
        """Start a mutant, or the original, whose lines are traced."""
        del loaded
        if not self._container:
            self._open()
        change = {"file": str(mutant.file), "source": mutant.source} if mutant else {}
        self._command("POST", body=change).raise_for_status()
        gateway = self._provisioner.gateway()
        url = gateway.url("backend", gateway.target.component("backend").probes.readiness)

        def probe() -> None:
            try:
                with gateway.session() as session:
                    status = session.get(url, timeout=5).status_code
            except OSError as error:
                if self._command("GET").status_code == requests.codes.gone:
                    raise StoppedError(mutant.name if mutant else "the original") from error
                raise NotYet(str(error)) from error
            if status >= requests.codes.multiple_choices:
                raise NotYet(f"it was answered {status}")

        eventually("the mutant to answer", probe, STARTED)

    def places(self) -> frozenset[str]:
        """Return the lines of the original that have run since the last call."""
        return frozenset(self._command("GET", "/lines").json())

    def _open(self) -> None:
        """Replace the backend's container by one that starts mutants."""
        command = ("python3", STARTER_PATH, str(PORT), IMAGE_FOLDER, WORK_FOLDER, PACKAGE)
        changes = ContainerChanges(command=command, files={STARTER_PATH: STARTER.read_bytes()}, tmpfs=(WORK_FOLDER,))
        self._container = self._provisioner.start_component(self._release, "backend", changes=changes)

        def probe() -> None:
            try:
                self._command("GET")
            except OSError as error:
                if docker.state(self._provisioner.toolchain, self._container) != "running":
                    raise StoppedError(docker.log(self._provisioner.toolchain, self._container, LOG_LINES)) from error
                raise NotYet(str(error)) from error

        eventually("the mutants' starter to answer", probe, STARTER_UP)


class FrontendProcesses(Processes):
    """The frontend: one process has all mutants and switches them; it starts again for those that matter at its start.

    A process that has ended, or that started with a mutant, is replaced too.
    """

    component = "frontend"
    _original = False
    """Whether the process has started without a mutant."""

    def start(self, mutant: Mutant | None, *, loaded: bool = True) -> None:
        """Switch a mutant on, in a process of its own if it matters at the start."""
        if self._original and loaded and self._switch(mutant.switch if mutant else ""):
            return
        self._original = mutant is None or loaded
        if mutant and loaded:
            self.start(None, loaded=False)
            self._switch(mutant.switch)
            return
        active = {SWITCH: mutant.switch} if mutant else {}
        changes = ContainerChanges(
            files={PRELOAD_PATH: PRELOAD.read_bytes()},
            environment={"NODE_OPTIONS": f"--require {PRELOAD_PATH}", **active},
        )
        provisioner = self._provisioner
        self._container = provisioner.start_component(self._release, "frontend", changes=changes)
        wait_answered(provisioner.toolchain, self._release, provisioner.gateway(), self._container, deadline=SWITCHED)

    def places(self) -> frozenset[str]:
        """Return the identifiers of the mutants whose code has run since the last call."""
        return frozenset(self._command("GET", "/places").json())

    def _switch(self, identifier: str) -> bool:
        try:
            return self._command("GET", f"/on/{identifier}").ok
        except OSError:
            return False
