"""The course of a drill, with a load and a fault that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backstay.drill.history import (
    Action,
    Client,
    Connection,
    FinalHash,
    Header,
    Kind,
    Mark,
    Operation,
    Outcome,
    Record,
)
from backstay.drill.history import Path as Way
from backstay.drill.history_file import read_history
from backstay.drill.oracle.judge import RATE
from backstay.drill.oracle.notes import check
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.recorder import Recorder
from backstay.drill.run import WARM_UPS, Course, run
from backstay.errors import RefusedError, UnreachableError

CLIENT = Client("vip-1", Way.VIP, Connection.KEPT)
HEADER = Header("etcd-kill", "lab", "2026-01-01T00:00:00Z", "backstay drill", 1, (CLIENT,))
COURSE = Course(fault=0.1, warm_up=0.1, settle=0.3, after=0.05)


@dataclass
class FakeLoad:
    """A client that is answered every few milliseconds, unless `broken`."""

    broken: bool = False
    finished: bool = False
    read: bool = False

    async def run(
        self, *, record: Callable[[Record], None], clock: Callable[[], int], stop: asyncio.Event
    ) -> None:
        """Write until stopped."""
        while not stop.is_set():
            now = clock()
            if not self.broken:
                record(Operation("vip-1", Action.WRITE, "a", now, now, Outcome.OK, str(now)))
            await asyncio.sleep(0.005)
        self.finished = True

    async def final(self, *, record: Callable[[Record], None]) -> None:
        """Read once, after the writing."""
        assert self.finished
        record(FinalHash("cp-1", 7, 1))
        self.read = True


@dataclass
class FakeFault:
    """Remembers that it was there, and that it was undone."""

    log: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Stand until the block ends."""
        self.log.append("injected")
        try:
            yield
        finally:
            self.log.append("undone")


async def well() -> str:
    return ""


async def no_look(recorder: Recorder) -> None:
    del recorder


def recorder(tmp_path: Path) -> Recorder:
    return Recorder.open(tmp_path / "history.jsonl", HEADER, tell=[].append)


def phases(records: list[Record]) -> list[str]:
    return [one.subject for one in records if isinstance(one, Mark) and one.kind is Kind.PHASE]


async def test_a_drill_goes_from_warm_up_to_the_final_reads(tmp_path: Path) -> None:
    """Every phase is marked, the fault is undone, and the file holds what memory does."""
    written, load, fault = recorder(tmp_path), FakeLoad(), FakeFault()
    await run(
        written,
        COURSE,
        load=load,
        watchers=(),
        fault=fault.standing(),
        trouble=well,
        last_look=no_look,
    )
    assert phases(written.records) == ["warm-up", "fault", "healed", "settle", "final", "end"]
    assert fault.log == ["injected", "undone"]
    assert load.read
    kept = written.history()
    written.close()
    with (tmp_path / "history.jsonl").open() as lines:
        assert read_history(lines) == kept


async def test_a_cluster_that_stays_ill_is_noted_and_waited_for_only_so_long(
    tmp_path: Path,
) -> None:
    """The judge shall see what was still wrong; the drill ends all the same."""

    async def ill() -> str:
        return "cp-2 is not Ready"

    written = recorder(tmp_path)
    nothing = contextlib.nullcontext()
    await run(
        written, COURSE, load=FakeLoad(), watchers=(), fault=nothing, trouble=ill, last_look=no_look
    )
    notes = [one for one in written.records if isinstance(one, Mark) and one.kind is Kind.NOTE]
    assert [one.state for one in notes] == ["cp-2 is not Ready"]


async def test_clients_that_get_no_answer_are_trouble(tmp_path: Path) -> None:
    """Nobody asks the cluster how it is while its clients still wait."""
    written = recorder(tmp_path)
    nothing = contextlib.nullcontext()
    load = FakeLoad(broken=True)
    await run(
        written, COURSE, load=load, watchers=(), fault=nothing, trouble=well, last_look=no_look
    )
    notes = [one for one in written.records if isinstance(one, Mark) and one.kind is Kind.NOTE]
    assert [one.state for one in notes] == ["no answer for 1 s: vip-1"]


