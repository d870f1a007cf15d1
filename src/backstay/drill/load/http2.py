"""One HTTP/2 connection that says exactly what is certain of a request without an answer.

The rules are those of Go's transport, which carries client-go (golang.org/x/net/http2,
transport.go and transport_common.go):

- A GOAWAY takes no more requests. Streams up to its last one go on to their answers; those above
  it were certainly not processed, and are sent again on a new connection. The very first stream
  of a connection is not sent again when the GOAWAY carries an error: another connection would most
  likely end the same (setGoAway).
- REFUSED_STREAM says the same of one stream, and PROTOCOL_ERROR is taken for it (canRetryError).
  Nothing else is sent again.
- A connection that ends leaves its requests unknown, after a GOAWAY too (cleanup).
- A request that takes too long is reset and its connection is kept (cleanupWriteRequest). What
  notices that a connection is dead is a PING after 30 s without a frame, and 15 s without its
  answer (healthCheck; apimachinery, util/net/http.go). `kube` sends requests again, not this.

h2 itself ends a connection at the first GOAWAY, streams in flight and all, so that GOAWAY frames
are taken out of its input here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from h2 import errors, events, exceptions
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings

from backstay.drill.load.failures import RESETS, Failure, RequestError
from backstay.drill.load.sockets import keep_alive

FRAME_HEADER = 9
GOAWAY = 7
FIRST_STREAM = 1
STREAM_BITS = 0x7FFF_FFFF
WINDOW = 1024 * 1024
"""Bytes that a server may send before we say go on; Go's transport allows as much and more."""

FAREWELL_SECONDS = 1.0
"""How long the other end has to say that it too has closed."""

CONFIGURATION = H2Configuration(
    client_side=True,
    header_encoding="utf-8",
    # Our own headers are right, and checking them costs more than sending them.
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
    validate_inbound_headers=False,
    normalize_inbound_headers=False,
)

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Health:
    """When a silent connection is asked whether it lives, and how long it has to say so."""

    idle_seconds: float = 30.0
    answer_seconds: float = 15.0


CLIENT_GO = Health()


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with all of its body; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Stream:
    """One request under way: what has arrived of its answer, and what ended it."""

    number: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False
    failure: Failure | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, failure: Failure | None = None) -> None:
        """End it, well or badly."""
        self.ended, self.failure = True, failure
        self.changed.set()

    async def change(self) -> None:
        """Wait until something more has arrived, or until it ends."""
        await self.changed.wait()
        self.changed.clear()

    def response(self) -> Response:
        """Return the whole answer; raises RequestError if it ended badly."""
        if self.failure is not None:
            raise RequestError(self.failure)
        return Response(self.status, self.headers, b"".join(self.chunks))


