"""Registers in an API that goes wrong: what client-go would hand to its caller, and how often."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager

import pytest

from backstay.drill.history import Change, Outcome
from backstay.drill.load.kube import (
    MOST_RETRIES,
    Api,
    KubeError,
    Registers,
    make_registers,
    remove_registers,
)
from backstay.drill.load.store import Event, Result, WatchEndedError
from fakes import kube_api
from fakes.drill_tls import credentials
from fakes.kube_api import Act, answers
from fakes.wire import reset

RUN = "r1"
SECONDS = 20.0
IMPATIENT = {"silent": 0.3, "sent away twice": 0.9}
"""For what has no answer, and for what Go tries again after a second that is not counted."""


@pytest.fixture
async def server() -> AsyncIterator[kube_api.Api]:
    async with kube_api.kube_api() as found:
        yield found


@pytest.fixture
async def registers(server: kube_api.Api) -> AsyncIterator[Registers]:
    api = Api(server.address, credentials().context())
    await make_registers(api, RUN, ("a", "b"), seconds=SECONDS)
    yield Registers(api, RUN)
    await api.close()


async def test_a_write_is_read_again_with_its_revision(registers: Registers) -> None:
    """Writes are blind, reads say when their value was written."""
    empty = await registers.read("a", seconds=SECONDS)
    written = await registers.write("a", "x-1", seconds=SECONDS)
    assert (empty.outcome, empty.value) == (Outcome.OK, None)
    assert (written.outcome, written.value) == (Outcome.OK, "x-1")
    assert await registers.read("a", seconds=SECONDS) == written
    assert empty.modified is not None
    assert written.modified is not None
    assert empty.modified < written.modified


def says(body: bytes) -> Act:
    """The answer is well, and this is all of it."""

    def act(session: kube_api.Session, stream: int) -> bool:
        session.reply(stream, 200, body)
        return False

    return act


ANSWERS: dict[str, tuple[Sequence[Act], Outcome, str, int]] = {
    "told to come back": ([answers(429, retry_after="0")], Outcome.OK, "", 1),
    "told so by a server that starts": ([answers(503, retry_after="0")] * 3, Outcome.OK, "", 3),
    "busy for ever": (
        [answers(429, retry_after="0")] * (MOST_RETRIES + 1),
        *(Outcome.FAIL, "http 429", MOST_RETRIES),
    ),
    "busy, and does not say for how long": ([answers(429)], Outcome.FAIL, "http 429", 0),
    "not there": ([answers(404)], Outcome.FAIL, "http 404", 0),
    "conflicting": ([answers(409)], Outcome.FAIL, "http 409", 0),
    "without a backend": ([answers(503)], Outcome.UNKNOWN, "http 503", 0),
    "broken": ([answers(500)], Outcome.UNKNOWN, "http 500", 0),
    "without etcd": ([answers(500, retry_after="0")], Outcome.UNKNOWN, "http 500", 0),
    "slow inside": ([answers(504, retry_after="0")], Outcome.UNKNOWN, "http 504", 0),
    "sent away": ([kube_api.go_away], Outcome.OK, "", 1),
    "sent away twice": ([kube_api.go_away] * 2, Outcome.OK, "", 2),
    "refused as a stream": ([kube_api.refuse_stream], Outcome.OK, "", 1),
    "not understood as a stream": ([kube_api.break_protocol], Outcome.OK, "", 1),
    "sent away, then busy": (
        [kube_api.go_away, answers(429, retry_after="0")],
        *(Outcome.OK, "", 2),
    ),
    "sent away, then broken": ([kube_api.go_away, answers(500)], Outcome.UNKNOWN, "http 500", 1),
    "reset": ([kube_api.cut], Outcome.UNKNOWN, "reset", 0),
    "reset after it was done": ([kube_api.done_and_cut], Outcome.UNKNOWN, "reset", 0),
    "closed": ([kube_api.close], Outcome.UNKNOWN, "eof", 0),
    "reset as a stream": ([kube_api.reset_stream], Outcome.UNKNOWN, "stream reset", 0),
    "silent": ([kube_api.hang], Outcome.UNKNOWN, "timeout", 0),
    "answered in another tongue": ([says(b"<html>")], Outcome.UNKNOWN, "bad answer", 0),
    "answered with a list": ([says(b"[]")], Outcome.UNKNOWN, "bad answer", 0),
    "answered with another thing": ([says(b"{}")], Outcome.UNKNOWN, "bad answer", 0),
    "answered with no number": (
        [says(b'{"metadata": {"resourceVersion": ""}}')],
        *(Outcome.UNKNOWN, "bad answer", 0),
    ),
}


def patience(case: str) -> float:
    return IMPATIENT.get(case, SECONDS)


@pytest.mark.parametrize("case", ANSWERS)
async def test_what_becomes_of_a_write(
    server: kube_api.Api, registers: Registers, case: str
) -> None:
    """Only what the issue lists is tried again, and what is not certain is unknown."""
    acts, outcome, error, told = ANSWERS[case]
    before = len(server.asked)
    server.acts.extend(acts)
    found = await registers.write("a", "x-1", seconds=patience(case))
    assert (found.outcome, found.error, found.told_to_retry) == (outcome, error, told)
    assert len(server.asked) - before == told + 1
    assert found.value == "x-1"


@pytest.mark.parametrize("case", ["silent", "closed", "broken"])
async def test_the_next_operation_finds_its_way(
    server: kube_api.Api, registers: Registers, case: str
) -> None:
    """Whatever ended one operation, the next opens what it needs."""
    server.acts.extend(ANSWERS[case][0])
    await registers.write("a", "x-1", seconds=patience(case))
    assert (await registers.write("a", "x-2", seconds=SECONDS)).outcome is Outcome.OK


@contextmanager
def elsewhere() -> Iterator[tuple[kube_api.Api, asyncio.AbstractEventLoop]]:
    """A server in a thread and a loop of its own: it goes on while clients are busy."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = kube_api.kube_api()
    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(SECONDS), loop
        done = serving.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(done, loop).result(SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def later(registers: Registers, *, seconds: float) -> Result:
    """Write at a tick to come."""
    await asyncio.sleep(0.01)
    return await registers.write("a", "x-2", seconds=seconds)


async def test_nothing_is_sent_into_a_connection_that_was_reset_meanwhile() -> None:
    """A client whose computer was busy finds the reset and its next tick together."""
    with elsewhere() as (server, loop):
        api = Api(server.address, credentials().context())
        await make_registers(api, RUN, ("a",), seconds=SECONDS)
        writing = asyncio.ensure_future(later(Registers(api, RUN), seconds=SECONDS))
        await asyncio.sleep(0)
        for session in list(server.sessions):
            loop.call_soon_threadsafe(reset, session.transport)
        time.sleep(0.2)  # busy
        found = await writing
        await api.close()
    assert (found.outcome, found.error, found.told_to_retry) == (Outcome.OK, "", 0)


async def test_an_answer_that_arrived_in_time_is_no_time_out() -> None:
    """A client whose computer was busy finds an answer and the end of its wait together."""
    with elsewhere() as (server, _):
        api = Api(server.address, credentials().context())
        await make_registers(api, RUN, ("a",), seconds=SECONDS)
        writing = asyncio.ensure_future(Registers(api, RUN).write("a", "x-1", seconds=0.5))
        await asyncio.sleep(0)
        time.sleep(0.7)  # busy
        found = await writing
        await api.close()
    assert (found.outcome, found.error) == (Outcome.OK, "")


async def test_a_wait_that_was_asked_for_is_kept(
    server: kube_api.Api, registers: Registers
) -> None:
    """Retry-After is in seconds, and no part of the time-out."""
    server.acts.append(answers(429, retry_after="1"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = await registers.write("a", "x-1", seconds=0.9)
    assert (found.outcome, found.told_to_retry) == (Outcome.OK, 1)
    assert loop.time() - began >= 1


async def test_what_never_left_has_failed(registers: Registers) -> None:
    """A server that is gone has done nothing."""
    await registers.close()
    registers.api.address = kube_api.Api(port=1).address
    found = await registers.write("a", "x-1", seconds=SECONDS)
    assert (found.outcome, found.error) == (Outcome.FAIL, "refused")


async def events(
    registers: Registers, after: int, count: int, *, then: Callable[[], None]
) -> list[Event]:
    """The first events of a watch; `then` happens before the last."""
    watch = registers.watch(after, opened=lambda: None)
    assert hasattr(watch, "aclose")
    async with aclosing(watch), asyncio.timeout(SECONDS):
        found = [await anext(watch) for _ in range(count - 1)]
        then()
        return [*found, await anext(watch)]


async def test_a_watch_tells_what_happened_since_and_how_far_it_is(
    server: kube_api.Api, registers: Registers
) -> None:
    """Events carry key, value and revision; a bookmark carries only a revision."""
    start = (await registers.snapshot(seconds=SECONDS)).revision
    first = await registers.write("a", "x-1", seconds=SECONDS)
    second = await registers.write("b", "x-2", seconds=SECONDS)
    found = await events(registers, start, 3, then=server.bookmark)
    assert [(one.change, one.key, one.value, one.modified) for one in found] == [
        (Change.PUT, "a", "x-1", first.modified),
        (Change.PUT, "b", "x-2", second.modified),
        (Change.BOOKMARK, "", None, second.modified),
    ]
    assert len({one.batch for one in found}) == 3


async def ending(registers: Registers, after: int) -> tuple[WatchEndedError, list[str]]:
    """How a watch ends, and whether it had begun."""
    heard: list[str] = []
    with pytest.raises(WatchEndedError) as caught:
        async with asyncio.timeout(SECONDS):
            await anext(registers.watch(after, opened=lambda: heard.append("opened")))
    return caught.value, heard


async def test_a_watch_from_a_revision_that_is_gone_says_so(
    server: kube_api.Api, registers: Registers
) -> None:
    """Both as an event and as an answer, 410 means to begin anew."""
    await registers.write("a", "x-1", seconds=SECONDS)
    server.compact()
    event, heard = await ending(registers, 1)
    assert (event.error, event.compacted, heard) == ("http 410", True, ["opened"])
    server.acts.append(answers(410))
    answer, heard = await ending(registers, 1)
    assert (answer.error, answer.compacted, heard) == ("http 410", True, [])


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (answers(500), "http 500"),
        (answers(429, retry_after="1"), "http 429"),
        (says(b"<html>\n"), "bad answer"),
        (says(b'{"type": "ADDED", "object": []}\n'), "bad answer"),
        (kube_api.cut, "reset"),
        (kube_api.close, "eof"),
        (kube_api.go_away, "goaway"),
    ],
)
async def test_a_watch_that_does_not_begin_says_why(
    server: kube_api.Api, registers: Registers, act: Act, error: str
) -> None:
    """An answer that is no watch is not taken for events."""
    server.acts.append(act)
    found, heard = await ending(registers, 1)
    assert (found.error, found.compacted) == (error, False)
    assert heard == (["opened"] if error == "bad answer" else [])


@pytest.mark.parametrize("status", [429, 500])
async def test_a_watch_that_is_told_to_wait_says_how_long(
    server: kube_api.Api, registers: Registers, status: int
) -> None:
    """A watch changes nothing, so that it comes back whatever the answer with a wait was."""
    server.acts.append(answers(status, retry_after="3"))
    found, _ = await ending(registers, 1)
    assert found.wait == 3.0


async def test_a_list_that_makes_no_sense_ends_a_watch(
    server: kube_api.Api, registers: Registers
) -> None:
    """What is no list of the API's has no revision to begin at."""
    server.acts.append(says(b"[]"))
    with pytest.raises(WatchEndedError, match="bad answer"):
        await registers.snapshot(seconds=SECONDS)


async def test_a_watch_may_end_in_order(server: kube_api.Api, registers: Registers) -> None:
    """An apiserver ends watches after some minutes."""

    def end(session: kube_api.Session, stream: int) -> bool:
        session.http.send_headers(stream, [(":status", "200")], end_stream=True)
        return False

    server.acts.append(end)
    found, heard = await ending(registers, 1)
    assert (found.error, heard) == ("", ["opened"])


async def test_all_registers_are_read_at_once(registers: Registers) -> None:
    """The final read is one list."""
    written = await registers.write("b", "x-1", seconds=SECONDS)
    found = await registers.all(seconds=SECONDS)
    assert found["b"] == ("x-1", written.modified)
    assert found["a"][0] is None


async def test_a_list_that_fails_is_an_error(server: kube_api.Api, registers: Registers) -> None:
    """No answer is not the same as no registers."""
    server.acts.append(answers(500))
    with pytest.raises(KubeError, match="http 500"):
        await registers.all(seconds=SECONDS)


async def test_registers_are_made_and_removed(server: kube_api.Api) -> None:
    """A namespace of the drill's own holds them, and takes them with it."""
    api = Api(server.address, credentials().context())
    keys = tuple(f"{number:02}" for number in range(40))
    await make_registers(api, RUN, keys, seconds=SECONDS)
    names = [one for one in server.things if one.rpartition("/")[2].startswith("register-")]
    assert len(names) == 40
    labels = {json.dumps(one["metadata"]["labels"]) for one in server.things.values()}
    assert labels == {json.dumps({"backstay.io/drill": RUN})}
    await remove_registers(api, RUN, seconds=SECONDS)
    assert server.things == {}
    await api.close()


async def test_registers_that_cannot_be_made_are_an_error(server: kube_api.Api) -> None:
    """A load without registers would measure nothing."""
    api = Api(server.address, credentials().context())
    server.acts.append(answers(403))
    with pytest.raises(KubeError, match="http 403"):
        await make_registers(api, RUN, ("a",), seconds=SECONDS)
    await api.close()
