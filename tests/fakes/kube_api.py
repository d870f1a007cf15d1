"""An API server in memory, over real HTTP/2 and TLS, that can go wrong in every way of a network.

It keeps config maps with one resourceVersion for all, serves lists, watches, patches and posts,
and does with the next requests what `acts` says.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from backstay.drill.load.access import Address
from fakes.drill_tls import NAME, server_context
from fakes.wire import reset

Act = Callable[["Session", int], bool]
"""Does something about a request of a session and its stream; returns whether to serve it still."""


@dataclass
class Api:
    """What there is, who watches it, and what shall go wrong."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    revision: int = 100
    compacted: int = 0
    log: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    watchers: dict[tuple[Session, int], str] = field(default_factory=dict)
    acts: deque[Act] = field(default_factory=deque)
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    pings: int = 0
    port: int = 0

    @property
    def address(self) -> Address:
        """Where it is, and its name."""
        return Address("127.0.0.1", self.port, NAME)

    def store(self, kind: str, path: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Write a thing, and tell those who watch."""
        self.revision += 1
        thing["metadata"]["resourceVersion"] = str(self.revision)
        self.things[path] = thing
        copy = json.loads(json.dumps(thing))
        self.log.append((self.revision, path, {"type": kind, "object": copy}))
        for (session, stream), prefix in list(self.watchers.items()):
            if path.startswith(prefix):
                session.line(stream, {"type": kind, "object": copy})
        return thing

    def compact(self) -> None:
        """Forget all that happened until now."""
        self.compacted = self.revision

    def bookmark(self) -> None:
        """Tell all that watch how far they have come."""
        thing = {"metadata": {"resourceVersion": str(self.revision)}}
        for session, stream in self.watchers:
            session.line(stream, {"type": "BOOKMARK", "object": thing})

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and object for a request that is no watch."""
        path = urlsplit(target).path
        match method:
            case "POST":
                thing = json.loads(body)
                path += f"/{thing['metadata']['name']}"
                if path in self.things:
                    return 409, {}
                return 201, self.store("ADDED", path, thing)
            case "PUT" if path in self.things:
                thing = json.loads(body)
                if thing["metadata"]["name"] != path.rpartition("/")[2]:
                    return 400, {}
                return 200, self.store("MODIFIED", path, thing)
            case "GET" if path in self.things:
                return 200, self.things[path]
            case "GET" if path.endswith("s"):
                items = [one for name, one in self.things.items() if name.startswith(path + "/")]
                return 200, {"metadata": {"resourceVersion": str(self.revision)}, "items": items}
            case "DELETE":
                self.things = {n: t for n, t in self.things.items() if not n.startswith(path)}
                return 200, {}
        return 404, {}


class Session(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, tuple[Mapping[str, str], bytearray]] = {}
        self.waiting: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.api.sessions.append(self)
        self.http.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it and its watches."""
        del exc
        if self in self.api.sessions:
            self.api.sessions.remove(self)
        for key in [one for one in self.api.watchers if one[0] is self]:
            del self.api.watchers[key]

    def flush(self) -> None:
        """Send what is to be sent."""
        self.transport.write(self.http.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Serve each request that is complete."""
        for event in self.http.receive_data(data):
            match event:
                case events.RequestReceived(stream_id=number):
                    headers = {str(name): str(value) for name, value in event.headers}
                    self.requests[number] = (headers, bytearray())
                case events.DataReceived(stream_id=number):
                    self.requests[number][1].extend(event.data)
                case events.StreamEnded(stream_id=number):
                    self.serve(number)
                case events.StreamReset(stream_id=number):
                    self.api.resets.append(number)
                    self.api.watchers.pop((self, number), None)
                case events.PingReceived():
                    self.api.pings += 1
                case events.WindowUpdated():
                    self.send_waiting()
                case _:
                    pass
        if not self.transport.is_closing():
            self.flush()

    def serve(self, number: int) -> None:
        """Serve one request, or let it go wrong."""
        headers, body = self.requests.pop(number)
        method, target = headers[":method"], headers[":path"]
        self.api.asked.append((method, target, bytes(body)))
        act = self.api.acts.popleft() if self.api.acts else serve
        if not act(self, number):
            return
        query = parse_qs(urlsplit(target).query)
        if "watch" in query:
            self.watch(number, urlsplit(target).path, int(query["resourceVersion"][0]))
            return
        status, thing = self.api.answer(method, target, bytes(body))
        self.reply(number, status, json.dumps(thing).encode())

    def watch(self, number: int, path: str, after: int) -> None:
        """Send what happened after a revision, and what will."""
        self.http.send_headers(number, [(":status", "200")])
        if after < self.api.compacted:
            self.line(number, {"type": "ERROR", "object": {"code": 410}})
            self.http.end_stream(number)
            return
        for revision, where, event in self.api.log:
            if revision > after and where.startswith(path):
                self.line(number, event)
        self.api.watchers[self, number] = path

    def line(self, number: int, thing: dict[str, Any]) -> None:
        """Send a watch one more line."""
        self.http.send_data(number, json.dumps(thing).encode() + b"\n")
        self.flush()

    def reply(
        self, number: int, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer a request, as fast as the client's window allows."""
        said = [(":status", str(status)), *(headers or {}).items()]
        self.http.send_headers(number, said)
        self.waiting[number] = body
        self.send_waiting()

    def send_waiting(self) -> None:
        """Send as much of all bodies as their client's windows allow."""
        for number, body in list(self.waiting.items()):
            room = self.http.local_flow_control_window(number)
            frame = self.http.max_outbound_frame_size
            rest = body
            while rest and room:
                piece, rest = rest[: min(room, frame)], rest[min(room, frame) :]
                room -= len(piece)
                self.http.send_data(number, piece)
            self.waiting[number] = rest
            if not rest:
                del self.waiting[number]
                self.http.end_stream(number)

    def go_away(self, last: int, error: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say that no stream above `last` is processed; h2 itself would end the connection."""
        frame = GoAwayFrame(0, last_stream_id=last, error_code=error)
        self.flush()
        self.transport.write(frame.serialize())


def serve(session: Session, stream: int) -> bool:
    """Nothing goes wrong."""
    del session, stream
    return True


def hang(session: Session, stream: int) -> bool:
    """There is no answer."""
    del session, stream
    return False


def go_away(session: Session, stream: int) -> bool:
    """The request came too late to be processed."""
    session.go_away(stream - 2 if stream > 2 else 0)
    return False


def go_away_failing(session: Session, stream: int) -> bool:
    """The request is not processed, since something is wrong with the connection."""
    session.go_away(stream - 2 if stream > 2 else 0, ErrorCodes.ENHANCE_YOUR_CALM)
    return False


def go_away_after(session: Session, stream: int) -> bool:
    """The request is the last to be processed."""
    session.go_away(stream)
    return True


def refuse_stream(session: Session, stream: int) -> bool:
    """The request is refused unprocessed."""
    session.http.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
    return False


def break_protocol(session: Session, stream: int) -> bool:
    """The request is taken for none of HTTP/2's."""
    session.http.reset_stream(stream, ErrorCodes.PROTOCOL_ERROR)
    return False


def reset_stream(session: Session, stream: int) -> bool:
    """The request ends badly, whatever became of it."""
    session.http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
    return False


def cut(session: Session, stream: int) -> bool:
    """The connection is reset."""
    del stream
    reset(session.transport)
    return False


def close(session: Session, stream: int) -> bool:
    """The connection is closed with the request unanswered."""
    del stream
    session.transport.abort()
    return False


def babble(session: Session, stream: int) -> bool:
    """What comes is no HTTP/2: a DATA frame of no stream."""
    del stream
    session.transport.write(b"\0\0\1\0\0\0\0\0\0x")
    return False


def done_and_cut(session: Session, stream: int) -> bool:
    """What the request asks for is done, and nobody hears of it."""
    session.api.answer(*session.api.asked[-1])
    return cut(session, stream)


def answers(status: int, body: bytes = b'{"metadata": {}}', **headers: str) -> Act:
    """The answer is this, and nothing is done."""

    def act(session: Session, stream: int) -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        session.reply(stream, status, body, named)
        return False

    return act


@asynccontextmanager
async def kube_api() -> AsyncIterator[Api]:
    """Serve on a port of loopback."""
    api = Api()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Session(api), "127.0.0.1", 0, ssl=server_context(), ssl_shutdown_timeout=0.2
    )
    api.port = server.sockets[0].getsockname()[1]
    try:
        yield api
    finally:
        server.close()
        for session in list(api.sessions):
            session.transport.abort()
