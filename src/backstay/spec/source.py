"""The text of a `cluster.yaml` as plain values, with the place of every key and value.

YAML can say things that no configuration needs: what could surprise or exhaust is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from backstay.spec.problems import Path, Place, Problem, SpecError

# A thousand hosts with all that can be said of one take 400 KiB and 25,000 values.
LARGEST_BYTES = 1024 * 1024
MOST_VALUES = 60_000
DEEPEST = 20
# Whoever mends fifty looks again; telling of thousands would take seconds.
MOST_PROBLEMS = 50
_TRUE_OR_FALSE = frozenset({"yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a document, and where each stands.

    `keys` and `values` map a path to the place of its key and of its value.
    """

    value: object
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Return the place of the value, or of the nearest thing that contains it."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length]) or self.keys.get(path[:length])
            if found is not None:
                return found
        return None


def decode(data: bytes | str, *, name: str) -> str:
    """Return the text; SpecError when it is empty, huge, binary or not UTF-8."""
    raw = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    if len(raw) > LARGEST_BYTES:
        raise _refuse(f"the file has {len(raw)} bytes, more than {LARGEST_BYTES}", name)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refuse(f"byte {error.start} is not UTF-8", name, Place(line, 1, "")) from None
    for number, line_text in enumerate(text.splitlines(), start=1):
        for column, character in enumerate(line_text, start=1):
            if character < " " and character != "\t":
                place = Place(number, column, line_text.replace(character, "?"))
                raise _refuse("a control character: this is not a text file", name, place)
    if not text.strip():
        raise _refuse("the file is empty", name, Place(1, 1, ""))
    return text


def read(text: str, *, name: str) -> Source:
    """Return the values of the one document in the text; SpecError with every problem."""
    lines = text.splitlines()
    node = _compose(text, lines, name)
    if not isinstance(node, MappingNode):
        raise _refuse(
            "the file must hold a mapping, such as `name: demo`", name, Place(1, 1, _at(lines, 0))
        )
    reader = _Reader(lines)
    value: object = None
    with suppress(_EnoughError):
        value = reader.value(node, ())
    if reader.problems:
        raise SpecError(reader.problems, name=name)
    return Source(value, reader.keys, reader.places)


def _refuse_excess(text: str, lines: list[str], name: str) -> None:
    """Refuse towers and crowds while reading on, before anything tries to climb or count them."""
    depth = count = 0
    for event in YAML(typ="safe", pure=False).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        count += isinstance(event, NodeEvent)
        mark: Any = event.start_mark
        place = Place(mark.line + 1, mark.column + 1, _at(lines, mark.line))
        if depth > DEEPEST:
            raise _refuse(f"nested deeper than {DEEPEST} levels", name, place)
        if count > MOST_VALUES:
            raise _refuse(f"more than {MOST_VALUES} values", name, place)


def _compose(text: str, lines: list[str], name: str) -> Node:
    try:
        _refuse_excess(text, lines, name)
        documents = list(YAML(typ="safe", pure=False).compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (
            None if mark is None else Place(mark.line + 1, mark.column + 1, _at(lines, mark.line))
        )
        raise _refuse(f"not YAML: {error.problem or error.context}", name, place) from None
    except (YAMLError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise _refuse(
            f"not YAML: {error}".splitlines()[0], name, Place(1, 1, _at(lines, 0))
        ) from None
    if len(documents) != 1 or documents[0] is None:
        what = f"holds {len(documents)} documents" if documents[1:] else "holds nothing"
        raise _refuse(f"the file {what}; one is needed", name, Place(1, 1, _at(lines, 0)))
    document: Node = documents[0]
    return document


def _refuse(message: str, name: str, place: Place | None = None) -> SpecError:
    return SpecError((Problem(message, place=place),), name=name)


def _at(lines: list[str], index: int) -> str:
    return lines[index] if index < len(lines) else ""


class _EnoughError(Exception):
    """Reading on would only cost time: enough problems are known."""


class _Reader:
    """Turns nodes into values, within limits, and remembers where each stood."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.keys: dict[Path, Place] = {}
        self.places: dict[Path, Place] = {}
        self.problems: list[Problem] = []
        # Aliases multiply: a text of some lines can stand for billions of values.
        self.budget = MOST_VALUES

    def value(self, node: Node, path: Path) -> object:
        place = self._place(node)
        self.places[path] = place
        self.budget -= 1
        if self.budget < 0 or len(path) > DEEPEST:
            self._say("too much: aliases multiply", path, place)
            raise _EnoughError
        match node:
            case MappingNode():
                return dict(self._pairs(node, path))
            case SequenceNode():
                return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, path, place)
            case _:
                return None

    def _pairs(self, node: MappingNode, path: Path) -> Iterator[tuple[str, object]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._say("a key must be a word", path, place)
                continue
            key = str(key_node.value)
            if key in seen:
                message = f"the key {key!r} stands here again; first in line {seen[key].line}"
                self._say(message, (*path, key), place)
                continue
            seen[key] = place
            self.keys[(*path, key)] = place
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: ScalarNode, path: Path, place: Place) -> object:
        text = str(node.value)
        match str(node.tag).rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                return _number(text, kind)
            case "str" | "timestamp":
                return text
            case other:
                self._say(f"the tag {other!r} has no meaning here", path, place)
                return None

    def _say(self, message: str, path: Path, place: Place) -> None:
        self.problems.append(Problem(message, path, place))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _EnoughError

    def _place(self, node: Node) -> Place:
        mark: Any = node.start_mark
        return Place(mark.line + 1, mark.column + 1, _at(self.lines, mark.line))


def _number(text: str, kind: str) -> object:
    """Return the number, or the text itself where YAML sees a number and Python does not."""
    try:
        return int(text.replace("_", ""), 0) if kind == "int" else float(text.replace("_", ""))
    except ValueError:
        return text
