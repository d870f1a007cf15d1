"""The text of a `cluster.yaml` as plain values, with the place of every key and value.

YAML can say things that no configuration needs: what could surprise or exhaust is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from backstay.spec.limits import DEEPEST, LARGEST_BYTES, MOST_PROBLEMS, MOST_VALUES
from backstay.spec.problems import Path, Place, Problem, SpecError
from backstay.spec.words import Trap, meaning

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BREAK = re.compile(r"[\n\r\x85\u2028\u2029]")
_TEXT_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a document, and where each stands.

    `keys` and `values` map a path to the place of its key and of its value; `problems` are what
    is wrong with the writing itself, and `traps` words that only the right key makes harmless.
    """

    value: object
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    traps: dict[Path, Problem] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Return the place of the value, or of the nearest thing that contains it."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length]) or self.keys.get(path[:length])
            if found is not None:
                return found
        return None


def decode(data: bytes | str, *, name: str) -> str:
    """Return the text; SpecError when it is empty, huge, binary or not UTF-8."""
    # Half a character (a surrogate) becomes bytes that are no UTF-8, and is refused as such.
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if len(raw) > LARGEST_BYTES:
        read = raw[:LARGEST_BYTES].decode(errors="replace")
        message = f"beyond {LARGEST_BYTES} bytes nothing is read: 1,000 hosts need a quarter of it"
        raise _refuse(message, _place_of(read, len(read)), name=name)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_of(
            raw.decode("utf-8-sig", errors="replace"), len(raw[: error.start].decode())
        )
        raise _refuse(f"byte {error.start} is not UTF-8", place, name=name) from None
    if control := _CONTROL.search(text):
        place = _place_of(text, control.start())
        raise _refuse("a control character: this is not a text file", place, name=name)
    if not text.strip():
        raise _refuse("the file is empty", Place(1, 1, ""), name=name)
    return text


def _place_of(text: str, index: int) -> Place:
    # With any character behind them, ended lines count as much as the one that goes on.
    before = f"{text[:index]}|".splitlines()
    begun = before[-1][:-1]
    return Place(len(before), len(begun) + 1, begun + _BREAK.split(text[index:], maxsplit=1)[0])


def read(text: str, *, name: str) -> Source:
    """Return the values of the one document in the text; SpecError where reading must end."""
    lines = text.splitlines()
    reader = _Reader(lines, YAML(typ="safe", pure=False).parse(text))
    try:
        value = reader.document()
    except _EndError as ending:
        raise SpecError((*reader.problems, ending.problem), name=name) from None
    except MarkedYAMLError as error:
        raise _refuse(*_no_yaml(error, reader), name=name) from None
    except (YAMLError, ValueError) as error:
        told = f"not YAML: {error}".splitlines()[0]
        raise _refuse(told, reader.top(), name=name) from None
    return Source(value, reader.keys, reader.places, tuple(reader.problems), reader.traps)


def _no_yaml(error: MarkedYAMLError, reader: _Reader) -> tuple[str, Place]:
    """Return what is said and where: of what is never closed, where it was opened if known."""
    told = ", ".join(part for part in (error.problem, error.context) if part)
    marks = [mark for mark in (error.problem_mark, error.context_mark) if mark is not None]
    within = [mark for mark in marks if mark.line < len(reader.lines)]
    return f"not YAML: {told}", reader.at(within[0]) if within else reader.end()


def _refuse(message: str, place: Place, *, name: str) -> SpecError:
    return SpecError((Problem(message, place=place),), name=name)


def _at(lines: list[str], index: int) -> str:
    return lines[index] if index < len(lines) else ""


class _EndError(Exception):
    """Reading on would only cost time, or make no sense."""

    def __init__(self, message: str, place: Place) -> None:
        self.problem = Problem(message, place=place)


class _Reader:
    """Turns events into values as they come, within limits, and remembers where each stood."""

    def __init__(self, lines: list[str], events: Iterator[Event]) -> None:
        self.lines = lines
        self.events = events
        self.keys: dict[Path, Place] = {}
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        self.traps: dict[Path, Problem] = {}
        self.budget = MOST_VALUES

    def document(self) -> object:
        next(self.events)
        if not isinstance(next(self.events), DocumentStartEvent):
            raise _EndError("the file holds nothing; one document is needed", self.top())
        first = next(self.events)
        value = self._value(first, ()) if isinstance(first, MappingStartEvent) else None
        if value is None:
            raise _EndError("the file must hold a mapping, such as `name: demo`", self.top())
        next(self.events)
        after = next(self.events)
        if not isinstance(after, StreamEndEvent):
            message = "the file holds 2 documents or more; one is needed"
            raise _EndError(message, self.at(after.start_mark))
        return value

    def at(self, mark: Any) -> Place:  # noqa: ANN401  # the marks of two libraries
        return Place(mark.line + 1, mark.column + 1, _at(self.lines, mark.line))

    def top(self) -> Place:
        return Place(1, 1, _at(self.lines, 0))

    def end(self) -> Place:
        """Return the place behind the last character; not the line after it, which is empty."""
        last = self.lines[-1]
        return Place(len(self.lines), len(last) + 1, last)

    def _value(self, event: Event, path: Path) -> object:
        place = self._counted(event, len(path))
        self.places[path] = place
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path, place)
        if isinstance(event, CollectionStartEvent) and event.tag is not None:
            self._say(f"the tag {event.tag!r} has no meaning here", path, place)
        if isinstance(event, MappingStartEvent):
            return dict(self._pairs(path))
        return list(self._items(path))

    def _counted(self, event: Event, depth: int) -> Place:
        """Return where a value begins; end the reading where values nest, crowd or multiply."""
        place = self.at(event.start_mark)
        self.budget -= 1
        if self.budget < 0:
            raise _EndError(f"more than {MOST_VALUES} values", place)
        if depth > DEEPEST or (depth == DEEPEST and isinstance(event, CollectionStartEvent)):
            raise _EndError(f"nested deeper than {DEEPEST} levels", place)
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            message = "an anchor or an alias: aliases multiply, so write the value where it stands"
            raise _EndError(message, place)
        return place

    def _items(self, path: Path) -> Iterator[object]:
        index = 0
        while not isinstance(event := next(self.events), SequenceEndEvent):
            yield self._value(event, (*path, index))
            index += 1

    def _pairs(self, path: Path) -> Iterator[tuple[str, object]]:
        seen: dict[str, Place] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            place = self._counted(event, len(path))
            key = self._key(event, place)
            inner = (*path, key)
            if first := seen.get(key):
                message = f"the key {key!r} stands here again; first in line {first.line}"
                self._say(message, inner, place)
                self._value(next(self.events), (*inner, "again"))
                continue
            seen[key] = self.keys[inner] = place
            yield key, self._value(next(self.events), inner)

    @staticmethod
    def _key(event: Event, place: Place) -> str:
        if not isinstance(event, ScalarEvent):
            raise _EndError("a key must be a word", place)
        return str(event.value)

    def _scalar(self, event: ScalarEvent, path: Path, place: Place) -> object:
        text = str(event.value)
        if event.tag not in _TEXT_TAGS:
            kind = str(event.tag).rpartition(":")[2]
            self._say(f"the tag {kind!r} has no meaning here", path, place)
        value = meaning(text) if event.implicit[0] else text
        if isinstance(value, Trap):
            self.traps[path] = Problem(value.message, path, place, value.instead)
            return text
        return value

    def _say(self, message: str, path: Path, place: Place) -> None:
        self.problems.append(Problem(message, path, place))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _EndError("and more of the kind", place)
