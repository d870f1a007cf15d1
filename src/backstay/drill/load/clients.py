"""Clients: each does one thing at a time, at a held rate, and writes down what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    Client,
    Connection,
    Operation,
    Outcome,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.load.plan import Worker
from backstay.drill.load.store import Event, Result, Store, WatchEndedError

REOPEN_SECONDS = 0.1
"""Between the end of a watch and the next: informers wait longer, and would see less."""

SNAPSHOT_SECONDS = 5.0

LEFT = "left"
"""The error of an operation that was under way when its client was told to go."""


@dataclass(slots=True)
class Notebook:
    """Where a client writes, by which clock, and until when."""

    record: Callable[[Record], None]
    clock: Callable[[], int]
    stop: asyncio.Event

    async def until(self, moment: int) -> bool:
        """Wait for a moment of the clock; return whether there is still work to do then."""
        if (wait := (moment - self.clock()) / SECOND) > 0 and not self.stop.is_set():
            await asyncio.sleep(wait)
        return not self.stop.is_set()


@dataclass(slots=True)
class Working:
    """A client at work; its values are unique in the whole drill."""

    worker: Worker
    store: Store
    keys: tuple[str, ...]
    random: Random
    seconds: float
    written: int = field(default=0)
    owed: int = field(init=False)
    """Hundredths of a write that are due."""

    def __post_init__(self) -> None:
        self.owed = 99 - int(100 * self.worker.phase)

    async def run(self, notebook: Notebook) -> None:
        """Operate at each tick until stopped.

        A tick that comes while an operation is under way waits for it, and the operation's `due`
        says since when; of ticks that are missed meanwhile only the last is made up for. How many
        were dropped shows in the times between one `due` and the next.
        """
        interval = round(SECOND / self.worker.rate)
        # First ticks come in the other order than first writes: in the same one both waits would
        # add up, and leave gaps of four times the even distance between the writes of all.
        due = notebook.clock() + int(-self.worker.phase % 1 * interval)
        try:
            while await notebook.until(due):
                await self._operate(notebook, due)
                due += interval
                if (late := notebook.clock() - due) > interval:
                    due += late // interval * interval
        finally:
            await self.store.close()

    async def _operate(self, notebook: Notebook, due: int) -> None:
        key = self.random.choice(self.keys)
        value = self._to_write()
        called = notebook.clock()
        # What is left under way may have happened, or may yet.
        result = Result(Outcome.UNKNOWN, value, error=LEFT)
        try:
            result = await self._result(key, value)
        finally:
            notebook.record(self._operation(key, value, result, called, notebook.clock(), due))
        if self.worker.client.connection is Connection.NEW:
            await self.store.close()

    def _to_write(self) -> str | None:
        """Return a value that nobody has written, None to read.

        Writes are spread evenly: drawn for, they would leave gaps that nobody was broken for.
        """
        writes, self.owed = divmod(self.owed + 100 - self.worker.reads, 100)
        if not writes:
            return None
        self.written += 1
        return f"{self.worker.client.name}-{self.written}"

    async def _result(self, key: str, value: str | None) -> Result:
        if value is None:
            return await self.store.read(key, seconds=self.seconds)
        return await self.store.write(key, value, seconds=self.seconds)

    def _operation(
        self, key: str, value: str | None, result: Result, called: int, returned: int, due: int
    ) -> Operation:
        return Operation(
            client=self.worker.client.name,
            action=Action.READ if value is None else Action.WRITE,
            key=key,
            called=called,
            returned=returned,
            outcome=result.outcome,
            value=result.value,
            revision=result.revision,
            modified=result.modified,
            error=result.error,
            told_to_retry=result.told_to_retry,
            due=due,
        )


@dataclass(slots=True)
class Watching:
    """A watch on all keys of a store, opened again from where it was whenever it ends.

    `after` is the last revision that it knows of, None when it has to ask what there is; `before`
    is the last that it knew when it had to begin anew. It `stands` while it would hear of what
    happens.
    """

    client: Client
    store: Store
    keys: frozenset[str]
    after: int | None = None
    before: int | None = None
    stands: bool = False

    async def run(self, notebook: Notebook) -> None:
        """Watch until cancelled."""
        try:
            while True:
                wait = REOPEN_SECONDS
                try:
                    await self._turn(notebook)
                except WatchEndedError as error:
                    self._end(error, notebook)
                    wait = max(wait, error.wait)
                await asyncio.sleep(wait)
        finally:
            await self.store.close()

    async def _turn(self, notebook: Notebook) -> None:
        after = self.after if self.after is not None else await self._begin(notebook)
        opened = partial(self._note, notebook, Stream.OPENED)
        async for event in self.store.watch(after, opened=opened):
            self.after = after = max(after, event.modified)
            if not event.key or event.key in self.keys:
                self._hear(event, notebook)

    async def _begin(self, notebook: Notebook) -> int:
        """Return the revision to watch from; who begins anew hears from a list what was missed."""
        found = await self.store.snapshot(seconds=SNAPSHOT_SECONDS)
        self.after = found.revision
        if self.before is not None:
            for key, (value, modified) in sorted(found.values.items(), key=lambda one: one[1][1]):
                if modified > self.before and key in self.keys:
                    self._hear(Event(Change.PUT, modified, key, value), notebook)
            self._note(notebook, Stream.LISTED)
            self.before = None
        return found.revision

    def _hear(self, event: Event, notebook: Notebook) -> None:
        notebook.record(
            WatchEvent(
                self.client.name,
                notebook.clock(),
                event.change,
                event.modified,
                event.key,
                event.value,
                event.batch,
            )
        )

    def _end(self, error: WatchEndedError, notebook: Notebook) -> None:
        turn = Stream.FAILED if error.error else Stream.CLOSED
        if error.compacted:
            turn = Stream.COMPACTED
        self._note(notebook, turn, error.error)
        if error.compacted:
            self.before = self.after if self.before is None else self.before
            self.after = None

    def _note(self, notebook: Notebook, turn: Stream, error: str = "") -> None:
        self.stands = turn is Stream.OPENED
        notebook.record(WatchTurn(self.client.name, notebook.clock(), turn, self.after, error))
