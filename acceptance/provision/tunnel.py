"""A tunnel: a port on loopback, each connection to which is passed on over a connection of its own.

`kubectl port-forward` ends with all its connections when one of them fails, as those of a database that is stopped do.
"""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from acceptance.provision.docker import LOOPBACK

CHUNK = 65536
"""Bytes that are read at once."""


@contextmanager
def open_tunnel(connect: Callable[[], socket.socket]) -> Iterator[int]:
    """Yield a port on loopback; until exit, each connection to it is joined to one that `connect` returns.

    A connection for which `connect` raises `OSError` is closed.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), connect() as other:
                back = Thread(target=_copy, args=(other, self.request), daemon=True)
                back.start()
                _copy(self.request, other)
                back.join()

    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _copy(source: socket.socket, destination: socket.socket) -> None:
    """Copy until an end closes, then close both directions."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            destination.sendall(data)
    for end in (source, destination):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
