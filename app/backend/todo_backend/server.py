"""A server that loses no request when it is stopped."""

import asyncio
from types import FrameType

import uvicorn

from todo_backend.edge import Edge

# Longer than any client keeps an idle connection: the client closes, so no request meets a closing connection.
KEEP_ALIVE_SECONDS = 75


class DrainingServer(uvicorn.Server):
    """Goes on listening for ``drain_seconds`` after SIGTERM, with ``Connection: close`` on every response.

    uvicorn would close its listener and its idle connections at once, and with them the requests that were
    already on their way. After the drain requests in flight are finished, for at most ``finish_seconds``.
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
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
