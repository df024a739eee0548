"""The Docker engine: the user's, or (on Debian, as root) a private one.

A running engine is used as it is and never reconfigured. The private engine keeps its data root, socket and PID file
in the cache, and runs only while a process uses it.
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
"""An engine with a new data root starts in about 2 s; a busy machine gets thirty times that."""
STOP_SECONDS = 30
"""Twice dockerd's --shutdown-timeout (15 s), the time it gives its containers."""
SOCKET_LIMIT = 107
"""Maximum length of a Unix socket's path in bytes: sun_path in unix(7) without its NUL."""
ANSWER_SECONDS = 20
"""A working engine answers in 0.1 s; one that takes longer than this counts as not running."""
FREE_GIGABYTES = 8
"""Locally built images take 4 GB, and building them as much again."""
FREE_GIGABYTES_FOR_RUN = 3
"""A run's images and their copies on its node take 2 GB."""

CONTAINER_WEIGHT = 16
"""How many times more CPU time all containers together get than one other process, if both compete for it. By default
they get as much as one: the tests would starve the cluster."""
CONTROL_GROUPS = (("/sys/fs/cgroup/cpu/docker/cpu.shares", 1024), ("/sys/fs/cgroup/docker/cpu.weight", 100))
"""The file with the weight of the private engine's containers, and its default: in cgroup v1, and in v2."""

DEBIAN_FOLDER = "/usr/bin"
"""Where Debian installs its client, which can build with BuildKit; searched even if PATH has another one first."""
DEBIAN_PACKAGES = ("docker.io", "iptables", "mmdebstrap")
DEFAULT_HOST = "unix:///var/run/docker.sock"
HINT = "start Docker, or as root on Debian run `make e2e`, which starts a private engine"


@dataclass(frozen=True)
class Engine:
    """A running engine, and a client that can build with BuildKit."""

    host: str
    client: Path
    buildx: bool

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `docker` and `kind` use this engine."""
        path = f"{self.client.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1", "PATH": path}

    def docker(self, *argv: str | Path, stdin: str | None = None) -> str:
        """Run a docker command and return its standard output; raises `ToolchainError`."""
        return run([self.client, *argv], env=self.environment, stdin=stdin)

    def has_image(self, reference: str) -> bool:
        """Whether the engine has the image."""
        return succeeds([self.client, "image", "inspect", reference], env=self.environment)

    def build(self, *argv: str | Path) -> str:
        """Run `docker build` with BuildKit; the CA bundle in SSL_CERT_FILE, if any, is passed as the secret `ca`."""
        command: list[str | Path] = ["buildx", "build", "--load"] if self.buildx else ["build"]
        bundle = os.environ.get("SSL_CERT_FILE")
        secret: list[str] = ["--secret", f"id=ca,src={bundle}"] if bundle and Path(bundle).is_file() else []
        return self.docker(*command, "--progress=plain", *secret, *argv)


def folder() -> Path:
    """Return the private engine's folder in the cache."""
    return cache.directory() / "engine"


def private_host() -> str:
    """Return the private engine's DOCKER_HOST."""
    return f"unix://{folder() / 'docker.sock'}"


def clients() -> Iterator[tuple[Path, bool]]:
    """Yield the Docker clients on PATH that can build with BuildKit, and whether they need the buildx plugin."""
    for directory in [*os.environ.get("PATH", "").split(os.pathsep), DEBIAN_FOLDER]:
        path = shutil.which("docker", path=directory)
        if path is None:
            continue
        if succeeds([path, "buildx", "version"]):
            yield Path(path), True
        else:
            found = re.search(r"version (\d+)\.", run([path, "--version"]))
            if found and 18 < int(found[1]) < 23:
                yield Path(path), False


def chosen_host() -> str | None:
    """Return the host that the user chose, by DOCKER_HOST or by a Docker context; None if Docker's default applies.

    Raises:
        ToolchainError: DOCKER_CONTEXT names no context.
    """
    if host := os.environ.get("DOCKER_HOST"):
        return host
    client = shutil.which("docker")
    if client is None:
        return None
    try:
        contexts = json.loads(run([client, "context", "inspect"]))
        host = str(contexts[0]["Endpoints"]["docker"]["Host"])
    except (ToolchainError, ValueError, LookupError) as error:
        if name := os.environ.get("DOCKER_CONTEXT"):
            raise ToolchainError(
                f"there is no Docker context {name} (DOCKER_CONTEXT): create it, or unset it"
            ) from error
        return None
    return host if host != DEFAULT_HOST else None


def unanswered() -> ToolchainError:
    """Return the error for an engine that does not answer, with the cure."""
    host = chosen_host()
    if host is None:
        return ToolchainError(f"no Docker engine answers at {DEFAULT_HOST}: {HINT}")
    source = "DOCKER_HOST" if os.environ.get("DOCKER_HOST") else "the Docker context in use"
    cure = "unset DOCKER_HOST" if os.environ.get("DOCKER_HOST") else "choose another context"
    return ToolchainError(f"no Docker engine answers at {host} ({source}): start it, or {cure}")


