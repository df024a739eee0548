"""A server that loses no request when it is stopped."""

import asyncio
from types import FrameType

import uvicorn

from todo_backend.edge import Edge

# Longer than any client keeps an idle connection: the client closes, so no request meets a closing connection.
KEEP_ALIVE_SECONDS = 75
TICK_SECONDS = 0.1
QUIET_TICKS = 10
# Somebody who knows the pod's address may go on asking for ever.
MOST_TICKS = 100


class DrainingServer(uvicorn.Server):
    """Goes on listening for ``drain_seconds`` after SIGTERM, with ``Connection: close`` on every response.

    uvicorn would close its listener and its idle connections at once, and with them the requests that were
    already on their way. It does so once it has been quiet after the drain; requests in flight are finished, for
    at most ``finish_seconds``.
    """

    def __init__(self, edge: Edge, *, host: str, port: int, drain_seconds: float, finish_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                edge,
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
        self._edge = edge
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        # A second signal, or one before the loop runs, ends the process at once.
        if self._edge.draining or self._loop is None:
            self.should_exit = True
            return
        self._edge.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._end_when_quiet, 0, 0, 0)

    def _end_when_quiet(self, seen: int, ticks: int, quiet_ticks: int) -> None:
        """Look every tick until none has brought a request for QUIET_TICKS.

        A busy process has requests that it has not read, on connections too that it has not accepted: closing
        would reset them.
        """
        assert self._loop is not None
        started = self.server_state.total_requests
        quiet_ticks = quiet_ticks + 1 if ticks and started == seen else 0
        if quiet_ticks == QUIET_TICKS or ticks == MOST_TICKS:
            self.should_exit = True
            return
        self._loop.call_later(TICK_SECONDS, self._end_when_quiet, started, ticks + 1, quiet_ticks)
