"""PgBouncer in transaction mode in front of the external PostgreSQL, as behind Neon's pooled addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import psycopg

from acceptance.core.deadlines import DATABASE_UP
from acceptance.core.wait import NotYet, eventually
from acceptance.provision.database import NAME, POOLER, PORT, Database
from acceptance.provision.dependency import FILES, Dependencies, Dependency
from acceptance.provision.docker import LOOPBACK

POOLER_PORT = 6432
CONFIGURATION = f"""
[databases]
{NAME} = host={{database}} port={PORT} dbname={NAME}
[pgbouncer]
listen_addr = *
listen_port = {POOLER_PORT}
unix_socket_dir =
pool_mode = transaction
; Named prepared statements then fail, as behind a pooler without support for them.
max_prepared_statements = 0
auth_type = scram-sha-256
auth_file = {FILES}/userlist.txt
client_tls_sslmode = require
client_tls_ca_file = {FILES}/ca.crt
client_tls_cert_file = {FILES}/server.crt
client_tls_key_file = {FILES}/server.key
server_tls_sslmode = verify-full
server_tls_ca_file = {FILES}/ca.crt
"""


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer; `url` addresses the same database through it, without channel binding."""

    server: Dependency
    url: str


def start(dependencies: Dependencies, image: str, database: Database, redact: Callable[[str], None]) -> Pooler:
    """Start the run's PgBouncer with the database's certificate, which is also issued for its name."""
    password = unquote(urlsplit(database.url).password or "")
    credentials, host = urlsplit(database.url).netloc.partition("@")[0], dependencies.host(POOLER)
    address = database.form.written(f"postgresql://{credentials}@{host}:{POOLER_PORT}/{NAME}", pooled=True)
    redact(address)
    certificate, key = (database.server.read(f"{FILES}/{path}") for path in ("server.crt", "server.key"))
    files = {
        "pgbouncer.ini": CONFIGURATION.format(database=database.server.host),
        "userlist.txt": f'"{NAME}" "{password}"\n',
        "ca.crt": database.ca,
        "server.crt": certificate,
        "server.key": key,
    }
    command = ("/usr/sbin/pgbouncer", f"{FILES}/pgbouncer.ini")
    given = {path: content.encode() for path, content in files.items()}
    server = dependencies.start(POOLER, image, command, files=given, ports=(POOLER_PORT,))

    def probe() -> None:
        try:
            psycopg.connect(
                host=LOOPBACK,
                port=server.local_port(POOLER_PORT),
                user=NAME,
                password=password,
                dbname=NAME,
                sslmode="require",
                connect_timeout=5,
            ).close()
        except psycopg.Error as error:
            raise NotYet(str(error).strip()) from error

    eventually("PgBouncer to answer", probe, DATABASE_UP)
    return Pooler(server, address)