def answers(host: str) -> bool:
    """Whether an engine answers at `host`."""
    client = shutil.which("docker")
    if client is None:
        return False
    argv = [client, "version", "--format", "{{.Server.Version}}"]
    return succeeds(argv, env={**os.environ, "DOCKER_HOST": host}, seconds=ANSWER_SECONDS)


def find() -> Engine | None:
    """Return the engine that the user chose, else Docker's default one or the private one if that runs, or None.

    Raises:
        ToolchainError: There is an engine but no client that can build with BuildKit, or its disk is nearly full.
    """
    chosen = chosen_host()
    for host in (chosen,) if chosen else (DEFAULT_HOST, private_host()):
        if answers(host):
            client = next(clients(), None)
            if client is None:
                raise ToolchainError(
                    "no docker client can build with BuildKit: install the buildx plugin (Debian: docker.io, "
                    "or docker-buildx beside a client of version 23 or later)"
                )
            if host == private_host():
                require_disk_space(FREE_GIGABYTES_FOR_RUN)
            return Engine(host, *client)
    return None


def require() -> Engine:
    """Return the running engine; raise `ToolchainError` if there is none."""
    engine = find()
    if engine is None:
        raise unanswered()
    return engine


def ensure() -> Engine:
    """Return the running engine; if there is none, install and start the private one.

    Raises:
        ToolchainError: The engine of DOCKER_HOST does not answer, or this machine can't run a private one.
    """
    with cache.lock("engine"):
        engine = find()
        if engine is not None:
            log("engine", f"found, {engine.host}")
            return engine
        if chosen_host() or os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise unanswered()
        log("engine", f"no Docker engine at {DEFAULT_HOST}; starting a private one in {folder()}")
        install()
        start()
        return require()


def install() -> None:
    """Install Debian's engine if it is missing, without starting its service."""
    missing = [name for name in DEBIAN_PACKAGES if not succeeds(["dpkg-query", "--status", name])]
    if missing:
        with timed_step("engine", f"apt-get install {' '.join(missing)}"):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            run(["apt-get", "update"], env=environment)
            run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], env=environment)


def configuration() -> dict[str, object]:
    """Return the private engine's daemon.json; it uses `oci_runtime` only if the host lacks capabilities for runc."""
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
    """Raise `ToolchainError` if the private engine's disk has less free space."""
    free = shutil.disk_usage(folder()).free / 1e9
    if free < gigabytes:
        raise ToolchainError(
            f"only {free:.1f} GB are free at {folder()}, and {gigabytes} are needed: free some, "
            "or set XDG_CACHE_HOME to a larger disk"
        )


def start() -> None:
    """Start the private engine, detached, and wait until it answers."""
    folder().mkdir(parents=True, exist_ok=True)
    if len(private_host().removeprefix("unix://")) > SOCKET_LIMIT:
        raise ToolchainError(
            f"the path of the engine's socket in {folder()} is too long: set XDG_CACHE_HOME to a shorter one"
        )
    require_disk_space(FREE_GIGABYTES)
    settings = folder() / "daemon.json"
    settings.write_text(json.dumps(configuration()), encoding="utf-8")
    argv = [shutil.which("dockerd") or "/usr/sbin/dockerd", "--config-file", str(settings)]
    argv += ["--data-root", str(folder() / "data"), "--exec-root", str(folder() / "exec")]
    argv += ["--host", private_host(), "--pidfile", str(folder() / "docker.pid")]
    prefer_containers()
    log_file = folder() / "engine.log"
    with log_file.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while not answers(private_host()):
        if process.poll() is not None or time.monotonic() > deadline:
            last = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise ToolchainError(f"the engine did not start: {''.join(last)} (full log: {log_file})")
        time.sleep(0.2)


def prefer_containers() -> None:
    """Let the private engine's containers have CPU time before other processes, where its control group can be set."""
    for path, default in CONTROL_GROUPS:
        group = Path(path).parent
        with suppress(OSError):
            if group.parent.joinpath("cgroup.procs").exists():
                group.mkdir(exist_ok=True)
                Path(path).write_text(f"{CONTAINER_WEIGHT * default}", encoding="ascii")


def alive(pid: int) -> bool:
    """Whether a process exists; if it is an ended child of this process, it is reaped first."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def stop() -> None:
    """Stop the private engine unless a container still runs in it."""
    pid_file = folder() / "docker.pid"
    if not pid_file.is_file() or not answers(private_host()):
        return
    engine = Engine(private_host(), Path(shutil.which("docker") or "docker"), buildx=False)
    if engine.docker("ps", "--quiet").strip():
        log("engine", "left running: it still has running containers")
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
    """Keep the private engine running for the duration of the context; its last user stops it."""
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
                    log("engine", "left running: another run uses it")
                else:
                    stop()
