"""One drill from warm-up to final reads: load all along, a fault in the middle, and no haste."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from backstay.drill.history import Kind, Note, Record
from backstay.drill.oracle.judge import RATE
from backstay.drill.recorder import Recorder
from backstay.errors import RefusedError

POLL_SECONDS = 0.1

WARM = 0.8
"""Of the asked rate: more than the judge wants, so that what he says is seldom in doubt."""
WARM_UPS = 5


@dataclass(frozen=True, slots=True)
class Course:
    """How long each phase takes, in seconds.

    `fault` is how long the fault stands, or how long is watched after one that heals itself;
    `settle` bounds the wait until everything answers again, `after` is watched beyond that.
    `calm` is within what every client is to be answered: nobody waits for a dead connection then.
    """

    fault: float
    warm_up: float = 4.0
    calm: float = 1.0
    settle: float = 60.0
    after: float = 2.0


class Load(Protocol):
    """Clients that work until they are stopped, and look at everything at the end."""

    async def run(
        self, *, record: Callable[[Record], None], clock: Callable[[], int], stop: asyncio.Event
    ) -> None:
        """Work until `stop` is set."""

    async def final(self, *, record: Callable[[Record], None]) -> None:
        """Read everything from every source, and ask every member for its hash."""


Watcher = Callable[[Recorder], Awaitable[None]]
"""Records what it sees until it is cancelled."""

Trouble = Callable[[], Awaitable[str]]
"""Returns what is not as it should be in the cluster, empty when nothing is."""


async def run(
    recorder: Recorder,
    course: Course,
    *,
    load: Load,
    watchers: Sequence[Watcher],
    fault: AbstractAsyncContextManager[object],
    trouble: Trouble,
    last_look: Watcher,
) -> None:
    """Drill once; whatever happens, the fault is undone and the load has stopped at the end.

    `last_look` is had while the clients still work, once all has settled.
    """
    stop = asyncio.Event()
    watching = [asyncio.ensure_future(watch(recorder)) for watch in watchers]
    working = asyncio.ensure_future(
        load.run(record=recorder.record, clock=recorder.clock, stop=stop)
    )
    try:
        await _phases(recorder, course, working, fault)
        await last_look(recorder)
    finally:
        stop.set()
        try:
            await working
        finally:
            recorder.mark(Kind.PHASE, "final")
            await _ended(watching, recorder)
    await _well(recorder, trouble, seconds=course.settle)
    await load.final(record=recorder.record)
    recorder.mark(Kind.PHASE, "end")


async def _phases(
    recorder: Recorder,
    course: Course,
    working: asyncio.Future[None],
    fault: AbstractAsyncContextManager[object],
) -> None:
    await _warmed(recorder, working, course)
    _require_all_answered(recorder, course)
    recorder.mark(Kind.PHASE, "fault")
    async with fault:
        await _hold(working, course.fault)
    recorder.mark(Kind.PHASE, "healed")
    await _answered(recorder, working, course)
    recorder.mark(Kind.PHASE, "settle")
    await _hold(working, course.after)


async def _warmed(recorder: Recorder, working: asyncio.Future[None], course: Course) -> None:
    """Warm up again while fewer are answered than ask: what was before the drill may still go on.

    What is still slow after the last time is for the judge to say.
    """
    wanted = WARM * recorder.header.load.get(RATE, 0.0) * course.warm_up
    for _ in range(WARM_UPS):
        recorder.mark(Kind.PHASE, "warm-up")
        before = recorder.answers
        await _hold(working, course.warm_up)
        if recorder.answers - before >= wanted:
            return


def _require_all_answered(recorder: Recorder, course: Course) -> None:
    """Refuse to break a cluster of which a part fell silent since it was found well.

    Clients that call more seldom than that are not judged by it.
    """
    if course.calm > course.warm_up or not (silent := recorder.silent(seconds=course.warm_up)):
        return
    raise RefusedError(
        "a drill breaks only what is whole: not every client is answered",
        where=recorder.header.cluster,
        why=f"no answer within {course.warm_up:g} s: {', '.join(silent)}",
        next_move="backstay status; nothing was broken",
    )


async def _hold(working: asyncio.Future[None], seconds: float) -> None:
    """Let the load work for a while; an error of its own ends the drill at once."""
    await asyncio.wait([working], timeout=seconds)
    if working.done():
        await working


async def _answered(recorder: Recorder, working: asyncio.Future[None], course: Course) -> None:
    """Wait until all clients are answered; who is not at the end of the wait is noted."""
    silent: tuple[str, ...] = ()
    with suppress(TimeoutError):
        async with asyncio.timeout(course.settle):
            while silent := recorder.silent(seconds=course.calm):
                await _hold(working, POLL_SECONDS)
    if silent:
        said = f"no answer for {course.calm:g} s: {', '.join(silent)}"
        recorder.mark(Kind.NOTE, Note.NOT_SETTLED, said)


async def _well(recorder: Recorder, trouble: Trouble, *, seconds: float) -> None:
    """Wait until the cluster says that it is well, once asking it disturbs no measurement.

    What is still wrong at the end of the wait is noted: the judge and the reader decide.
    """
    if said := await until_well(trouble, seconds=seconds):
        recorder.mark(Kind.NOTE, Note.NOT_WELL, said)


async def until_well(ask: Trouble, *, seconds: float) -> str:
    """Wait at most so long until nothing is wrong; return the last answer, empty when well."""
    said = ""
    try:
        async with asyncio.timeout(seconds):
            while said := await ask():  # noqa: ASYNC110  # healing sends no event
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return said or "no answer yet"
    return ""


async def _ended(watching: Sequence[asyncio.Future[None]], recorder: Recorder) -> None:
    """End all watchers; one that died before saw nothing since, and silence proves nothing."""
    for task in watching:
        task.cancel()
    for result in await asyncio.gather(*watching, return_exceptions=True):
        if isinstance(result, Exception):
            recorder.mark(Kind.NOTE, Note.WATCHER_FAILED, repr(result))
