"""A load generator that records the outcome of every request; it runs in a pod.

Open loop: request `k` is due at `t0 + k / rate`, whatever the outcome of earlier ones. It opens every connection
itself, so no request is retried and no connection reopened unnoticed. The records are kept in numbered blocks, each
with its count and checksum. It is controlled over HTTP:

    GET  /clock                    {"time": seconds since the epoch}
    POST /runs                     a plan (see `Plan`) -> 201 {"run": number, "address": of its host}
    GET  /runs/N/blocks?from=B     the finished blocks from number B on
    POST /runs/N/stop              stops sending; answers with the totals when no request is pending
    GET  /load?from=T              samples of the machine's load from T on, in seconds since the epoch

Needs Python 3.11 or newer and h11, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import hashlib
import itertools
import json
import math
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11
from machine_load import MachineLoad

BLOCK_RECORDS = 200
READ_BYTES = 65536
EXCERPT_BYTES = 160
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIELDS = (
    "number",  # k
    "due",  # seconds since the epoch
    "sent",  # the moment the socket was opened or, on an open one, written to
    "done",  # the moment of the last byte, or of the failure
    "connection",  # number of the connection, in order of opening
    "use",  # how many requests the connection carried before this one
    "port",  # local port, also of a connection that failed; 0 if there is none
    "status",  # of the response; 0 if none came
    "error",  # "", connect, unconnected, reset, closed, cut, late, protocol
    "echo",  # whether the body contains the plan's echo with the request's token
    "close",  # whether the response has `Connection: close`
    "pod",  # the response's pod header, or ""
    "excerpt",  # the beginning of a body without the echo
)
"""The fields of a record, in this order."""


@dataclass(frozen=True)
class Plan:
    """What to send: `rate` requests per second to `host` and `port`, each with its token in place of `{token}`.

    The body of an expected response contains `echo`, with the request's token in it.
    `reused_share` of the requests use one of `connections` that are kept open, the others a new one each.
    `timeout` is in seconds from when a request is due. With `checks_idle_connections` the client checks whether the
    server has closed an idle connection before it writes to it, as common clients do.
    """

    host: str
    port: int
    rate: float
    method: str
    path: str
    token: str
    echo: str = "{token}"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    reused_share: float = 0.5
    connections: int = 8
    timeout: float = 10.0
    checks_idle_connections: bool = True
    pod_header: str = ""

    def __post_init__(self) -> None:
        if not (self.rate > 0 and 0 <= self.reused_share <= 1 and self.connections > 0 and self.timeout > 0):
            raise ValueError("rate, connections and timeout must be above 0, reused_share within 0 and 1")
        if "{token}" not in self.path + self.body or "{token}" not in self.echo:
            raise ValueError("path or body, and echo, must contain {token}")

    def slot(self, number: int) -> int | None:
        """Return which of the kept connections request `number` uses, each in turn; None for a new one."""
        before, after = (math.floor(n * self.reused_share) for n in (number, number + 1))
        return before % self.connections if after > before else None


@dataclass(eq=False)
class Connection:
    """An open connection; `slot` is its place among the kept ones, None if it is used once."""

    number: int
    slot: int | None
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    uses: int = 0

    @property
    def port(self) -> int:
        """The local port."""
        address = self.writer.get_extra_info("sockname")
        return int(address[1]) if address else 0


class LocalPorts:
    """Binds sockets to local ports in turn, so that a port comes back after thousands of connections.

    A node tracks a connection that nobody answers for two minutes, by its ports and addresses. Another one from the
    same port would follow it to a pod that is gone, whatever the Service leads to by then. Linux may choose the port
    again within seconds; users come from many addresses, and meet that rarely.
    """

    def __init__(self) -> None:
        first, last = map(int, PORT_RANGE.read_text(encoding="ascii").split())
        self._ports = range(first, last + 1)
        self._turn = itertools.cycle(self._ports)

    def bind(self, opened: socket.socket) -> None:
        """Bind a socket to the next port that is free; `OSError` if none is."""
        for port in itertools.islice(self._turn, len(self._ports)):
            try:
                opened.bind(("", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "every local port is in use")


class Exchange(Exception):  # noqa: N818 - the outcome of an exchange, not an error of this program
    """Raised if an exchange did not end with a complete response; the argument is the record's error."""


@dataclass
class Response:
    """What was received of a response so far."""

    status: int = 0
    echo: bool = False
    close: bool = False
    pod: str = ""
    excerpt: str = ""
    port: int = 0