class Connection(asyncio.Protocol):
    """A connection that takes requests until it ends; it never opens another by itself."""

    def __init__(self, health: Health = CLIENT_GO) -> None:
        self.http = H2Connection(CONFIGURATION)
        self.health = health
        self.streams: dict[int, Stream] = {}
        self.buffer = bytearray()
        self.usable = False
        self.heard = 0.0
        self.transport: asyncio.Transport
        self.loop: asyncio.AbstractEventLoop
        self.timer: asyncio.TimerHandle

    @property
    def takes_requests(self) -> bool:
        """Whether a request may be sent.

        asyncio says two turns of its loop after a reset that a connection is lost, and takes until
        then what it never sends.
        """
        return self.usable and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, and that much may be sent to us."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
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
        self._listen()
        self._flush()

    def eof_received(self) -> None:
        """Take no more requests: those under way end when the connection does."""
        self.usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave every request that is under way unknown."""
        self.timer.cancel()
        self._fail(Failure.EOF if exc is None else Failure.RESET)

    def lose(self, failure: Failure) -> None:
        """Give up the connection with all that is under way."""
        self._fail(failure)
        self.transport.abort()

    def _fail(self, failure: Failure) -> None:
        self.usable = False
        for stream in self.streams.values():
            stream.end(failure)
        self.streams.clear()

    def _listen(self) -> None:
        self.heard = self.loop.time()
        self.timer = self.loop.call_later(self.health.idle_seconds, self._ask)

    def _ask(self) -> None:
        """Ask a connection that has been silent for long whether it lives."""
        silent = self.loop.time() - self.heard
        if silent < self.health.idle_seconds:
            self.timer = self.loop.call_later(self.health.idle_seconds - silent, self._ask)
            return
        self.http.ping(b"backstay")
        self._flush()
        self.timer = self.loop.call_later(
            self.health.answer_seconds, self.lose, Failure.PING_TIMEOUT
        )

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self.heard = self.loop.time()
        self.buffer += data
        try:
            for event in self.http.receive_data(self._without_goaway()):
                self._take(event)
        except exceptions.ProtocolError:
            self.lose(Failure.PROTOCOL)
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
            frame = bytes(self.buffer[start:end])
            if frame[3] == GOAWAY:
                last, code = frame[FRAME_HEADER : FRAME_HEADER + 4], frame[FRAME_HEADER + 4 :][:4]
                self._go_away(int.from_bytes(last, "big") & STREAM_BITS, failed=any(code))
            else:
                frames.append(frame)
            start = end
        del self.buffer[:start]
        return b"".join(frames)

    def _go_away(self, last: int, *, failed: bool) -> None:
        self.usable = False
        for number in [one for one in self.streams if one > last]:
            first = failed and number == FIRST_STREAM
            self.streams.pop(number).end(Failure.FIRST_GOAWAY if first else Failure.GOAWAY)
        self._leave()

    def _leave(self) -> None:
        """Close what takes no more requests once the last is answered: a server waits for that."""
        if not self.usable and not self.streams:
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
                stream.end()
            case events.StreamReset(stream_id=number) if stream := self.streams.pop(number, None):
                stream.end(RESETS.get(event.error_code or 0, Failure.STREAM_RESET))
            case events.PingAckReceived():
                self.timer.cancel()
                self._listen()
            case _:
                pass

    def _flush(self) -> None:
        if data := self.http.data_to_send():
            self.transport.write(data)

    def send(self, headers: Headers, body: bytes = b"") -> Stream:
        """Send a request and return its stream, which is to be given to `leave` in the end."""
        if not self.takes_requests:
            raise RequestError(Failure.GOAWAY)
        number = self.http.get_next_available_stream_id()
        try:
            self.http.send_headers(number, headers, end_stream=not body)
        except exceptions.ProtocolError as error:
            raise RequestError(Failure.TOO_MANY_STREAMS) from error
        if body:
            self.http.send_data(number, body, end_stream=True)
        stream = self.streams[number] = Stream(number)
        self._flush()
        return stream

    def leave(self, stream: Stream) -> None:
        """Have done with a stream: it is reset if it has not ended."""
        if self.streams.pop(stream.number, None) is not None:
            self.http.reset_stream(stream.number, errors.ErrorCodes.CANCEL)
            self._flush()
        self._leave()

    async def request(self, headers: Headers, body: bytes = b"", *, deadline: float) -> Response:
        """Return the whole answer to a request; `deadline` is a time of the loop's clock."""
        stream = self.send(headers, body)
        try:
            async with asyncio.timeout_at(deadline):
                while not stream.ended:
                    await stream.change()
        except TimeoutError as error:
            # asyncio reads before it looks at its clock: when this computer is late, an answer
            # that was in time and the time-out are found together.
            if not stream.ended:
                raise RequestError(Failure.TIMEOUT) from error
        finally:
            self.leave(stream)
        return stream.response()

    async def lines(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield the lines of an answer as they come, to its end; raises RequestError."""
        rest = b""
        while not stream.ended or stream.chunks:
            while stream.chunks:
                *whole, rest = (rest + stream.chunks.pop(0)).split(b"\n")
                for line in whole:
                    yield line
            if not stream.ended:
                await stream.change()
        if stream.failure is not None:
            raise RequestError(stream.failure)

    def close(self) -> None:
        """Close, whatever is under way."""
        self._fail(Failure.CLOSED)
        self.transport.close()


async def connect(
    host: str,
    port: int,
    *,
    context: ssl.SSLContext,
    name: str,
    deadline: float,
    health: Health = CLIENT_GO,
) -> Connection:
    """Open a connection whose certificate is valid for `name`, until a time of the loop's clock.

    Raises RequestError, with nothing sent.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline):
            _, made = await loop.create_connection(
                lambda: Connection(health),
                host,
                port,
                ssl=context,
                server_hostname=name,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
    except TimeoutError as error:
        raise RequestError(Failure.CONNECT_TIMEOUT) from error
    except ConnectionRefusedError as error:
        raise RequestError(Failure.REFUSED) from error
    except ssl.SSLError as error:
        raise RequestError(Failure.TLS) from error
    except ConnectionError as error:
        raise RequestError(Failure.CONNECT_RESET) from error
    except OSError as error:
        raise RequestError(Failure.UNREACHABLE) from error
    if made.transport.is_closing():
        raise RequestError(Failure.CONNECT_RESET)
    keep_alive(made.transport.get_extra_info("socket"))
    if made.transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        made.close()
        raise RequestError(Failure.TLS)
    return made
