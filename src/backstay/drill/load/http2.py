"""One HTTP/2 connection that says exactly what happened to each request.

The rules are those of Go's transport, which carries client-go (golang.org/x/net/http2,
transport.go): a GOAWAY lets the streams that it counts as accepted go on, and those above its
last stream were certainly not processed; so were streams refused with REFUSED_STREAM. A
connection that ends with an answer outstanding leaves its request unknown.

h2 itself ends a connection at the first GOAWAY, streams in flight and all, so that GOAWAY frames
are taken out of its input here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

from h2 import errors, events, exceptions
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

FRAME_HEADER = 9
GOAWAY = 7
STREAM_BITS = 0x7FFF_FFFF
WINDOW = 16 * 1024 * 1024
"""Bytes that a server may send before we say go on; Go's transport allows as much and more."""

Headers = Sequence[tuple[str, str]]


class Processed(Enum):
    """Whether the server may have done what a failed request asked for."""

    NO = "no"
    MAYBE = "maybe"


class RequestError(Exception):
    """A request without an answer; `error` is its class in a word, such as `reset` or `goaway`."""

    def __init__(self, error: str, processed: Processed) -> None:
        super().__init__(error)
        self.error = error
        self.processed = processed


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with all of its body; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Stream:
    """One request under way: what has arrived of its answer, and what ended it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False
    error: RequestError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def fail(self, error: RequestError) -> None:
        """End it with an error, unless it has ended."""
        if not self.ended:
            self.error, self.ended = error, True
            self.changed.set()

    async def wait(self) -> None:
        """Wait until something more has arrived; raises what ended it badly."""
        await self.changed.wait()
        self.changed.clear()
        if self.error is not None and not self.chunks:
            raise self.error

    def response(self) -> Response:
        """Return the answer so far."""
        return Response(self.status, self.headers, b"".join(self.chunks))


class Connection(asyncio.Protocol):
    """A connection that takes requests while `usable`; it never opens another by itself."""

    def __init__(self) -> None:
        self.http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.transport: asyncio.Transport | None = None
        self.streams: dict[int, Stream] = {}
        self.buffer = bytearray()
        self.usable = False
        self.ended = asyncio.Event()
        self.pinged: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, and that much may be sent to us."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport
        # Settings that are changed later count only once acknowledged, and are not sent at first.
        self.http.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self.http.initiate_connection()
        self.http.increment_flow_control_window(WINDOW)
        self.usable = True
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave every request that is under way unknown."""
        self.lose("reset" if isinstance(exc, ConnectionResetError) else "eof")

    def lose(self, error: str) -> None:
        """End with all that is under way, for a reason in a word."""
        self.usable = False
        self.ended.set()
        for stream in self.streams.values():
            stream.fail(RequestError(error, Processed.MAYBE))
        self.streams.clear()
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self.buffer += data
        try:
            for event in self.http.receive_data(self._without_goaway()):
                self._take(event)
        except exceptions.ProtocolError:
            self.lose("protocol")
            return
        self._flush()

    def _without_goaway(self) -> bytes:
        """Return the whole frames that have arrived, after acting on GOAWAY."""
        frames, start = [], 0
        while len(self.buffer) - start >= FRAME_HEADER:
            length = int.from_bytes(self.buffer[start : start + 3], "big")
            end = start + FRAME_HEADER + length
            if end > len(self.buffer):
                break
            if self.buffer[start + 3] == GOAWAY:
                last = int.from_bytes(self.buffer[start + 9 : start + 13], "big")
                self._go_away(last & STREAM_BITS)
            else:
                frames.append(bytes(self.buffer[start:end]))
            start = end
        del self.buffer[:start]
        return b"".join(frames)

    def _go_away(self, last: int) -> None:
        self.usable = False
        for number in [one for one in self.streams if one > last]:
            self.streams.pop(number).fail(RequestError("goaway", Processed.NO))
        self._leave()

    def _leave(self) -> None:
        """Close what takes no more requests once the last is answered: a server waits for that."""
        if not self.usable and not self.streams and self.transport is not None:
            self.transport.close()

    def _take(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived(stream_id=number) if stream := self.streams.get(number):
                found = {str(name): str(value) for name, value in event.headers}
                stream.status, stream.headers = int(found.pop(":status")), found
                stream.changed.set()
            case events.DataReceived(stream_id=number):
                self.http.acknowledge_received_data(event.flow_controlled_length, number)
                if stream := self.streams.get(number):
                    stream.chunks.append(event.data)
                    stream.changed.set()
            case events.StreamEnded(stream_id=number) if stream := self.streams.pop(number, None):
                stream.ended = True
                stream.changed.set()
            case events.StreamReset(stream_id=number) if stream := self.streams.pop(number, None):
                stream.fail(_refusal(event.error_code))
            case events.PingAckReceived() if self.pinged is not None:
                self.pinged.set_result(None)
                self.pinged = None
            case _:
                pass

    def _flush(self) -> None:
        if self.transport is not None and (data := self.http.data_to_send()):
            self.transport.write(data)

    @asynccontextmanager
    async def opened(self, headers: Headers, body: bytes = b"") -> AsyncIterator[Stream]:
        """Send a request and give its stream, which is reset if it has not ended at the end.

        Raises RequestError (certainly not processed) on a connection that takes no more.
        """
        if not self.usable:
            raise RequestError("goaway", Processed.NO)
        try:
            number = self.http.get_next_available_stream_id()
            self.http.send_headers(number, headers, end_stream=not body)
            if body:
                self.http.send_data(number, body, end_stream=True)
        except exceptions.ProtocolError as error:
            raise RequestError("too many streams", Processed.NO) from error
        stream = self.streams[number] = Stream()
        self._flush()
        try:
            yield stream
        finally:
            if self.streams.pop(number, None) is not None and self.transport is not None:
                self.http.reset_stream(number, errors.ErrorCodes.CANCEL)
                self._flush()
            self._leave()

    async def request(self, headers: Headers, body: bytes = b"", *, seconds: float) -> Response:
        """Return the whole answer to a request; RequestError `timeout` after so long."""
        async with self.opened(headers, body) as stream:
            try:
                async with asyncio.timeout(seconds):
                    while not stream.ended:
                        await stream.changed.wait()
                        stream.changed.clear()
            except TimeoutError as error:
                raise RequestError("timeout", Processed.MAYBE) from error
            if stream.error is not None:
                raise stream.error
            return stream.response()

    async def ping(self, *, seconds: float) -> None:
        """Ask whether the other end lives; a connection without an answer is lost."""
        if self.transport is None or self.transport.is_closing():
            return
        self.pinged = asyncio.get_running_loop().create_future()
        self.http.ping(b"backstay")
        self._flush()
        try:
            async with asyncio.timeout(seconds):
                await self.pinged
        except TimeoutError:
            self.lose("ping timeout")

    def close(self) -> None:
        """Close, whatever is under way."""
        self.usable = False
        if self.transport is not None:
            self.transport.abort()


def _refusal(code: object) -> RequestError:
    if code == errors.ErrorCodes.REFUSED_STREAM:
        return RequestError("refused stream", Processed.NO)
    return RequestError("stream reset", Processed.MAYBE)


async def connect(
    host: str, port: int, *, context: ssl.SSLContext, name: str, seconds: float
) -> Connection:
    """Open a connection whose certificate is valid for `name`.

    Raises RequestError, certainly not processed: `refused`, `connect timeout`, `tls` and so on.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            _, made = await loop.create_connection(
                Connection, host, port, ssl=context, server_hostname=name
            )
    except TimeoutError as error:
        raise RequestError("connect timeout", Processed.NO) from error
    except ConnectionRefusedError as error:
        raise RequestError("refused", Processed.NO) from error
    except ssl.SSLError as error:
        raise RequestError("tls", Processed.NO) from error
    except OSError as error:
        raise RequestError("connect reset", Processed.NO) from error
    return made
