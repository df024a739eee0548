"""Runs an image alone on a network without egress: whether it answers, and how it handles SIGTERM."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from acceptance.checks.image import GRACE_SECONDS
from acceptance.checks.snapshot import ImageRun
from acceptance.core.deadlines import IMAGE_ANSWERS
from acceptance.core.deadlines import REQUEST as REQUEST_DEADLINE
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import docker
from acceptance.provision.recipes import Recipe, start_container
from acceptance.provision.run import LABEL, Run
from toolchain import Toolchain
from toolchain.console import ToolchainError

LOG_LINES, LOG_BYTES = 20, 2000
FORM = "application/x-www-form-urlencoded"
REQUEST = """
import sys, time, urllib.error, urllib.request
url, seconds = sys.argv[1], float(sys.argv[2])
end = time.monotonic() + seconds
status = ""
while time.monotonic() < end:
    try:
        status = urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        time.sleep(0.1)
        continue
    if 200 <= status < 300:
        break
    time.sleep(0.1)
print(status)
"""
SEND = """
import json, sys, urllib.error, urllib.request
given = json.load(sys.stdin)
body = given["body"].encode() if given["body"] is not None else None
request = urllib.request.Request(given["url"], body, given["headers"], method=given["method"])
try:
    answer = urllib.request.urlopen(request, timeout=given["timeout"])
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    sys.exit(print(json.dumps({"status": 0, "cookies": [], "text": str(error)})))
found = {"status": answer.status, "cookies": answer.headers.get_all("Set-Cookie") or []}
print(json.dumps({**found, "text": answer.read().decode("utf-8", "replace")}))
"""


@dataclass(frozen=True)
class Answer:
    """A response; where there was none, status 0 and the cause as its text."""

    status: int
    cookies: list[str] = field(repr=False)
    text: str

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300


class IsolatedNetwork:
    """A network of the run without egress, on which only the container `neighbour` can be reached."""

    def __init__(self, toolchain: Toolchain, run: Run, neighbour: str, client: str) -> None:
        self.toolchain = toolchain
        self.engine = toolchain.engine
        self.run = run
        self.neighbour = neighbour
        self.client = client
        self.network = f"{run.network}-alone"

    def __enter__(self) -> IsolatedNetwork:
        self.engine.docker("network", "create", "--internal", "--label", f"{LABEL}={self.run.id}", self.network)
        self.engine.docker("network", "connect", self.network, self.neighbour)
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.docker("network", "disconnect", "--force", self.network, self.neighbour)
        self.engine.docker("network", "rm", self.network)

    def start(self, recipe: Recipe, *, hardened: bool = False) -> None:
        """Start a container. A hardened one runs as user 1000, without capabilities, on a read-only root file system.

        The root file system is writable if the recipe has files, since they could not be copied into it otherwise.
        """
        restricted = {"user": "1000:1000", "cap_drop": ["ALL"], "read_only": not recipe.files}
        start_container(self.toolchain, self.run, recipe, limits=restricted if hardened else None, network=self.network)

    def try_out(self, recipe: Recipe, port: int, path: str) -> ImageRun:
        """Start a hardened container, send a request, and stop it, unless it has ended by itself.

        Args:
            recipe: What the container is started with.
            port: The port that it listens on.
            path: Its health path; empty where none is known, so that any response shows that it has started.
        """
        try:
            self.start(recipe, hardened=True)
            status = self.health(recipe.name, port, path or "/")
            has_ended = self.exit_code(recipe.name) is not None
            seconds, code = (None, None) if has_ended else self._end(recipe.name)
            return ImageRun(status, self.log(recipe.name), seconds, code, path)
        finally:
            self.engine.docker("rm", "--force", "--volumes", recipe.name)

    def wait_ended(self, container: str) -> int:
        """Wait until the container's process has ended, and return its exit code. Raises `WaitError`."""

        def probe() -> int:
            code = self.exit_code(container)
            if code is None:
                raise NotYet(f"it still runs: {self.log(container)[-300:]}")
            return code

        return eventually(f"the end of {container}", probe, IMAGE_ANSWERS)

    def exit_code(self, container: str) -> int | None:
        """Return the exit code of the container's process; None while it runs."""
        return docker.exit_code(self.toolchain, container)

    def health(self, container: str, port: int, path: str) -> int | None:
        """Return the status of the container's response to a path; None if there is none by the deadline of a start."""
        return self._request(f"http://{container}:{port}{path}")

    def send(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request from the network. Its contents may be secret, so they are in no command's arguments.

        The body is sent as JSON, or as a form where the headers name that as its type.
        """
        sent = {"Content-Type": "application/json", **(headers or {})}
        text = None if body is None else urlencode(body) if sent["Content-Type"] == FORM else json.dumps(body)
        given = {"method": method, "url": url, "body": text, "headers": sent, "timeout": REQUEST_DEADLINE.seconds}
        argv = ["run", "--rm", "--interactive", *self._label, "--network", self.network, self.client]
        return Answer(**json.loads(self.engine.docker(*argv, "python3", "-c", SEND, stdin=json.dumps(given))))

    @property
    def _label(self) -> list[str]:
        return ["--label", f"{LABEL}={self.run.id}"]

    def _request(self, url: str) -> int | None:
        argv = ["run", "--rm", *self._label, "--network", self.network, self.client, "python3", "-c", REQUEST]
        answer = self.engine.docker(*argv, url, str(IMAGE_ANSWERS.seconds)).strip()
        return int(answer) if answer else None

    def _end(self, container: str) -> tuple[float, int]:
        """Stop the container; return seconds until its exit and its exit code. It is killed after the grace period.

        Raises:
            ToolchainError: The container engine could not stop it.
        """
        start = time.monotonic()
        self.engine.docker("stop", "--time", str(GRACE_SECONDS), container)
        seconds = time.monotonic() - start
        code = self.exit_code(container)
        if code is None:
            raise ToolchainError(f"container {container} still runs after `docker stop`")
        return seconds, code

    def log(self, container: str) -> str:
        """Return the end of the container's log."""
        return docker.log(self.toolchain, container, LOG_LINES)[-LOG_BYTES:]
