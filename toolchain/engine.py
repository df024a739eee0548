"""The Docker engine: the one that answers, else on Debian as root one of our own.

An engine that is already there is used as it is and never reconfigured. Our own has its data root, socket and pid
file in the cache, and runs only while something needs it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolchain import cache, oci_runtime
from toolchain.console import ToolchainError, log, run, succeeds, timed_step

START_SECONDS = 60
"""A new data root takes the engine about 2 s here; a busy machine gets thirty times that."""
STOP_SECONDS = 30
"""The engine's own grace for its containers is 15 s: dockerd's --shutdown-timeout."""
SOCKET_LIMIT = 107
"""Bytes in a Unix socket's path: sun_path in unix(7), less its NUL."""
ANSWER_SECONDS = 20
"""An engine answers in 0.1 s here; one that is silent for longer is as good as none."""
FREE_GIGABYTES = 8
"""The engine's images take 4 GB after the build road, and as much while they are made."""
FREE_GIGABYTES_FOR_RUN = 3
"""A run's images, and their copies on its node, take 2 GB."""

DEBIAN_FOLDER = "/usr/bin"
"""Where Debian's client is, which can build with BuildKit, even if another one is first on PATH."""
DEBIAN_PACKAGES = ("docker.io", "iptables", "mmdebstrap")
CURE = "start Docker, or as root on Debian run `make e2e`, which sets up an engine of its own"


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and a client that can build with BuildKit."""

    host: str
    client: Path
    buildx: bool

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `docker` and `kind` speak to this engine."""
        path = f"{self.client.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1", "PATH": path}

    def docker(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a docker command and return what it printed; raises `ToolchainError`."""
        return run([self.client, *argv], env=self.environment, stdin=stdin)

    def has_image(self, reference: str) -> bool:
        return succeeds([self.client, "image", "inspect", reference], env=self.environment)

    def build(self, *argv: str | Path) -> str:
        """`docker build` by BuildKit, with the machine's CA bundle as the secret `ca` where it has one of its own."""
        command: list[str | Path] = ["buildx", "build", "--load"] if self.buildx else ["build"]
        bundle = os.environ.get("SSL_CERT_FILE")
        secret: list[str] = ["--secret", f"id=ca,src={bundle}"] if bundle and Path(bundle).is_file() else []
        return self.docker(*command, "--progress=plain", *secret, *argv)


def folder() -> Path:
    return cache.directory() / "engine"


def own_host() -> str:
    return f"unix://{folder() / 'docker.sock'}"


def clients() -> Iterator[tuple[Path, bool]]:
    """Docker clients on PATH that can build with BuildKit, and whether by the buildx plug-in."""
    for place in [*os.environ.get("PATH", "").split(os.pathsep), DEBIAN_FOLDER]:
        path = shutil.which("docker", path=place)
        if path is None:
            continue
        if succeeds([path, "buildx", "version"]):
            yield Path(path), True
        else:
            found = re.search(r"version (\d+)\.", run([path, "--version"]))
            if found and 18 < int(found[1]) < 23:
                yield Path(path), False


def configured_host() -> str:
    """The engine that the user's own docker would speak to."""
    if host := os.environ.get("DOCKER_HOST"):
        return host
    client = shutil.which("docker")
    if client is not None:
        try:
            contexts = json.loads(run([client, "context", "inspect"]))
            return str(contexts[0]["Endpoints"]["docker"]["Host"])
        except (ToolchainError, ValueError, LookupError):
            pass
    return "unix:///var/run/docker.sock"


def answers(host: str) -> bool:
    """Whether an engine answers there."""
    client = shutil.which("docker")
    if client is None:
        return False
    argv = [client, "version", "--format", "{{.Server.Version}}"]
    return succeeds(argv, env={**os.environ, "DOCKER_HOST": host}, seconds=ANSWER_SECONDS)


def find() -> Engine | None:
    """The engine that answers: the user's, else our own if it runs. None where there is none."""
    for host in dict.fromkeys((configured_host(), own_host())):
        if answers(host):
            client = next(clients(), None)
            if client is None:
                raise ToolchainError(
                    "no docker client can build with BuildKit: install the buildx plug-in (Debian: docker.io, "
                    "or docker-buildx beside a client of version 23 or later)"
                )
            if host == own_host():
                require_disk_space(FREE_GIGABYTES_FOR_RUN)
            return Engine(host, *client)
    return None


def locate() -> Engine:
    """The engine that answers; `ToolchainError` with the cure where none does."""
    engine = find()
    if engine is None:
        raise ToolchainError(f"no Docker engine answers at {configured_host()}: {CURE}")
    return engine


def acquire() -> Engine:
    """The engine that answers, else our own, set up and started."""
    with cache.lock("engine"):
        engine = find()
        if engine is not None:
            log("engine", f"found, {engine.host}")
            return engine
        if os.environ.get("DOCKER_HOST"):
            raise ToolchainError(
                f"no Docker engine answers at {os.environ['DOCKER_HOST']} (DOCKER_HOST): start it, or unset DOCKER_HOST"
            )
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise ToolchainError(f"no Docker engine answers at {configured_host()}: {CURE}")
        log("engine", f"none answers at {configured_host()}: our own is started, data in {folder()}")
        install()
        start()
        return locate()


def install() -> None:
    """Debian's engine, where there is none; its service is not started."""
    missing = [name for name in DEBIAN_PACKAGES if not succeeds(["dpkg-query", "--status", name])]
    if missing:
        with timed_step("engine", f"apt-get install {' '.join(missing)}"):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            run(["apt-get", "update"], env=environment)
            run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], env=environment)


