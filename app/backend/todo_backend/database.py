"""Database access: a bounded connection pool, and transactions with a time limit."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

T = TypeVar("T")

log = logging.getLogger(__name__)

# A client must receive a 503 within 5 s after the database became unavailable; the difference is for a busy CPU.
INACTIVITY_SECONDS = 3.5
# Longer, because the database is available while other transactions succeed and a full queue only takes time.
TRANSACTION_SECONDS = 7.0
# libpq treats values below 2 as 2.
CONNECT_SECONDS = 2


class DatabaseUnavailableError(Exception):
    """The database did not respond in time. Nothing was acknowledged."""


class _Connection(psycopg.AsyncConnection[Any]):
    """A connection that is closed immediately when a wait on it is cancelled.

    psycopg would ask the server to cancel the statement and wait for the response, which a frozen server never
    sends. Closing is safe: PostgreSQL rolls back a transaction without COMMIT.
    """

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class InactivityTimeout:
    """Cancels waits for the database when no transaction of this process has succeeded for INACTIVITY_SECONDS."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        async with asyncio.timeout(INACTIVITY_SECONDS) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def reset(self) -> None:
        until = asyncio.get_running_loop().time() + INACTIVITY_SECONDS
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(until)


class Database:
    """A pool of at most ``pool_size`` connections to ``conninfo``; connects on first use."""

    def __init__(self, conninfo: str, *, application_name: str, pool_size: int) -> None:
        async def connect() -> _Connection:
            return await _Connection.connect(
                conninfo,
                application_name=application_name,
                connect_timeout=CONNECT_SECONDS,
                # In PgBouncer's transaction mode the next transaction may run on another server connection.
                prepare_threshold=None,
            )

        self._engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=TRANSACTION_SECONDS,
            # Replaces a connection that broke while idle before it is used; no statement is sent twice.
            pool_pre_ping=True,
            # Parameters are user data and must not be logged.
            hide_parameters=True,
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._inactivity = InactivityTimeout()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed if the block succeeds; its objects remain readable afterwards.

        Raises:
            DatabaseUnavailableError: if the connection broke; if waiting for a connection, the statements and the
                commit took longer than TRANSACTION_SECONDS; or if meanwhile no transaction of this process succeeded
                for INACTIVITY_SECONDS.
        """
        try:
            async with (
                asyncio.timeout(TRANSACTION_SECONDS),
                self._inactivity.limit(),
                self._sessions() as session,
            ):
                yield session
                # Not by the exit of `begin`, which shields it from the time limits.
                await session.commit()
            self._inactivity.reset()
        except (TimeoutError, exc.TimeoutError, exc.OperationalError, exc.InterfaceError) as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnavailableError(str(cause) or "no response in time") from error

    async def warm_up(self) -> None:
        """Open the first connection, which takes longer than others; without a database, do nothing."""
        try:
            async with self.transaction() as session:
                await session.execute(text("SELECT 1"))
        except DatabaseUnavailableError as error:
            log.warning("database unavailable at the start: %s", error)

    async def close(self) -> None:
        await self._engine.dispose()
