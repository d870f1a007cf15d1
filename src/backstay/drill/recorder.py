"""Keep what happens in a drill: in memory to judge it, in a file to judge it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from backstay.drill.history import SECOND, Header, History, Kind, Mark, Operation, Outcome, Record
from backstay.drill.history_file import header_line, record_line
from backstay.errors import RefusedError


@dataclass(slots=True)
class Recorder:
    """Takes records as they come; nothing is dropped, and nothing is put in order.

    `acknowledged` is when each client last got an answer, `answers` how many there were; `tell`
    hears of everything, of the header first.
    """

    header: Header
    file: TextIO
    zero: int
    tell: Callable[[Header | Record], None]
    records: list[Record] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    answers: int = 0

    @classmethod
    def open(
        cls, path: Path, header: Header, *, tell: Callable[[Header | Record], None]
    ) -> Recorder:
        """Begin a history's file, readable by its owner; the drill's clock starts now.

        Raises RefusedError if there is no place for it.
        """
        try:
            file = path.open("x", encoding="utf-8")
            path.chmod(0o600)
        except OSError as error:
            what, why = "there is no place for the history", error.strerror or str(error)
            raise RefusedError(what, where=str(path), why=why) from error
        file.write(header_line(header) + "\n")
        tell(header)
        return cls(header, file, time.monotonic_ns(), tell)

    def clock(self) -> int:
        """Return nanoseconds since the drill began."""
        return time.monotonic_ns() - self.zero

    def record(self, record: Record) -> None:
        """Take one record."""
        self.records.append(record)
        self.file.write(record_line(record) + "\n")
        if isinstance(record, Operation) and record.outcome is Outcome.OK:
            self.acknowledged[record.client] = record.returned
            self.answers += 1
        self.tell(record)

    def mark(self, kind: Kind, subject: str, state: str = "", detail: str = "") -> None:
        """Record a mark of this moment."""
        self.record(Mark(self.clock(), kind, subject, state, detail))

    def fault(self, host: str, turn: str, what: str) -> None:
        """Record what became of a fault on a machine."""
        self.mark(Kind.FAULT, host, turn, what)

    def silent(self, *, seconds: float) -> tuple[str, ...]:
        """Return the clients without an answer for so long, or ever; watches are not asked."""
        since = self.clock() - seconds * SECOND
        active = (one.name for one in self.header.clients if not one.watches)
        last = self.acknowledged
        return tuple(name for name in active if name not in last or last[name] < since)

    def close(self) -> None:
        """Close the file; what was recorded stays."""
        self.file.close()

    def history(self) -> History:
        """Return everything that was recorded."""
        return History(self.header, tuple(self.records))
