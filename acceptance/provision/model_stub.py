"""The stub of the language model: a real HTTP API outside the release, which records its requests for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from requests import ConnectionError as NoConnection
from requests import Response, Session, Timeout

from acceptance.core.deadlines import MODEL_UP, REQUEST
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.dependency import Dependencies, Dependency
from acceptance.provision.docker import LOOPBACK

PORT = 8080
CONTROL_PORT = 8081
"""A path of the stub for tests only; the release does not use it."""
NAME = "model"
COMMAND = ("python3", "/opt/tools/model.py")
STOP_SECONDS = 1
"""Seconds for a stop: the stub has nothing to finish."""


@dataclass(frozen=True)
class ModelStub:
    """The running stub. `base_url` is what the release is given as its model's address."""

    server: Dependency

    @property
    def base_url(self) -> str:
        """The base URL of the API, as pods address it."""
        return f"http://{self.server.host}:{PORT}/v1"

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests since the last `forget`, oldest first: `path`, `headers`, `body`."""
        loaded: list[dict[str, Any]] = self._control("GET", "/requests").json()
        return loaded

    def forget(self) -> None:
        """Forget the recorded requests."""
        self._control("DELETE", "/requests")

    def behave(
        self, *, delay_seconds: float = 0, status: int = 200, malformed: bool = False, repeats_calls: bool = False
    ) -> None:
        """Set how the model answers from now on; without arguments, correctly and at once."""
        behaviour = {"delay_seconds": delay_seconds, "status": status, "malformed": malformed}
        self._control("PUT", "/behaviour", behaviour | {"repeats_calls": repeats_calls})

    def stop(self) -> None:
        """Stop the model: connections are refused."""
        self.server.stop(STOP_SECONDS)

    def start(self) -> None:
        """Start the stub again, and wait until it answers."""
        self.server.start()
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
        port = self.server.local_port(CONTROL_PORT)
        with Session() as session:
            session.trust_env = False
            answer = session.request(method, f"http://{LOOPBACK}:{port}{path}", json=body, timeout=REQUEST.seconds)
        answer.raise_for_status()
        return answer


def start(dependencies: Dependencies, image: str) -> ModelStub:
    """Start the run's stub, unless a kept run has it, and wait until it answers."""
    stub = ModelStub(dependencies.start(NAME, image, COMMAND, ports=(CONTROL_PORT,)))
    stub.wait()
    return stub