class Run:
    """A plan that is being executed, and its records."""

    local_ports = LocalPorts()

    def __init__(self, plan: Plan, family: socket.AddressFamily, address: str) -> None:
        self.plan = plan
        self.family = family
        self.address = address
        self.blocks: list[dict[str, Any]] = []
        self.records = 0
        self._pending: list[list[Any]] = []
        self._idle: dict[int, Connection] = {}
        self._opened = 0
        self._stopping = asyncio.Event()
        self._epoch = time.time() - time.monotonic()
        self._task = asyncio.create_task(self._pace())

    def now(self) -> float:
        """Seconds since the epoch, by a monotonic clock."""
        return self._epoch + time.monotonic()

    async def stop(self) -> dict[str, int]:
        """Stop sending, wait for the pending requests, and return the totals."""
        self._stopping.set()
        await self._task
        return {"blocks": len(self.blocks), "records": self.records}

    async def _pace(self) -> None:
        start = self.now()
        number = 0
        requests: set[asyncio.Task[None]] = set()
        while not self._stopping.is_set():
            due = start + number / self.plan.rate
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - self.now())):
                    await self._stopping.wait()
                    break
            task = asyncio.create_task(self._request(number, due))
            requests.add(task)
            task.add_done_callback(requests.discard)
            number += 1
        if requests:
            await asyncio.wait(requests)
        for connection in self._idle.values():
            connection.writer.close()
        self._idle.clear()
        self._finish_block()

    async def _request(self, number: int, due: float) -> None:
        token = f"{self.plan.token}-{number}"
        slot = self.plan.slot(number)
        connection = self._take(slot)
        answer = Response()
        error = ""
        sent = self.now()
        try:
            async with asyncio.timeout(max(0.0, due + self.plan.timeout - sent)):
                if connection is None:
                    connection = await self._open(slot, answer)
                connection.uses += 1
                await self._exchange(connection, token, answer)
        except TimeoutError:
            error = "late" if connection else "unconnected"
        except ConnectionError:
            error = "reset"
        except Exchange as end:
            error = str(end)
        done = self.now()
        self._keep(
            [
                number,
                round(due, 6),
                round(sent, 6),
                round(done, 6),
                connection.number if connection else -1,
                connection.uses - 1 if connection else 0,
                connection.port if connection else answer.port,
                answer.status,
                error,
                answer.echo,
                answer.close,
                answer.pod,
                answer.excerpt,
            ]
        )
        if connection is not None:
            self._give_back(connection, usable=not error)

    def _take(self, slot: int | None) -> Connection | None:
        """Return the slot's connection, if it has an idle one."""
        connection = None if slot is None else self._idle.pop(slot, None)
        if connection is not None and self.plan.checks_idle_connections and connection.reader.at_eof():
            connection.writer.close()
            return None
        return connection

    def _give_back(self, connection: Connection, *, usable: bool) -> None:
        """Keep the connection for its slot's next request; of two open ones the older is kept."""
        protocol, slot = connection.protocol, connection.slot
        if slot is None or not usable or not protocol.our_state is protocol.their_state is h11.DONE:
            connection.writer.close()
            return
        protocol.start_next_cycle()
        other = self._idle.get(slot)
        older, newer = (connection, other) if other is None or connection.number < other.number else (other, connection)
        self._idle[slot] = older
        if newer is not None:
            newer.writer.close()

    async def _open(self, slot: int | None, answer: Response) -> Connection:
        opened = socket.socket(self.family, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            self.local_ports.bind(opened)
            await asyncio.get_running_loop().sock_connect(opened, (self.address, self.plan.port))
        except BaseException as error:
            answer.port = opened.getsockname()[1]
            opened.close()
            if isinstance(error, OSError):
                raise Exchange("connect") from error
            raise
        reader, writer = await asyncio.open_connection(sock=opened)
        self._opened += 1
        return Connection(self._opened - 1, slot, reader, writer)

    async def _exchange(self, connection: Connection, token: str, answer: Response) -> None:
        plan = self.plan
        body = plan.body.replace("{token}", token).encode()
        host = f"[{plan.host}]" if ":" in plan.host else plan.host  # RFC 3986, 3.2.2
        headers = {"host": f"{host}:{plan.port}", **plan.headers}
        if body:
            headers["content-length"] = str(len(body))
        protocol = connection.protocol
        connection.writer.write(
            b"".join(
                protocol.send(event) or b""
                for event in (
                    h11.Request(
                        method=plan.method,
                        target=plan.path.replace("{token}", token),
                        headers=list(headers.items()),
                    ),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                )
            )
        )
        received = bytearray()
        try:
            while True:
                event = protocol.next_event()
                if event is h11.NEED_DATA:
                    chunk = await connection.reader.read(READ_BYTES)
                    if not chunk and not answer.status:
                        raise Exchange("closed")
                    protocol.receive_data(chunk)
                elif isinstance(event, h11.Response):
                    answer.status = event.status_code
                    for name, value in event.headers:
                        if name == b"connection":
                            answer.close = b"close" in value.lower()
                        elif name == plan.pod_header.lower().encode():
                            answer.pod = value.decode("latin-1")
                elif isinstance(event, h11.Data):
                    received += event.data
                elif isinstance(event, h11.EndOfMessage):
                    answer.echo = plan.echo.replace("{token}", token).encode() in received
                    if not answer.echo:
                        answer.excerpt = received[:EXCERPT_BYTES].decode(errors="replace")
                    return
        except h11.RemoteProtocolError as error:
            raise Exchange("cut" if connection.reader.at_eof() else "protocol") from error
        except OSError as error:  # a ConnectionError, or a host that can't be reached any more
            raise Exchange("cut" if answer.status else "reset") from error

    def _keep(self, record: list[Any]) -> None:
        self._pending.append(record)
        if len(self._pending) == BLOCK_RECORDS:
            self._finish_block()

    def _finish_block(self) -> None:
        if not self._pending:
            return
        records = json.dumps(self._pending, separators=(",", ":"))
        self.blocks.append(
            {
                "number": len(self.blocks),
                "count": len(self._pending),
                "sha256": hashlib.sha256(records.encode()).hexdigest(),
                "records": records,
            }
        )
        self.records += len(self._pending)
        self._pending.clear()


class Refused(Exception):  # noqa: N818 - a response
    """Raised for an invalid command; the arguments are the HTTP status and the reason."""


class Control:
    """The sampler's HTTP interface."""

    def __init__(self, load: MachineLoad) -> None:
        self.load = load
        self.runs: list[Run] = []

    async def command(self, method: str, target: str, body: bytes) -> tuple[int, object]:
        """Status and JSON document for one command; raises `Refused`."""
        url = urlsplit(target)
        match [method, *url.path.strip("/").split("/")]:
            case ["GET", "clock"]:
                return 200, {"time": time.time()}
            case ["GET", "load"]:
                return 200, self.load.since(float(parse_qs(url.query).get("from", ["0"])[0]))
            case ["POST", "runs"]:
                number = await self._start(body)
                return 201, {"run": number, "address": self.runs[number].address}
            case ["GET", "runs", number, "blocks"]:
                first = int(parse_qs(url.query).get("from", ["0"])[0])
                return 200, self._run(number).blocks[first:]
            case ["POST", "runs", number, "stop"]:
                return 200, await self._run(number).stop()
        raise Refused(404, f"no such command: {method} {url.path}")

    async def _start(self, body: bytes) -> int:
        try:
            plan = Plan(**json.loads(body))
        except (TypeError, ValueError) as error:
            raise Refused(400, f"invalid plan: {error}") from error
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(plan.host, plan.port, proto=6)
        except OSError as error:
            raise Refused(502, f"{plan.host} has no address: {error}") from error
        self.runs.append(Run(plan, found[0][0], str(found[0][4][0])))
        return len(self.runs) - 1

    def _run(self, number: str) -> Run:
        try:
            return self.runs[int(number)]
        except (ValueError, IndexError) as error:
            raise Refused(404, f"no run {number}") from error

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the commands of one connection in turn."""
        protocol = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = bytearray()
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, h11.RemoteProtocolError):
            while True:
                event = protocol.next_event()
                if event is h11.NEED_DATA:
                    protocol.receive_data(await reader.read(READ_BYTES))
                elif isinstance(event, h11.Request):
                    request, body = event, bytearray()
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    writer.write(b"".join(await self._answer(protocol, request, bytes(body))))
                    await writer.drain()
                    if protocol.our_state is h11.MUST_CLOSE:
                        return
                    protocol.start_next_cycle()
                else:
                    return

    async def _answer(self, protocol: h11.Connection, request: h11.Request, body: bytes) -> Iterator[bytes]:
        document: object
        try:
            status, document = await self.command(request.method.decode(), request.target.decode(), body)
        except Refused as refusal:
            status, document = int(refusal.args[0]), {"detail": refusal.args[1]}
        data = json.dumps(document).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(data)))]
        events = h11.Response(status_code=status, headers=headers), h11.Data(data=data), h11.EndOfMessage()
        return iter([protocol.send(event) or b"" for event in events])


async def main(host: str, port: int) -> None:
    """Serve until the process is ended; the first line on stdout is the port."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    load = MachineLoad()
    server = await asyncio.start_server(Control(load).serve, host, port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    async with server:
        await asyncio.gather(server.serve_forever(), load.sample())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - in a pod
    parser.add_argument("--port", type=int, default=8090)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.host, arguments.port))
