"""Connections that are passed on, each by itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from acceptance.provision.tunnel import open_tunnel

ADDRESS = "127.0.0.1"
SECONDS = 10
CONTENT = b"row" * 100_000


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((ADDRESS, 0)) as server:
        server.settimeout(SECONDS)
        yield server


def connect(port: int) -> socket.socket:
    return socket.create_connection((ADDRESS, port), SECONDS)


def accept(listener: socket.socket) -> socket.socket:
    accepted, _ = listener.accept()
    accepted.settimeout(SECONDS)
    return accepted


def received(connection: socket.socket) -> bytes:
    content = b""
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            content += data
    return content


def test_content_passes_in_both_directions(listener: socket.socket) -> None:
    with open_tunnel(partial(connect, listener.getsockname()[1])) as port, connect(port) as client:
        with accept(listener) as server:
            client.sendall(b"query")
            assert server.recv(5) == b"query"
            server.sendall(CONTENT)
        assert received(client) == CONTENT


def test_other_connections_outlive_one_that_is_reset(listener: socket.socket) -> None:
    with (
        open_tunnel(partial(connect, listener.getsockname()[1])) as port,
        connect(port) as first,
        accept(listener) as kept,
        connect(port) as second,
    ):
        broken = accept(listener)
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        broken.close()
        assert received(second) == b""
        first.sendall(b"still here")
        assert kept.recv(10) == b"still here"


def test_connection_that_is_refused_is_closed(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with open_tunnel(partial(connect, port)) as tunnel, connect(tunnel) as client:
        assert received(client) == b""


def test_nothing_listens_afterwards(listener: socket.socket) -> None:
    with open_tunnel(partial(connect, listener.getsockname()[1])) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        connect(port)
