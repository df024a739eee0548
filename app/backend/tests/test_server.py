"""A terminating server answers all requests, however slow it is."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from todo_backend.server import QUIET_TICKS, TICK_SECONDS

DRAIN_SECONDS = 0.5
CLIENTS = 40
# CPU time of a request: all of them together take longer than one tick.
BUSY_SECONDS = 0.02
SERVER = f"""
import sys, time
from todo_backend.middleware import RequestContextMiddleware
from todo_backend.server import DrainingServer

async def app(scope, receive, send):
    time.sleep({BUSY_SECONDS})
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}})
    await send({{"type": "http.response.body"}})

app = RequestContextMiddleware(app, pod_name="pod")
server = DrainingServer(app, host="127.0.0.1", port=int(sys.argv[1]), drain_seconds={DRAIN_SECONDS}, finish_seconds=5)
server.config.lifespan = "off"
server.run()
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n"


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                asked(port).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the server is not listening after 20 s"
        yield process, port
    finally:
        process.kill()
        process.wait()


def asked(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(REQUEST)
    return client


def answer(client: socket.socket) -> bytes:
    with client:
        return client.recv(65536)


def test_unread_requests_are_answered_when_the_drain_ends(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    used = [asked(port) for _ in range(CLIENTS)]
    assert all(client.recv(65536).startswith(b"HTTP/1.1 200") for client in used)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGSTOP)
    for client in used:
        client.sendall(REQUEST)
    clients = used + [asked(port) for _ in range(CLIENTS)]
    time.sleep(2 * DRAIN_SECONDS)
    process.send_signal(signal.SIGCONT)
    answers = [answer(client) for client in clients]
    assert [text for text in answers if not text.startswith(b"HTTP/1.1 200") or b"connection: close" not in text] == []
    assert process.wait(10) == 0


def test_an_idle_connection_does_not_delay_the_shutdown(server: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = server
    with socket.create_connection(("127.0.0.1", port)):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began >= DRAIN_SECONDS + QUIET_TICKS * TICK_SECONDS
