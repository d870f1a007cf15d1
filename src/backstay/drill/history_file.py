"""The file of a history: one JSON object a line, the header first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import fields
from enum import StrEnum
from typing import Any

from backstay.drill.history import (
    FORMAT,
    Action,
    Change,
    Client,
    Connection,
    FinalHash,
    FinalRead,
    Header,
    History,
    Kind,
    LogLine,
    Mark,
    OfClient,
    Operation,
    Outcome,
    Path,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.typed import typed

TAGS: Mapping[str, type[Any]] = {
    "op": Operation,
    "event": WatchEvent,
    "watch": WatchTurn,
    "mark": Mark,
    "final": FinalRead,
    "hash": FinalHash,
    "log": LogLine,
}
_TAG_OF = {kind: tag for tag, kind in TAGS.items()}
_ENUMS: Mapping[str, type[StrEnum]] = {
    "action": Action,
    "outcome": Outcome,
    "change": Change,
    "turn": Stream,
    "kind": Kind,
}


class BadHistoryError(ValueError):
    """A file is no history, or of a later format; the message says the line."""


def header_line(header: Header) -> str:
    """Return the first line of a history's file."""
    return json.dumps(_plain(header), separators=(",", ":"))


def record_line(record: Record) -> str:
    """Return one line of a history's file."""
    return json.dumps({"is": _TAG_OF[type(record)], **_plain(record)}, separators=(",", ":"))


def _plain(value: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the values above
    """Return the fields that differ from what they are when nobody says."""
    found = {}
    for one in fields(value):
        content = getattr(value, one.name)
        if content != one.default or one.name == "format":
            found[one.name] = _simple(content)
    return found


def _simple(content: Any) -> Any:  # noqa: ANN401  # as deep as JSON goes
    if isinstance(content, Client):
        return _plain(content)
    if isinstance(content, tuple):
        return [_simple(one) for one in content]
    return dict(content) if isinstance(content, Mapping) else content


def read_history(lines: Iterable[str]) -> History:
    """Return the history that a file's lines hold; raises BadHistoryError.

    A last line that was cut short, as by a full disk or a kill, is left out.
    """
    numbered = iter(enumerate(lines, start=1))
    number, first = next(numbered, (1, ""))
    with _line(number):
        header = _header(_object(first))
    names = {client.name for client in header.clients}
    return History(header, tuple(_records(numbered, names)))


@contextmanager
def _line(number: int) -> Iterator[None]:
    """Say which line it is that cannot be read."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadHistoryError(f"line {number}: {error}") from error


def _records(numbered: Iterator[tuple[int, str]], names: AbstractSet[str]) -> Iterator[Record]:
    for number, line in numbered:
        if not line.endswith("\n"):
            return
        with _line(number):
            record = _record(_object(line))
            if isinstance(record, OfClient) and record.client not in names:
                raise ValueError(f"there is no client {record.client!r}")
        yield record


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise TypeError("it is no object")
    return found


def _header(found: dict[str, Any]) -> Header:
    if found.get("format") != FORMAT:
        raise ValueError(f"format {found.get('format')!r}, this version reads {FORMAT}")
    lists = {"targets", "objectives", "members", "planes", "foreseen"} & found.keys()
    tuples = {name: tuple(found[name]) for name in lists}
    clients = tuple(_client(one) for one in found.pop("clients", ()))
    return typed(Header, {**found, **tuples, "clients": clients})


def _client(found: dict[str, Any]) -> Client:
    ways = {"path": Path(found["path"]), "connection": Connection(found["connection"])}
    return typed(Client, {**found, **ways})


def _record(found: dict[str, Any]) -> Record:
    kind = TAGS[str(found.pop("is", None))]
    for name in _ENUMS.keys() & found.keys():
        found[name] = _ENUMS[name](found[name])
    record: Record = typed(kind, found)
    return record