def configuration() -> dict[str, object]:
    """The engine's own settings; the adapted runtime only where this host can't give what runc asks for."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    if "CAP_SYS_RESOURCE" in oci_runtime.bounding_set(status):
        return {}
    runtime = folder() / "oci-runtime"
    base = getattr(sys, "_base_executable", sys.executable)
    source = Path(oci_runtime.__file__).read_text(encoding="utf-8").split("\n", 1)[1]
    runtime.write_text(f"#!{base} -IS\n{source}", encoding="utf-8")
    runtime.chmod(0o755)
    return {"default-runtime": "adapted", "runtimes": {"adapted": {"path": str(runtime)}}}


def require_disk_space(gigabytes: float) -> None:
    """Raise `ToolchainError` where our own engine's disk has less to give."""
    free = shutil.disk_usage(folder()).free / 1e9
    if free < gigabytes:
        raise ToolchainError(
            f"only {free:.1f} GB are free at {folder()}, and {gigabytes} are needed: free some, "
            "or set XDG_CACHE_HOME to a larger disk"
        )


def start() -> None:
    """Start our own engine, detached, and wait until it answers."""
    folder().mkdir(parents=True, exist_ok=True)
    if len(own_host().removeprefix("unix://")) > SOCKET_LIMIT:
        raise ToolchainError(
            f"the path of the engine's socket in {folder()} is too long: set XDG_CACHE_HOME to a shorter one"
        )
    require_disk_space(FREE_GIGABYTES)
    settings = folder() / "daemon.json"
    settings.write_text(json.dumps(configuration()), encoding="utf-8")
    argv = [shutil.which("dockerd") or "/usr/sbin/dockerd", "--config-file", str(settings)]
    argv += ["--data-root", str(folder() / "data"), "--exec-root", str(folder() / "exec")]
    argv += ["--host", own_host(), "--pidfile", str(folder() / "docker.pid")]
    log = folder() / "engine.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not answers(own_host()):
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise ToolchainError(f"the engine did not start: {''.join(last)} (all of it in {log})")
        time.sleep(0.2)


def alive(pid: int) -> bool:
    """Whether a process is there; one that this process started and that has ended is let go first."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def stop() -> None:
    """Stop our own engine, unless a container still runs in it."""
    pid_file = folder() / "docker.pid"
    if not pid_file.is_file() or not answers(own_host()):
        return
    engine = Engine(own_host(), Path(shutil.which("docker") or "docker"), buildx=False)
    if engine.docker("ps", "--quiet").strip():
        log("engine", "left running, since containers run in it")
        return
    pid = int(pid_file.read_text(encoding="ascii"))
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while alive(pid):
        if time.monotonic() > deadline:
            raise ToolchainError(f"the engine (process {pid}) did not stop within {STOP_SECONDS} s: kill it")
        time.sleep(0.1)
    log("engine", "stopped")


@contextmanager
def in_use() -> Iterator[None]:
    """Keep our own engine for as long as this lasts; the last user stops it."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with cache.lock("engine"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log("engine", "left running, since another run uses it")
                else:
                    stop()
