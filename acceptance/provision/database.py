"""The external PostgreSQL: outside the cluster, TLS on, addressed by one URL as Neon gives it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import psycopg
from psycopg import sql

from acceptance.core.deadlines import DATABASE_UP
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import certificates, docker
from acceptance.provision.run import Run
from toolchain import Toolchain

PORT = 5432
NAME = "todo"
"""The database, and the role that owns it."""
FILES = "/run/database"


@dataclass(frozen=True)
class Database:
    """A running PostgreSQL. `url` is what the release is given; `ca` is the PEM text that it trusts."""

    toolchain: Toolchain
    container: str
    superuser_password: str
    url: str
    ca: str

    def admin(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a superuser's connection in autocommit from this machine; the caller closes it."""
        return psycopg.connect(
            host=docker.LOOPBACK,
            port=docker.host_port(self.toolchain, self.container, PORT),
            user="postgres",
            password=self.superuser_password,
            dbname=NAME,
            sslmode="require",
            sslrootcert="",
            connect_timeout=5,
            autocommit=True,
        )

    def role_url(self, role: str, password: str) -> str:
        """Return the URL for another role."""
        return url(self.container, role, password)

    @contextmanager
    def empty(self, name: str, redact: Callable[[str], None]) -> Iterator[str]:
        """Create an empty database with an owner of the same name, and yield its URL; both are dropped at exit."""
        password = secrets.token_urlsafe(24)
        redact(password)
        owner = sql.Identifier(name)
        with self.admin() as admin:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(password)))
            try:
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
                yield url(self.container, name, password, name)
            finally:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(owner))
                admin.execute(sql.SQL("DROP ROLE {}").format(owner))

    def stop(self) -> None:
        """Stop PostgreSQL: connections are closed, new ones refused."""
        self.toolchain.engine.docker("stop", "--time", "5", self.container)

    def start(self) -> None:
        """Start PostgreSQL again and wait until it answers."""
        self.toolchain.engine.docker("start", self.container)
        self.wait()

    def pause(self) -> None:
        """Pause PostgreSQL: connections stay open and get no answer."""
        self.toolchain.engine.docker("pause", self.container)

    def unpause(self) -> None:
        """Resume PostgreSQL."""
        self.toolchain.engine.docker("unpause", self.container)

    def wait(self) -> None:
        """Wait until PostgreSQL answers. Raises `WaitError`."""

        def probe() -> None:
            try:
                self.admin().close()
            except (psycopg.Error, RuntimeError) as error:
                raise NotYet(str(error).strip()) from error

        eventually("PostgreSQL to answer", probe, DATABASE_UP)


def url(host: str, role: str, password: str, name: str = NAME) -> str:
    """Return the URL of a database as Neon gives it; the password is percent-encoded."""
    return (
        f"postgresql://{role}:{quote(password, safe='')}@{host}:{PORT}/{name}?sslmode=require&channel_binding=require"
    )


def start(toolchain: Toolchain, run: Run, image: str, redact: Callable[[str], None]) -> Database:
    """Start the run's PostgreSQL, unless a kept run has it, and wait until it answers.

    Args:
        toolchain: The tools of this machine.
        run: The run.
        image: The reference of the suite's PostgreSQL image.
        redact: Called with every secret that is created or read.
    """
    name = f"database-{run.id}"
    engine = toolchain.engine
    if docker.state(toolchain, name) in (None, "created"):
        superuser, owner = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        issued = certificates.issue(name, f"pooler-{run.id}")
        redact(superuser)
        redact(owner)
        files = {
            "superuser-password": superuser.encode(),
            "url": url(name, NAME, owner).encode(),
            "ca.crt": issued.authority,
            "server.crt": issued.certificate,
            "server.key": issued.key,
            "init.sql": (
                f"CREATE ROLE {NAME} LOGIN PASSWORD '{owner}';\n\nCREATE DATABASE {NAME} OWNER {NAME};\n\n"
            ).encode(),
        }
        placed = {f"{FILES}/{path}": content for path, content in files.items()}
        docker.start(toolchain, run, name, image, files=placed, ports=(PORT,))
    else:
        docker.start(toolchain, run, name, image)
    superuser, address, ca = (
        engine.docker("exec", name, "cat", f"{FILES}/{path}") for path in ("superuser-password", "url", "ca.crt")
    )
    redact(superuser)
    redact(address)
    database = Database(toolchain, name, superuser, address, ca)
    database.wait()
    return database
