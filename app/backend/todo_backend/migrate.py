"""``python -m todo_backend.migrate``: upgrade the database schema, or fail with a one-sentence error.

The upgrade is one transaction under a transaction-scoped advisory lock, so any number of pods may start at the same
time, also through PgBouncer in transaction mode.
"""

import os
import signal
import sys
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, exc, text
from sqlalchemy.pool import NullPool

from todo_backend.database_url import conninfo

# An arbitrary number that nothing else in this database uses.
LOCK = 7_305_801_246_210
# A migration by another pod should take much less time. After it this pod fails and Kubernetes restarts it.
LOCK_SECONDS = 120
CONNECT_SECONDS = 10


class MigrationError(Exception):
    """Why the migration failed, in one sentence; the database is unchanged."""


def log(message: str) -> None:
    print(f"migrate: {message}", flush=True)  # noqa: T201


def _lock(connection: Connection) -> None:
    if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}):
        return
    log(f"another migration is running, waiting for up to {LOCK_SECONDS} s")
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    connection.execute(text("SET LOCAL lock_timeout = DEFAULT"))


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    before = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if before is not None and before not in known:
        # After a rollback to an older release. All its tables exist, because migrations only add.
        log(f"the database is at revision {before}, which is newer than this release: nothing to do")
        return
    command.upgrade(config, "head")
    log(f"the database was at revision {before or 'none'} and is at {scripts.get_current_head()}")


def migrate(database_url: str, application_name: str) -> None:
    """Upgrade the database to the latest revision, if it is not there yet.

    Raises:
        MigrationError: if the database is unreachable or can't be upgraded.
    """
    try:
        uri = conninfo(database_url)
    except ValueError as error:
        raise MigrationError(f"DATABASE_URL {error}") from None
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(
            uri, application_name=application_name, connect_timeout=CONNECT_SECONDS, prepare_threshold=None
        ),
        poolclass=NullPool,
    )
    try:
        with engine.begin() as connection:
            _lock(connection)
            _upgrade(connection)
    except exc.DBAPIError as error:
        raise MigrationError(" ".join(str(error.orig).split())) from error
    except (exc.SQLAlchemyError, CommandError) as error:
        raise MigrationError(" ".join(str(error).split())) from error


def main() -> None:
    # Process 1 of a container ignores SIGTERM until it has a handler. An unfinished transaction is rolled back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("migrate: stopped by SIGTERM, the database is unchanged"))
    try:
        migrate(os.environ.get("DATABASE_URL", ""), os.environ.get("POD_NAME") or "todo-backend-migrate")
    except MigrationError as error:
        sys.exit(f"migrate: failed, the database is unchanged: {error}")


if __name__ == "__main__":
    main()
