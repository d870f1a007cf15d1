"""How text for people is dressed: marks that read without colour, and who paints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Tone(StrEnum):
    """What a piece of text means; which colour that is, the terminal's side decides."""

    ADD = "add"
    ALTER = "alter"
    REMOVE = "remove"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    STRONG = "strong"
    FAINT = "faint"


class Detail(Enum):
    """How much is said: many equal things as one line, or each by itself."""

    BRIEF = "brief"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Marks:
    """Signs beyond letters and digits, so that they can be had in ASCII too."""

    tick: str = "✓"
    cross: str = "✗"
    arrow: str = "→"
    ellipsis: str = "…"
    dash: str = "–"
    minus: str = "−"
    times: str = "×"
    dot: str = "·"


UNICODE = Marks()
ASCII = Marks("ok", "no", "->", "...", "-", "-", "x", "|")


def unpainted(tone: Tone, text: str) -> str:
    """Return the text as it is."""
    del tone
    return text


@dataclass(frozen=True, slots=True)
class Look:
    """Marks, paint, the width of a line in columns, and how much detail."""

    marks: Marks = UNICODE
    paint: Callable[[Tone, str], str] = unpainted
    width: int = 100
    detail: Detail = Detail.BRIEF


PLAIN = Look()


def shortened(text: str, limit: int, marks: Marks = UNICODE) -> str:
    """Return the text, cut with an ellipsis when it is longer than `limit` columns."""
    if len(text) <= limit:
        return text
    return text[: max(limit - len(marks.ellipsis), 0)] + marks.ellipsis
