"""``python -m todo_backend.migrate``: bring the database's tables up to date, or fail with one clear sentence.

Everything happens in one transaction under a transaction-scoped advisory lock, so any number of pods may start at
once, and through PgBouncer in transaction mode too.
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

# Any number will do, as long as nothing else in this database uses it.
LOCK = 7_305_801_246_210
# Another pod's migration should be over long before; after it this pod fails and is started again.
LOCK_SECONDS = 120
CONNECT_SECONDS = 10


class MigrationError(Exception):
    """One sentence about what went wrong; the database is as it was."""


def say(message: str) -> None:
    print(f"migrate: {message}", flush=True)  # noqa: T201


def _lock(connection: Connection) -> None:
    if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK}):
        return
    say(f"another migration is running, waiting for it for at most {LOCK_SECONDS} s")
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
        # Rolled back to an older release: its tables are all there, since migrations only ever add.
        say(f"the database is at revision {before}, newer than this release knows: nothing to do")
        return
    command.upgrade(config, "head")
    say(f"the database was at revision {before or 'none'} and is at {scripts.get_current_head()}")


def migrate(database_url: str, application_name: str) -> None:
    """Upgrade the database to the newest revision; do nothing when it is there.

    Raises:
        MigrationError: when it can't be reached or upgraded.
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
    # Process 1 of a container ignores SIGTERM until it has a handler; an unfinished transaction is rolled back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("migrate: told to stop, the database is as it was"))
    try:
        migrate(os.environ.get("DATABASE_URL", ""), os.environ.get("POD_NAME") or "todo-backend-migrate")
    except MigrationError as error:
        sys.exit(f"migrate: failed, the database is as it was: {error}")


if __name__ == "__main__":
    main()
