"""Clients: a rate that is held, what holds them back, and watches that lose nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    Client,
    Connection,
    Operation,
    Outcome,
    Path,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.load import etcd, kube
from backstay.drill.load.clients import Notebook, Watching, Working
from backstay.drill.load.plan import Worker, load_plan
from backstay.drill.load.store import Event, Result, Snapshot
from fakes.drill_tls import credentials
from fakes.etcd_member import etcd_member
from fakes.kube_api import Api, Session, answers, cut, go_away, kube_api

RUN = "r1"
KEYS = ("a", "b", "c")


@dataclass
class Quick:
    """A store in memory that takes as long as `takes` says for each operation in turn.

    After `enough` of them it stops its client.
    """

    takes: Callable[[int], float] = lambda _: 0.0
    enough: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    closed: list[int] = field(default_factory=list)

    async def write(self, key: str, value: str, *, seconds: float) -> Result:
        """Take some time."""
        del key, seconds
        return await self._one(value)

    async def read(self, key: str, *, seconds: float) -> Result:
        """Take some time."""
        del key, seconds
        return await self._one(None)

    async def _one(self, value: str | None) -> Result:
        self.done += 1
        if self.done == self.enough:
            self.stop.set()
        await asyncio.sleep(self.takes(self.done))
        return Result(Outcome.OK, value, self.done, self.done)

    async def snapshot(self, *, seconds: float) -> Snapshot:
        """Be where it is."""
        del seconds
        return Snapshot(self.done, {})

    async def watch(self, after: int, *, opened: Callable[[], None]) -> AsyncIterator[Event]:
        """Be watched by nobody."""
        del opened
        yield Event(Change.BOOKMARK, after)

    async def close(self) -> None:
        """Remember after which operation."""
        self.closed.append(self.done)


@dataclass
class Time:
    """A clock that begins now, and what was recorded by it."""

    zero: int = field(default_factory=time.monotonic_ns)
    records: list[Record] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def notebook(self) -> Notebook:
        """Where clients write."""
        return Notebook(self.records.append, lambda: time.monotonic_ns() - self.zero, self.stop)

    @property
    def operations(self) -> list[Operation]:
        """What workers recorded."""
        return [one for one in self.records if isinstance(one, Operation)]


async def worked(
    store: Quick,
    rate: float,
    *,
    seconds: float = 20.0,
    seed: int = 1,
    reads: int = 50,
    connection: Connection = Connection.KEPT,
) -> list[Operation]:
    """What a client did until it was stopped, or in so many seconds."""
    client = Client("vip-1", Path.VIP, connection, rate=rate)
    when = Time(stop=store.stop)
    working = Working(Worker(client, reads), store, KEYS, Random(seed), 0.6)  # noqa: S311
    limit = asyncio.get_running_loop().call_later(seconds, when.stop.set)
    await working.run(when.notebook())
    limit.cancel()
    return when.operations


async def test_a_rate_is_held() -> None:
    """Operations are due at even times, and called when they are due."""
    found = await worked(Quick(), 100, seconds=1.0)
    assert 30 <= len(found) <= 101
    dues = [one.due for one in found if one.due is not None]
    assert {(after - before) % (SECOND // 100) for before, after in pairwise(dues)} == {0}
    assert all(one.due is not None and one.called >= one.due for one in found)


LONG = 10
"""Seconds that pass in no time."""


@dataclass(slots=True)
class Instantly(Notebook):
    """A notebook by a clock on which only waiting takes time."""

    now: int = 0

    async def until(self, moment: int) -> bool:
        """Be there."""
        self.now = moment
        return moment < LONG * SECOND


async def answered_at_once(worker: Worker) -> list[Operation]:
    """What a client does when every answer is there as soon as it asks."""
    records: list[Record] = []
    notebook = Instantly(records.append, lambda: notebook.now, asyncio.Event())
    await Working(worker, Quick(), KEYS, Random(1), 0.6).run(notebook)  # noqa: S311
    return [one for one in records if isinstance(one, Operation)]


@pytest.mark.parametrize(("phase", "first"), [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (0.99, 3)])
async def test_writes_come_at_even_distances(phase: float, first: int) -> None:
    """Drawn for, a long run of reads would look like a stop of writes."""
    client = Client("vip-1", Path.VIP, Connection.KEPT, rate=100)
    found = await answered_at_once(Worker(client, 75, phase))
    written = [place for place, one in enumerate(found) if one.action is Action.WRITE]
    assert {after - before for before, after in pairwise(written)} == {4}
    assert written[0] == first


@settings(max_examples=10)
@given(hosts=st.integers(1, 5), service=st.booleans(), scale=st.floats(0.3, 2))
def test_clients_write_in_turn(hosts: int, scale: float, *, service: bool) -> None:
    """No two are 2.5 even distances apart; where clients began by chance, some were four."""
    names = [f"cp-{number}" for number in range(hosts)]
    plan = load_plan(
        run=RUN, seed=1, planes=names, members=names, service=service, seconds=LONG, scale=scale
    )
    for etcd_s in (True, False):
        workers = [one for one in plan.workers if (one.client.path is Path.ETCD) is etcd_s]
        found = [one for worker in workers for one in asyncio.run(answered_at_once(worker))]
        moments = sorted(one.called for one in found if one.action is Action.WRITE)
        asked = sum(one.rate * (100 - one.reads) / 100 for one in workers)
        assert abs(len(moments) - asked * LONG) <= len(workers)
        longest = max(after - before for before, after in pairwise((0, *moments)))
        assert longest * asked / SECOND < 2.5


async def test_a_client_that_is_held_back_records_since_when() -> None:
    """One slow answer makes the next operation late, and drops those that it hid."""
    found = await worked(Quick(lambda number: 0.33 if number == 3 else 0.0, enough=6), 20)
    slow, late, after = found[2:5]
    assert slow.due is not None
    assert late.due is not None
    assert after.due is not None
    assert late.due - slow.due >= 0.25 * SECOND
    assert late.called >= slow.returned
    assert late.called - late.due < 0.1 * SECOND
    assert (late.due - slow.due) % (SECOND // 20) == 0
    assert after.due == late.due + SECOND // 20


async def test_a_client_does_one_thing_at_a_time() -> None:
    """With answers slower than the rate, each call waits for the last return."""
    found = await worked(Quick(lambda _: 0.03, enough=12), 100)
    assert all(one.returned <= after.called for one, after in pairwise(found))
    assert found[-1].due is not None
    assert found[0].due is not None
    assert found[-1].due - found[0].due >= 2 * len(found) * SECOND // 100


async def test_a_connection_is_new_for_each_operation_or_kept() -> None:
    """A kept one is closed at the end alone."""
    new, kept = Quick(enough=9), Quick(enough=9)
    await worked(new, 100, connection=Connection.NEW)
    await worked(kept, 100, connection=Connection.KEPT)
    assert new.closed[:-1] == list(range(1, new.done + 1))
    assert kept.closed == [kept.done]


async def test_a_client_that_is_cancelled_closes_its_connection() -> None:
    """Nothing stays open behind a drill that is stopped."""
    store, when = Quick(lambda _: 60.0), Time()
    worker = Worker(Client("vip-1", Path.VIP, Connection.KEPT, rate=100))
    working = Working(worker, store, KEYS, Random(1), 0.6)  # noqa: S311
    task = asyncio.ensure_future(working.run(when.notebook()))
    await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert store.closed == [1]


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32), reads=st.sampled_from([0, 50, 100]))
def test_values_are_unique_and_choices_are_the_seeds(seed: int, reads: int) -> None:
    """The same seed chooses the same keys and actions again."""

    async def once() -> list[Operation]:
        return await worked(Quick(enough=25), 1000, seed=seed, reads=reads)

    first, second = asyncio.run(once()), asyncio.run(once())
    chosen = [[(one.action, one.key) for one in run] for run in (first, second)]
    assert chosen[0] == chosen[1]
    values = [one.value for one in first if one.action is Action.WRITE]
    assert len(set(values)) == len(values)
    assert {one.key for one in first} <= set(KEYS)
    if reads != 50:
        expected = Action.READ if reads else Action.WRITE
        assert {one.action for one in first} == {expected}


WATCHER = Client("watch-vip-1", Path.VIP, Connection.KEPT, watches=True)


@asynccontextmanager
async def watching(watch: Watching) -> AsyncIterator[Time]:
    """A watch that stands, for as long as the block lasts."""
    when = Time()
    task = asyncio.ensure_future(watch.run(when.notebook()))
    async with asyncio.timeout(20):
        while not when.records:
            await asyncio.sleep(0.005)
    try:
        yield when
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def turns(when: Time) -> list[tuple[Stream, str]]:
    return [(one.turn, one.error) for one in when.records if isinstance(one, WatchTurn)]


def heard(when: Time) -> list[tuple[int, str | None]]:
    """What puts were heard of, in order."""
    return [
        (one.modified, one.value)
        for one in when.records
        if isinstance(one, WatchEvent) and one.change is Change.PUT
    ]


async def all_heard(when: Time, written: list[tuple[int, str | None]]) -> None:
    """Wait for the last write to be heard of; then nothing is missing, double or out of order."""
    async with asyncio.timeout(20):
        while len(heard(when)) < len(written):
            await asyncio.sleep(0.005)
    assert heard(when) == written


async def kube_registers(server: Api) -> kube.Registers:
    api = kube.Api(server.address, credentials().context())
    await kube.make_registers(api, RUN, KEYS, seconds=20)
    return kube.Registers(api, RUN)


def break_watches(server: Api, way: str) -> None:
    """Do something to all connections that carry a watch."""
    for session in {one for one, _ in server.watchers}:
        _break(session, way)


def _break(session: Session, way: str) -> None:
    match way:
        case "reset":
            cut(session, 0)
        case "eof":
            session.transport.abort()
        case "goaway":
            session.go_away(0)
        case _:
            for one, stream in [*session.api.watchers]:
                session.http.end_stream(stream)
                del session.api.watchers[one, stream]
            session.flush()


@pytest.mark.parametrize("way", ["reset", "eof", "goaway", "closed"])
async def test_a_watch_resumes_and_loses_nothing(way: str) -> None:
    """Whatever ends it under a stream of writes, the next one goes on from there."""
    async with kube_api() as server:
        writing = await kube_registers(server)
        watch = Watching(WATCHER, await kube_registers_again(server), frozenset(KEYS))
        async with watching(watch) as when:
            written = []
            for number in range(60):
                result = await writing.write(KEYS[number % 3], f"x-{number}", seconds=20)
                written.append((result.modified or 0, result.value))
                if number % 20 == 10:
                    break_watches(server, way)
                await asyncio.sleep(0.004)
            await all_heard(when, written)
        await writing.close()
    end = (Stream.CLOSED, "") if way == "closed" else (Stream.FAILED, way)
    assert turns(when)[:3] == [(Stream.OPENED, ""), end, (Stream.OPENED, "")]


async def kube_registers_again(server: Api) -> kube.Registers:
    return kube.Registers(kube.Api(server.address, credentials().context()), RUN)


async def test_a_watch_begins_anew_where_its_revision_is_gone() -> None:
    """As an informer it lists what there is: of what was missed it hears the newest of each key."""
    async with kube_api() as server:
        writing = await kube_registers(server)
        known = (await writing.snapshot(seconds=20)).revision
        for value in ("x-1", "x-2"):
            newest = await writing.write("a", value, seconds=20)
        reading = await kube_registers_again(server)
        watch = Watching(WATCHER, reading, frozenset(KEYS), after=known)
        server.compact()
        async with watching(watch) as when:
            async with asyncio.timeout(20):
                while turns(when)[-1] != (Stream.OPENED, "") or len(turns(when)) < 4:
                    await asyncio.sleep(0.005)
            now = server.revision
            await writing.write("b", "x-3", seconds=20)
            await all_heard(when, [(newest.modified or 0, "x-2"), (server.revision, "x-3")])
        await writing.close()
    assert turns(when) == [
        (Stream.OPENED, ""),
        (Stream.COMPACTED, "http 410"),
        (Stream.LISTED, ""),
        (Stream.OPENED, ""),
    ]
    last = [one for one in when.records if isinstance(one, WatchTurn)]
    assert [one.revision for one in last] == [known, known, now, now]


async def test_a_watch_that_cannot_begin_says_why_and_tries_again() -> None:
    """Where to begin is asked for again too, and a turn that never stood was never opened."""
    async with kube_api() as server:
        writing = await kube_registers(server)
        server.acts.extend((answers(500), cut, go_away))
        watch = Watching(WATCHER, await kube_registers_again(server), frozenset(KEYS))
        async with watching(watch) as when, asyncio.timeout(20):
            while (Stream.OPENED, "") not in turns(when):
                await asyncio.sleep(0.005)
        await writing.close()
    assert turns(when) == [
        (Stream.FAILED, "http 500"),
        (Stream.FAILED, "reset"),
        (Stream.OPENED, ""),
    ]


async def test_a_watch_that_is_told_to_wait_does() -> None:
    """An apiserver that has too much to do is not asked ten times a second."""
    async with kube_api() as server:
        writing = await kube_registers(server)
        watch = Watching(WATCHER, await kube_registers_again(server), frozenset(KEYS), after=1)
        server.acts.append(answers(429, retry_after="1"))
        async with watching(watch) as when, asyncio.timeout(20):
            while (Stream.OPENED, "") not in turns(when):
                await asyncio.sleep(0.005)
        await writing.close()
    (told, _), (began, _) = [(one.at, one) for one in when.records if isinstance(one, WatchTurn)]
    assert began - told >= SECOND


async def test_a_watch_tells_of_the_drill_s_own_keys_alone() -> None:
    """Every namespace has a config map of Kubernetes' own."""
    async with kube_api() as server:
        writing = await kube_registers(server)
        watch = Watching(WATCHER, await kube_registers_again(server), frozenset({"a"}))
        async with watching(watch) as when:
            await writing.write("b", "x-1", seconds=20)
            found = await writing.write("a", "x-2", seconds=20)
            await all_heard(when, [(found.modified or 0, "x-2")])
        await writing.close()


async def test_a_watch_of_etcd_resumes_across_a_restart() -> None:
    """A member that stops and comes back is watched on from where it was."""
    client = Client("watch-etcd", Path.ETCD, Connection.KEPT, watches=True)
    async with etcd_member() as member:
        writing, reading = (
            etcd.Registers(etcd.Etcd(member.address, credentials()), RUN) for _ in range(2)
        )
        async with watching(Watching(client, reading, frozenset(KEYS))) as when:
            written = []
            for number in range(20):
                result = await writing.write(KEYS[number % 3], f"x-{number}", seconds=20)
                if result.outcome is Outcome.OK:
                    written.append((result.modified or 0, result.value))
                if number == 10:
                    await member.stop()
                    await member.start()
                    await asyncio.sleep(0.3)
            await all_heard(when, written)
        await writing.close()
    assert len(written) > 15
    assert turns(when)[0] == (Stream.OPENED, "")
    assert turns(when)[-1] == (Stream.OPENED, "")
    assert Stream.FAILED in {turn for turn, _ in turns(when)}
