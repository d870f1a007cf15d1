"""One connection against a real server that goes wrong: what is certain of each request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hyperframe.frame import GoAwayFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.load.failures import FATES, Failure, Fate, RequestError
from backstay.drill.load.http2 import CLIENT_GO, WINDOW, Connection, Headers, Health, connect
from fakes.drill_tls import NAME, credentials, server_context
from fakes.kube_api import (
    Act,
    Api,
    answers,
    babble,
    close,
    cut,
    go_away,
    go_away_after,
    go_away_failing,
    hang,
    kube_api,
    refuse_stream,
    reset_stream,
    serve,
)
from fakes.wire import wire

PATH = "/api/v1/namespaces/n/configmaps/one"
QUICK = Health(idle_seconds=0.05, answer_seconds=0.05)
PATIENT = Health(idle_seconds=0.05, answer_seconds=20.0)


def headers(path: str = PATH, method: str = "GET") -> Headers:
    return [(":method", method), (":scheme", "https"), (":authority", NAME), (":path", path)]


def soon(seconds: float = 20.0) -> float:
    return asyncio.get_running_loop().time() + seconds


@asynccontextmanager
async def connected(port: int, health: Health = CLIENT_GO) -> AsyncIterator[Connection]:
    connection = await connect(
        "127.0.0.1",
        port,
        context=credentials().context(),
        name=NAME,
        deadline=soon(),
        health=health,
    )
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with kube_api() as found:
        found.things[PATH] = {"metadata": {"name": "one", "resourceVersion": "7"}}
        yield found


async def failure(port: int, *, name: str = NAME, seconds: float = 20.0) -> Failure:
    """What the attempt to connect fails with."""
    context = credentials().context()
    with pytest.raises(RequestError) as caught:
        await connect("127.0.0.1", port, context=context, name=name, deadline=soon(seconds))
    assert caught.value.fate is Fate.UNSENT
    return caught.value.failure


async def test_nothing_was_sent_where_nobody_listens() -> None:
    """A port without a listener refuses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert await failure(port) is Failure.REFUSED


