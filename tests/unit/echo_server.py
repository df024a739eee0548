"""An HTTP server on loopback that echoes requests and can misbehave on demand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import h11


class EchoServer:
    """Responds with 200 and the request's path and body.

    A behaviour applies to responses started after it was set: `drain` sends `Connection: close`, `forget` omits the
    echo, `cut` closes in the middle of the body, `hang` never responds, `fail` responds with 503, `close` closes
    without a response, `double` sends the echo twice.
    """

    def __init__(self) -> None:
        self.behaviour = ""
        self.served: list[bytes] = []
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._started = threading.Event()
        self._ended = asyncio.Event()

    def stop_listening(self) -> None:
        """Accept no new connection."""
        self._call(self._stop_listening)

    def close_idle(self) -> None:
        """Close every open connection without notice, like a server that does not drain."""
        self._call(self._close_all)

    def stall(self, seconds: float) -> None:
        """Block the server for a while."""
        self._call(lambda: threading.Event().wait(seconds))

    @contextlib.contextmanager
    def running(self) -> Iterator[EchoServer]:
        """Serve for the duration of the context."""
        thread = threading.Thread(target=asyncio.run, args=[self._listen()])
        thread.start()
        self._started.wait()
        try:
            yield self
        finally:
            self._call(self._ended.set)
            thread.join()

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._started.set()
        await self._ended.wait()

    def _call(self, function: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    def _close_all(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, h11.ProtocolError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        protocol = h11.Connection(h11.SERVER)
        echo = b""
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                echo = event.target
            elif isinstance(event, h11.Data):
                echo += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        behaviour = self.behaviour
        self.served.append(echo)
        if behaviour == "hang":
            await asyncio.Event().wait()
        if behaviour == "close":
            return False
        body = {"forget": b"nothing", "double": echo * 2}.get(behaviour, echo)
        headers = [("content-length", str(len(body))), ("x-pod-name", "echo-1")]
        if behaviour == "drain":
            headers.append(("connection", "close"))
        response = h11.Response(status_code=503 if behaviour == "fail" else 200, headers=headers)
        writer.write(protocol.send(response) or b"")
        if behaviour == "cut":
            writer.write(body[: len(body) // 2])
            return False
        writer.write(protocol.send(h11.Data(data=body)) or b"")
        writer.write(protocol.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return behaviour != "drain"
