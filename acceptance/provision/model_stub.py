"""The stub of the language model: a real HTTP API outside the release, which records its requests for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from requests import ConnectionError as NoConnection
from requests import Response, Session, Timeout

from acceptance.core.deadlines import MODEL_UP, REQUEST
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import docker
from acceptance.provision.run import Run
from toolchain import Toolchain

PORT = 8080
CONTROL_PORT = 8081
"""For tests only; the release does not use it."""


@dataclass(frozen=True)
class ModelStub:
    """The running stub. `base_url` is what the release is given as its model's address."""

    toolchain: Toolchain
    container: str

    @property
    def base_url(self) -> str:
        """The base URL of the API, as pods address it."""
        return f"http://{self.container}:{PORT}/v1"

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests since the last `forget`, oldest first: `path`, `headers`, `body`."""
        loaded: list[dict[str, Any]] = self._control("GET", "/requests").json()
        return loaded

    def forget(self) -> None:
        """Forget the recorded requests."""
        self._control("DELETE", "/requests")

    def behave(self, *, delay_seconds: float = 0, status: int = 200, malformed: bool = False) -> None:
        """Set how the model answers from now on; without arguments, correctly and at once."""
        self._control("PUT", "/behaviour", {"delay_seconds": delay_seconds, "status": status, "malformed": malformed})

    def stop(self) -> None:
        """Stop the model: connections are refused."""
        self.toolchain.engine.docker("stop", "--time", "1", self.container)

    def running(self) -> bool:
        """Whether the stub's container runs."""
        return docker.state(self.toolchain, self.container) == "running"

    def start(self) -> None:
        """Start the stub again, and wait until it answers."""
        self.toolchain.engine.docker("start", self.container)
        self.wait()

    def wait(self) -> None:
        """Wait until the stub answers. Raises `WaitError`."""

        def probe() -> None:
            try:
                self.requests()
            except (NoConnection, Timeout) as error:
                raise NotYet(str(error)) from error

        eventually("the model's stub to answer", probe, MODEL_UP)

    def _control(self, method: str, path: str, body: object = None) -> Response:
        port = docker.host_port(self.toolchain, self.container, CONTROL_PORT)
        with Session() as session:
            session.trust_env = False
            answer = session.request(
                method, f"http://{docker.LOOPBACK}:{port}{path}", json=body, timeout=REQUEST.seconds
            )
        answer.raise_for_status()
        return answer


def start(toolchain: Toolchain, run: Run, image: str) -> ModelStub:
    """Start the run's stub, unless a kept run has it, and wait until it answers."""
    stub = ModelStub(toolchain, f"model-{run.id}")
    entrypoint = ["python3", "/opt/tools/model.py"]
    docker.start(toolchain, run, stub.container, image, entrypoint=entrypoint, ports=(CONTROL_PORT,))
    stub.wait()
    return stub