async def test_nothing_is_broken_once_a_client_gets_no_answer(tmp_path: Path) -> None:
    """The cluster was whole when it was looked at; it is not any more."""
    written, fault = recorder(tmp_path), FakeFault()
    with pytest.raises(RefusedError, match="not every client is answered") as caught:
        await run(
            written,
            replace(COURSE, calm=0.05),
            load=FakeLoad(broken=True),
            watchers=(),
            fault=fault.standing(),
            trouble=well,
            last_look=no_look,
        )
    assert "vip-1" in caught.value.why
    assert fault.log == []


async def test_an_interrupted_drill_undoes_its_fault_and_stops_its_load(tmp_path: Path) -> None:
    """Cancelled in the middle, it leaves nothing behind."""
    load, fault, watched = FakeLoad(), FakeFault(), []

    async def watch(seen: Recorder) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            watched.append(seen)

    course = Course(fault=30.0, warm_up=0.05)
    work = run(
        recorder(tmp_path),
        course,
        load=load,
        watchers=(watch,),
        fault=fault.standing(),
        trouble=well,
        last_look=no_look,
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work, timeout=0.3)
    assert fault.log == ["injected", "undone"]
    assert load.finished
    assert len(watched) == 1


async def test_a_watcher_that_dies_leaves_a_doubt(tmp_path: Path) -> None:
    """What it would have seen nobody saw; one that only ends when it is told to leaves none."""

    async def dies(_: Recorder) -> None:
        raise ValueError("no JSON")

    async def watches(_: Recorder) -> None:
        await asyncio.Event().wait()

    written, nothing = recorder(tmp_path), contextlib.nullcontext()
    watchers = (dies, watches)
    await run(
        *(written, COURSE),
        load=FakeLoad(),
        watchers=watchers,
        fault=nothing,
        trouble=well,
        last_look=no_look,
    )
    (doubt,) = (one for one in check(written.history()) if one.check == "settled")
    assert doubt.verdict is Verdict.INCONCLUSIVE
    assert doubt.what == "not everything was watched to the end"
    assert ["no JSON" in one for one in doubt.evidence] == [True]


async def test_an_error_of_the_load_ends_the_drill(tmp_path: Path) -> None:
    """A load that cannot work at all is no measurement, and is said as it is."""

    class Broken(FakeLoad):
        async def run(self, **_: object) -> None:
            raise UnreachableError("no certificate", where="cp-1")

    fault = FakeFault()
    with pytest.raises(UnreachableError):
        await run(
            recorder(tmp_path),
            COURSE,
            load=Broken(),
            watchers=(),
            fault=fault.standing(),
            trouble=well,
            last_look=no_look,
        )
    assert fault.log == []


@dataclass
class SlowLoad(FakeLoad):
    """Answers nobody before `since`, in seconds."""

    since: float = 0.0

    async def run(
        self, *, record: Callable[[Record], None], clock: Callable[[], int], stop: asyncio.Event
    ) -> None:
        """Write until stopped, once it was slow for long enough."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self.since)
        await FakeLoad.run(self, record=record, clock=clock, stop=stop)


@pytest.mark.parametrize(
    ("since", "least", "most"),
    [(0.0, 1, 1), (0.15, 2, WARM_UPS - 1), (60.0, WARM_UPS, WARM_UPS)],
    ids=["at once", "late", "never"],
)
async def test_a_fault_waits_until_clients_are_answered(
    tmp_path: Path, since: float, least: int, most: int
) -> None:
    """What an earlier drill left under way is no part of this one; but nobody waits for ever."""
    header = replace(HEADER, load={RATE: 20.0})
    written = Recorder.open(tmp_path / "history.jsonl", header, tell=[].append)
    await run(
        written,
        COURSE,
        load=SlowLoad(since=since),
        watchers=(),
        fault=FakeFault().standing(),
        trouble=well,
        last_look=no_look,
    )
    warm_ups = phases(written.records).count("warm-up")
    assert least <= warm_ups <= most
    assert phases(written.records)[warm_ups] == "fault"
