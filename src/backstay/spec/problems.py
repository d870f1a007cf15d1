"""What is wrong with a `cluster.yaml`: all of it at once, each with its place and a caret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backstay.errors import ConfigError

Path = tuple[str | int, ...]
_WIDEST = 120
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column count from 1, `text` is the whole line."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at a path such as `("hosts", 0, "name")`."""

    message: str
    path: Path = ()
    place: Place | None = None
    suggestion: str = ""


class SpecError(ConfigError):
    """A file with problems; `problems` holds each of them."""

    def __init__(self, problems: Sequence[Problem], *, name: str) -> None:
        count = len(problems)
        super().__init__(
            f"{name} has {count} problem{'' if count == 1 else 's'}",
            why="\n" + "\n".join(render(problem, name=name) for problem in problems),
            next_move="backstay config schema prints every key with its meaning",
        )
        self.problems = tuple(problems)


def render(problem: Problem, *, name: str) -> str:
    """Return the problem with file, line and column, the line itself, and a caret below it."""
    hint = f"  did you mean {problem.suggestion!r}?" if problem.suggestion else ""
    said = problem.message
    message = _inside(problem.path) + shown(said[:_LONGEST]) + ("…" if said[_LONGEST:] else "")
    if problem.place is None:
        return f"{name}: {message}{hint}"
    place = problem.place
    start = max(0, place.column - 1 - _WIDEST // 2)
    line = shown(place.text[start : start + _WIDEST])
    caret = " " * (place.column - 1 - start) + "^"
    head = f"{name}:{place.line}:{place.column}: {message}"
    return f"{head}\n    {line}\n    {caret}{hint}"


def _inside(path: Path) -> str:
    """Return where in the file's structure it is, unless that is seen at a glance."""
    words = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    text = "".join(words).removeprefix(".")
    return f"{shown(text[:_WIDEST])}: " if len(path) > 1 else ""


def shown(text: str) -> str:
    """Return the text without what a terminal obeys, each character in its own column."""
    return "".join(one if one.isprintable() else " " if one == "\t" else "?" for one in text)


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known word that was probably meant; empty when none is near."""
    found = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
