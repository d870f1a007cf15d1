"""The plot of a drill that is under way: its latest seconds, a column for each quarter of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from backstay.drill.history import SECOND, Header, Operation, Outcome, Record
from backstay.drill.report.plot import LABEL, cell, legend
from backstay.planning.look import Look

COLUMN = SECOND // 4
KEPT = 512
"""More columns than a terminal has."""


@dataclass(slots=True)
class Column:
    """What returned in a quarter of a second: the slowest good answer, and whether any failed."""

    milliseconds: float | None = None
    crossed: bool = False


@dataclass(slots=True)
class Growing:
    """Keeps a few hundred columns for each group of clients, whatever a drill lasts."""

    names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, dict[int, Column]] = field(default_factory=dict)
    latest: int = 0

    def begin(self, header: Header) -> None:
        """Take the clients of a drill; watches send nothing that could be slow."""
        asking = [one for one in header.clients if not one.watches]
        self.names = {one.name: one.group for one in asking}
        self.groups = {one.group: {} for one in asking}
        self.latest = 0

    def take(self, record: Record) -> None:
        """Take an operation; one that failed crosses all columns that its caller waited through."""
        if not isinstance(record, Operation) or record.client not in self.names:
            return
        columns = self.groups[self.names[record.client]]
        last = record.returned // COLUMN
        self.latest = max(self.latest, last)
        if record.outcome is Outcome.OK:
            column = columns.setdefault(last, Column())
            waited = (record.returned - record.called) / 1e6
            column.milliseconds = max(column.milliseconds or 0.0, waited)
        else:
            for place in range(max(record.called // COLUMN, last - KEPT), last + 1):
                columns.setdefault(place, Column()).crossed = True
        columns.pop(last - KEPT, None)

    def lines(self, look: Look) -> Iterator[str]:
        """Yield a line for each group that has been answered, the latest columns of it."""
        first = max(0, self.latest - (look.width - LABEL - 2))
        drawn = {name: columns for name, columns in self.groups.items() if columns}
        if drawn:
            yield f"{'latency':<{LABEL}}{legend(look)}"
        for name, columns in drawn.items():
            cells = (columns.get(place, _NOTHING) for place in range(first, self.latest + 1))
            bars = "".join(cell(one.milliseconds, look, is_crossed=one.crossed) for one in cells)
            yield f"{name:<{LABEL}}{bars}"


_NOTHING = Column()
