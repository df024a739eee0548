"""The one way to the database: a bounded pool, and transactions that end within a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

T = TypeVar("T")

# A caller is to get its 503 within 5 s of the database's going away; the rest is for a busy processor.
SILENCE_SECONDS = 3.5
# While others' transactions end well the database is there, and a long queue only takes long.
TRANSACTION_SECONDS = 7.0
# libpq takes less than 2 for 2.
CONNECT_SECONDS = 2


class DatabaseAwayError(Exception):
    """The database did not answer, or not in time. Nothing was acknowledged."""


class _Connection(psycopg.AsyncConnection[Any]):
    """A connection that a cancelled wait closes at once.

    psycopg would ask the server to cancel the statement and wait for its answer, which from a frozen server
    never comes. Closing is safe: a transaction without its COMMIT is rolled back.
    """

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


class Silence:
    """Ends what waits for a database of which nothing was heard for SILENCE_SECONDS."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        async with asyncio.timeout(SILENCE_SECONDS) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def heard(self) -> None:
        until = asyncio.get_running_loop().time() + SILENCE_SECONDS
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(until)


class Database:
    """A pool of at most ``pool_size`` connections to ``conninfo``; connects when it is first used."""

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
            # A connection that died while idle is replaced before it is used; no statement is ever sent twice.
            pool_pre_ping=True,
            # Statements' parameters are people's data and don't belong into logs.
            hide_parameters=True,
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._silence = Silence()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed when the block ends well; its objects stay readable afterwards.

        Raises:
            DatabaseAwayError: when the connection broke, or connecting, waiting for a connection, the statements
                and the commit did not end within TRANSACTION_SECONDS, or while none of this process's did within
                SILENCE_SECONDS.
        """
        try:
            async with (
                asyncio.timeout(TRANSACTION_SECONDS),
                self._silence.limit(),
                self._sessions.begin() as session,
            ):
                yield session
            self._silence.heard()
        except (TimeoutError, exc.TimeoutError, exc.OperationalError, exc.InterfaceError) as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseAwayError(str(cause) or "no answer in time") from error

    async def close(self) -> None:
        await self._engine.dispose()