async def test_nothing_was_sent_to_a_server_that_does_not_greet() -> None:
    """A machine that is frozen accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert await failure(silent.getsockname()[1], seconds=0.1) is Failure.CONNECT_TIMEOUT


async def test_nothing_was_sent_when_greeting_ends_early() -> None:
    """A balancer without a server behind it accepts and closes."""

    async def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.close()

    async with await asyncio.start_server(turn_away, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await failure(port) in {Failure.CONNECT_RESET, Failure.TLS}


async def test_nothing_was_sent_to_a_server_of_another_name(api: Api) -> None:
    """The certificate must be for the name that was asked for."""
    assert await failure(api.port, name="somebody.else") is Failure.TLS


async def test_nothing_was_sent_to_a_server_without_http_2() -> None:
    """A server must agree to HTTP/2 in its handshake."""
    context = server_context.__wrapped__()
    context.set_alpn_protocols(["http/1.1"])
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        assert await failure(server.sockets[0].getsockname()[1]) is Failure.TLS


ENDS: dict[Act, tuple[Failure, Fate]] = {
    go_away: (Failure.GOAWAY, Fate.UNPROCESSED),
    go_away_failing: (Failure.GOAWAY, Fate.UNPROCESSED),
    refuse_stream: (Failure.REFUSED_STREAM, Fate.UNPROCESSED),
    reset_stream: (Failure.STREAM_RESET, Fate.UNKNOWN),
    cut: (Failure.RESET, Fate.UNKNOWN),
    close: (Failure.EOF, Fate.UNKNOWN),
    babble: (Failure.PROTOCOL, Fate.UNKNOWN),
    hang: (Failure.TIMEOUT, Fate.UNKNOWN),
}


@pytest.mark.parametrize("act", ENDS, ids=lambda act: act.__name__)
async def test_what_is_certain_of_a_request_without_an_answer(api: Api, act: Act) -> None:
    """Each way to end has its name, and says what the server may have done."""
    api.acts.extend((serve, act))
    async with connected(api.port) as connection:
        await connection.request(headers(), deadline=soon())
        with pytest.raises(RequestError) as caught:
            await connection.request(headers(), deadline=soon(0.2))
    assert (caught.value.failure, caught.value.fate) == ENDS[act]


async def test_a_connection_that_is_turned_away_with_an_error_is_not_tried_again(api: Api) -> None:
    """The first request of a connection that ends with an error fails, as in Go."""
    api.acts.append(go_away_failing)
    async with connected(api.port) as connection:
        with pytest.raises(RequestError) as caught:
            await connection.request(headers(), deadline=soon())
    assert (caught.value.failure, caught.value.fate) == (Failure.FIRST_GOAWAY, Fate.UNSENT)


async def test_a_goaway_lets_go_on_what_was_accepted_and_then_the_connection_ends(api: Api) -> None:
    """Requests up to the last one are answered; then we close, for the server waits for us."""
    api.acts.extend((hang, go_away_after))
    async with connected(api.port) as connection:
        first = asyncio.ensure_future(connection.request(headers(), deadline=soon()))
        await asyncio.sleep(0.02)
        answer = await connection.request(headers(), deadline=soon())
        assert (answer.status, connection.usable) == (200, False)
        with pytest.raises(RequestError) as caught:
            await connection.request(headers(), deadline=soon())
        assert caught.value.fate is Fate.UNPROCESSED
        api.sessions[0].reply(1, 200, b"late")
        api.sessions[0].flush()
        assert (await first).body == b"late"
        await until_gone(api)


async def test_an_idle_connection_ends_at_a_goaway(api: Api) -> None:
    """A server that is leaving need not wait for clients that want nothing."""
    async with connected(api.port) as connection:
        await connection.request(headers(), deadline=soon())
        api.sessions[0].go_away(1)
        await until_gone(api)
        assert not connection.usable
        assert connection.timer.cancelled()


async def until_gone(api: Api) -> None:
    async with asyncio.timeout(20):
        while api.sessions:
            await asyncio.sleep(0.005)


async def test_a_request_that_takes_too_long_is_reset_and_its_connection_is_kept(api: Api) -> None:
    """Go does not take one slow answer for a dead connection."""
    api.acts.append(hang)
    async with connected(api.port) as connection:
        with pytest.raises(RequestError, match="timeout"):
            await connection.request(headers(), deadline=soon(0.05))
        assert (await connection.request(headers(), deadline=soon())).status == 200
        assert api.resets == [1]
        assert len(api.sessions) == 1


async def test_many_requests_share_a_connection_and_much_may_come_back(api: Api) -> None:
    """Streams do not wait for one another, and windows are opened again as they fill."""
    large = {"metadata": {}, "data": {"value": "x" * (2 * WINDOW)}}
    api.things[PATH + "-large"] = large
    async with connected(api.port) as connection:
        waits = [connection.request(headers(PATH + "-large"), deadline=soon())]
        waits += [connection.request(headers(), deadline=soon()) for _ in range(50)]
        found = await asyncio.gather(*waits)
    assert [one.status for one in found] == [200] * 51
    assert len(found[0].body) > WINDOW


async def test_a_server_says_how_many_requests_it_takes_at_once(api: Api) -> None:
    """What is beyond that is not sent."""
    api.acts.extend([serve, *[hang] * 100])
    async with connected(api.port) as connection:
        await connection.request(headers(), deadline=soon())
        waits = [connection.request(headers(), deadline=soon(0.3)) for _ in range(102)]
        found = await asyncio.gather(*waits, return_exceptions=True)
    kinds = [one.failure for one in found if isinstance(one, RequestError)]
    assert kinds.count(Failure.TIMEOUT) == 100
    assert kinds.count(Failure.TOO_MANY_STREAMS) == 2


async def test_silence_on_a_dead_wire_is_found_by_asking(api: Api) -> None:
    """A watch of a frozen machine is given up when a PING has no answer."""
    async with wire(api.port) as line, connected(line.local, QUICK) as connection:
        stream = connection.send(
            headers("/api/v1/namespaces/n/configmaps?watch=1&resourceVersion=7")
        )
        while not stream.status:
            await stream.change()
        line.freeze()
        with pytest.raises(RequestError, match="ping timeout"):
            await anext(connection.lines(stream))
        assert not connection.usable


async def test_a_living_connection_may_be_silent_for_long(api: Api) -> None:
    """Answers to PINGs are life enough."""
    async with connected(api.port, PATIENT) as connection:
        await connection.request(headers(), deadline=soon())
        await asyncio.sleep(0.3)
        assert connection.usable
        assert api.pings >= 2
        assert (await connection.request(headers(), deadline=soon())).status == 200


async def test_lines_come_as_they_are_sent_and_whole(api: Api) -> None:
    """What is known of a watch before its end is heard before its end."""
    async with connected(api.port) as connection:
        stream = connection.send(
            headers("/api/v1/namespaces/n/configmaps?watch=1&resourceVersion=7")
        )
        while not stream.status:
            await stream.change()
        session = api.sessions[0]
        for piece in (b'{"a"', b": 1}\n{", b"}\n", b"{}"):
            session.http.send_data(1, piece)
            session.flush()
        cut(session, 1)
        lines = connection.lines(stream)
        assert [await anext(lines), await anext(lines)] == [b'{"a": 1}', b"{}"]
        with pytest.raises(RequestError) as caught:
            await anext(lines)
        assert caught.value.failure is Failure.RESET


class Written(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += data

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    def is_closing(self) -> bool:
        """Say so."""
        return self.closed


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 40), max_size=60), goaway=st.sampled_from([None, 0, 1, 3]))
def test_frames_may_be_cut_anywhere(sizes: list[int], goaway: int | None) -> None:
    """However bytes arrive, answers are the same, and a GOAWAY is none of h2's business."""

    async def exchange() -> tuple[list[Failure | bytes], bool]:
        connection, transport = Connection(), Written()
        connection.connection_made(transport)
        streams = [connection.send(headers()) for _ in range(2)]
        server = H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        server.receive_data(bytes(transport.written))
        said = server.data_to_send()
        if goaway is not None:
            said += GoAwayFrame(0, last_stream_id=goaway).serialize()
        for stream in streams:
            if goaway is None or stream.number <= goaway:
                server.send_headers(stream.number, [(":status", "200")])
                server.send_data(stream.number, b"%d" % stream.number, end_stream=True)
        said += server.data_to_send()
        places = [0, *accumulate(sizes)]
        for start, end in zip(places, [*places[1:], len(said)], strict=True):
            connection.data_received(said[start:end])
        for stream in streams:
            connection.leave(stream)
        connection.timer.cancel()
        return [one.failure or one.response().body for one in streams], transport.closed

    last = 3 if goaway is None else goaway
    expected = [b"%d" % number if number <= last else Failure.GOAWAY for number in (1, 3)]
    assert asyncio.run(exchange()) == (expected, goaway is not None)


def test_every_failure_has_a_fate() -> None:
    """Who meets a failure knows what is certain."""
    assert set(FATES) == set(Failure)


async def test_an_answer_tells_its_headers(api: Api) -> None:
    """Retry-After is a header."""
    api.acts.append(answers(429, retry_after="1"))
    async with connected(api.port) as connection:
        answer = await connection.request(headers(), deadline=soon())
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
