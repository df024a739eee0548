"""A server that shuts down without dropping requests."""

import asyncio
from types import FrameType

import uvicorn

from todo_backend.middleware import RequestContextMiddleware

# Longer than clients keep idle connections, so that the client closes them and no request arrives on a closing one.
KEEP_ALIVE_SECONDS = 75
TICK_SECONDS = 0.1
QUIET_TICKS = 10
# Limits the wait for clients that send requests to the pod's address indefinitely.
MOST_TICKS = 100


class DrainingServer(uvicorn.Server):
    """Continues to listen for ``drain_seconds`` after SIGTERM, with ``Connection: close`` in every response.

    uvicorn alone would close its listener and all idle connections immediately, and drop the requests that are
    already on their way. Here it does so after the drain, as soon as no new requests arrive; requests in flight then
    have up to ``finish_seconds`` to complete.
    """

    def __init__(
        self, app: RequestContextMiddleware, *, host: str, port: int, drain_seconds: float, finish_seconds: float
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(finish_seconds),
            )
        )
        self._middleware = app
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # A second signal, or one before the loop runs, stops the server immediately.
        if self._middleware.draining or self._loop is None:
            self.should_exit = True
            return
        self._middleware.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._end_when_quiet, 0, 0, 0)

    def _end_when_quiet(self, seen: int, ticks: int, quiet_ticks: int) -> None:
        """Check once per tick, and stop the server after QUIET_TICKS ticks without a new request.

        A busy process may have unread requests, also on connections that it has not accepted yet; closing them
        would reset the connections.
        """
        assert self._loop is not None
        started = self.server_state.total_requests
        quiet_ticks = quiet_ticks + 1 if ticks and started == seen else 0
        if quiet_ticks == QUIET_TICKS or ticks == MOST_TICKS:
            self.should_exit = True
            return
        self._loop.call_later(TICK_SECONDS, self._end_when_quiet, started, ticks + 1, quiet_ticks)
