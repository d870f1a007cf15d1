"""Rows of the benchmark, and how they are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass

HEAD = ("", "ours", "beside it", "ratio", "bound", "aim", "")
# From so many on a number is shown whole: 2048 rather than 2.05e+03.
WHOLE = 1000


@dataclass(frozen=True)
class Row:
    """One number: ours, what it is measured beside, and what was promised.

    `ratio` is ours over theirs, or ours alone where there is nothing beside it.
    """

    what: str
    ours: str
    beside: str
    ratio: float
    bound: float
    aim: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the bound holds, and the aim."""
        if self.ratio > self.bound:
            return "missed"
        return "aim reached" if self.aim is not None and self.ratio <= self.aim else "held"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        aim = "" if self.aim is None else number(self.aim)
        return (
            self.what,
            self.ours,
            self.beside,
            number(self.ratio),
            f"≤ {number(self.bound)}",
            aim,
            self.verdict,
        )


def number(value: float) -> str:
    """Return three digits that say something: `0.033`, `1.8`, `45`, `2048`."""
    return f"{value:.0f}" if value >= WHOLE else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    """Return a table as Markdown, with the notes below."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    notes = [f"- {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join([*text, "", *notes])


def document(rows: list[Row]) -> list[dict[str, object]]:
    """Return the rows for JSON."""
    return [{**asdict(row), "verdict": row.verdict} for row in rows]
