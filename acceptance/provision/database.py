"""The external PostgreSQL: outside the release, with TLS, addressed by one URL of the form that Neon gives."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from acceptance.core.deadlines import DATABASE_UP
from acceptance.core.signals import uninterrupted
from acceptance.core.urls import AS_NEON_GIVES, DatabaseUrlForm
from acceptance.core.wait import NotYet, eventually
from acceptance.provision import certificates
from acceptance.provision.dependency import FILES, Dependencies, Dependency
from acceptance.provision.docker import LOOPBACK

PORT = 5432
NAME = "todo"
"""The database, and the role that owns it."""
SERVER, POOLER = "database", "pooler"
"""The names, among the run's dependencies, of PostgreSQL and of the pooler in front of it."""
COMMAND = ("/entrypoint.sh",)
"""What the suite's image of PostgreSQL starts with."""
ABSENT_STANDBY = "absent"
"""The name of a synchronous standby that does not exist, so that it never acknowledges a commit."""
STOP_SECONDS = 5
"""Seconds for a fast shutdown, which takes under 1 s here."""


@dataclass(frozen=True)
class Database:
    """A running PostgreSQL. `url` is what the release is given; `ca` is the PEM text that it trusts.

    `name` is that of the database within the server, `role` that of its owner, as which the release connects; `form`
    that of every URL which the release is given.
    """

    server: Dependency
    superuser_password: str = field(repr=False)
    url: str = field(repr=False)
    ca: str
    name: str = NAME
    role: str = NAME
    form: DatabaseUrlForm = AS_NEON_GIVES

    def admin(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a superuser's connection in autocommit from this machine; the caller closes it."""
        return psycopg.connect(
            host=LOOPBACK,
            port=self.server.local_port(PORT),
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
        return url(self.server.host, role, password, form=self.form)

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
            address = url(self.server.host, name, password, name, self.form)
            yield replace(self, name=name, role=name, url=address)
        finally:
            with uninterrupted(), self.admin() as admin:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(owner))
                admin.execute(sql.SQL("DROP ROLE {}").format(owner))

    def stop(self) -> None:
        """Stop PostgreSQL: connections are closed, new ones refused."""
        self.server.stop(STOP_SECONDS)

    def start(self) -> None:
        """Start PostgreSQL again and wait until it answers."""
        self.server.start()
        self.wait()

    def kill(self) -> None:
        """Kill PostgreSQL as a crash does: nothing is flushed, and connections are reset."""
        self.server.kill()

    def pause(self) -> None:
        """Pause PostgreSQL: connections stay open and get no answer."""
        self.server.pause()

    def unpause(self) -> None:
        """Resume PostgreSQL."""
        self.server.unpause()

    def alter_role(self, *changes: str) -> None:
        """Alter the release's role, then end its connections, since a change applies to new ones only."""
        with self.admin() as connection:
            for change in changes:
                connection.execute(sql.SQL("ALTER ROLE {} " + change).format(sql.Identifier(self.role)))
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [self.role])

    def hold_commits(self, *, held: bool) -> None:
        """Store commits without answering them, as when a synchronous standby is gone; or answer them again.

        Those that were held are then answered too.
        """
        with self.admin() as connection:
            standby = sql.Literal(ABSENT_STANDBY if held else "")
            connection.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(standby))
            connection.execute("SELECT pg_reload_conf()")

    def held_commits(self) -> int:
        """Return how many sessions of the release wait for the answer to their commit."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event = 'SyncRep'"
        with self.admin() as connection:
            row = connection.execute(query, [self.role]).fetchone()
        assert row is not None
        return int(str(row[0]))

    def role_is_altered(self) -> bool:
        """Return whether the release's role has a limit or settings, which it has during a fault only."""
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
    """Return a random password with characters that must be percent-encoded in a URL."""
    return f"{secrets.token_urlsafe(18)}/@%:?#&+ {secrets.token_urlsafe(6)}"


def redact_password(password: str, redact: Callable[[str], None]) -> None:
    """Call `redact` with the password as it is and as URLs contain it."""
    redact(password)
    redact(quote(password, safe=""))


def url(host: str, role: str, password: str, name: str = NAME, form: DatabaseUrlForm = AS_NEON_GIVES) -> str:
    """Return the URL of a database, by default as Neon gives it; the password is percent-encoded."""
    return form.written(f"{form.scheme}://{role}:{quote(password, safe='')}@{host}:{PORT}/{name}")


def start(dependencies: Dependencies, image: str, redact: Callable[[str], None], form: DatabaseUrlForm) -> Database:
    """Start the run's PostgreSQL, unless a kept run has it, and wait until it answers.

    Args:
        dependencies: Where it is started.
        image: The reference of the suite's PostgreSQL image.
        redact: Called with every secret that is created or read.
        form: How the release wants its URL.
    """
    kept = dependencies.kept(SERVER)
    files = {} if kept else _new_files(dependencies, redact)
    server = dependencies.start(SERVER, image, COMMAND, files=files, ports=(PORT,))
    superuser, address, ca = (server.read(f"{FILES}/{path}") for path in ("superuser-password", "url", "ca.crt"))
    redact(superuser)
    for each in (address, form.written(address)):
        redact(each)
    redact_password(unquote(urlsplit(address).password or ""), redact)
    database = Database(server, superuser, form.written(address), ca, form=form)
    database.wait()
    if kept:
        # A run that was killed during a fault has left the fault in place.
        database.hold_commits(held=False)
        if database.role_is_altered():
            database.alter_role("CONNECTION LIMIT -1", "RESET ALL")
    return database


def _new_files(dependencies: Dependencies, redact: Callable[[str], None]) -> dict[str, bytes]:
    """Create credentials and a certificate, and return the files that PostgreSQL is started with."""
    host = dependencies.host(SERVER)
    superuser, owner = secrets.token_urlsafe(24), new_password()
    issued = certificates.issue(host, dependencies.host(POOLER))
    redact(superuser)
    redact_password(owner, redact)
    return {
        "superuser-password": superuser.encode(),
        "url": url(host, NAME, owner).encode(),
        "ca.crt": issued.authority,
        "server.crt": issued.certificate,
        "server.key": issued.key,
        "init.sql": (
            f"CREATE ROLE {NAME} LOGIN PASSWORD '{owner}';\n\nCREATE DATABASE {NAME} OWNER {NAME};\n\n"
        ).encode(),
    }
