"""The external PostgreSQL: outside the cluster, TLS on, addressed by one URL as Neon gives it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from acceptance.core.deadlines import DATABASE_UP
from acceptance.core.signals import uninterrupted
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
    """A running PostgreSQL. `url` is what the release is given; `ca` is the PEM text that it trusts.

    `name` is that of the database within the server, `role` that of its owner, as which the release connects.
    """

    toolchain: Toolchain
    container: str
    superuser_password: str
    url: str
    ca: str
    name: str = NAME
    role: str = NAME

    def admin(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a superuser's connection in autocommit from this machine; the caller closes it."""
        return psycopg.connect(
            host=docker.LOOPBACK,
            port=docker.host_port(self.toolchain, self.container, PORT),
            user="postgres",
            password=self.superuser_password,
            dbname=self.name,
            sslmode="require",
            sslrootcert="",
            connect_timeout=5,
            autocommit=True,
        )

    def role_url(self, role: str, password: str) -> str:
        """Return the URL for another role."""
        return url(self.container, role, password)

    @contextmanager
    def empty(self, name: str, redact: Callable[[str], None]) -> Iterator[Database]:
        """Create an empty database with an owner of the same name, and yield it; both are dropped at exit."""
        password = new_password()
        redact_password(password, redact)
        owner = sql.Identifier(name)
        with self.admin() as admin:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(password)))
        try:
            with self.admin() as admin:
                admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
            yield replace(self, name=name, role=name, url=url(self.container, name, password, name))
        finally:
            with uninterrupted(), self.admin() as admin:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(owner))
                admin.execute(sql.SQL("DROP ROLE {}").format(owner))

    def address(self, network: str) -> str:
        """Return the IP address of PostgreSQL on a network."""
        query = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        return self.toolchain.engine.docker("inspect", "--format", query, self.container).strip()

    def stop(self) -> None:
        """Stop PostgreSQL: connections are closed, new ones refused."""
        self.toolchain.engine.docker("stop", "--time", "5", self.container)

    def start(self) -> None:
        """Start PostgreSQL again and wait until it answers."""
        self.toolchain.engine.docker("start", self.container)
        self.wait()

    def kill(self) -> None:
        """Kill PostgreSQL as a crash does: nothing is flushed, and connections are reset."""
        self.toolchain.engine.docker("kill", self.container)

    def pause(self) -> None:
        """Pause PostgreSQL: connections stay open and get no answer."""
        self.toolchain.engine.docker("pause", self.container)

    def unpause(self) -> None:
        """Resume PostgreSQL."""
        self.toolchain.engine.docker("unpause", self.container)

    def alter_role(self, *changes: str) -> None:
        """Alter the release's role, then end its connections, since a change applies to new ones only."""
        with self.admin() as connection:
            for change in changes:
                connection.execute(sql.SQL("ALTER ROLE {} " + change).format(sql.Identifier(self.role)))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [self.role])

    def role_is_altered(self) -> bool:
        """Whether the release's role has a limit or settings, which it has during a fault only."""
        query = "SELECT 1 FROM pg_roles WHERE rolname = %s AND (rolconnlimit <> -1 OR rolconfig IS NOT NULL)"
        with self.admin() as connection:
            return connection.execute(query, [self.role]).fetchone() is not None

    def wait(self) -> None:
        """Wait until PostgreSQL answers. Raises `WaitError`."""

        def probe() -> None:
            try:
                self.admin().close()
            except (psycopg.Error, RuntimeError) as error:
                raise NotYet(str(error).strip()) from error

        eventually("PostgreSQL to answer", probe, DATABASE_UP)


def new_password() -> str:
    """Return a random password of which a URL needs some characters percent-encoded."""
    return f"{secrets.token_urlsafe(18)}/@%:?#&+ {secrets.token_urlsafe(6)}"


def redact_password(password: str, redact: Callable[[str], None]) -> None:
    """Call `redact` with the password as it is and as URLs contain it."""
    redact(password)
    redact(quote(password, safe=""))


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
    kept = docker.state(toolchain, name) not in (None, "created")
    if kept:
        docker.start(toolchain, run, name, image)
    else:
        superuser, owner = secrets.token_urlsafe(24), new_password()
        issued = certificates.issue(name, f"pooler-{run.id}")
        redact(superuser)
        redact_password(owner, redact)
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
    superuser, address, ca = (
        engine.docker("exec", name, "cat", f"{FILES}/{path}") for path in ("superuser-password", "url", "ca.crt")
    )
    redact(superuser)
    redact(address)
    redact_password(unquote(urlsplit(address).password or ""), redact)
    database = Database(toolchain, name, superuser, address, ca)
    database.wait()
    if kept and database.role_is_altered():
        # A run that was killed during a fault has left it so.
        database.alter_role("CONNECTION LIMIT -1", "RESET ALL")
    return database
