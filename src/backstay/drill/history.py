"""Everything that happened in one drill: values, and lines of a file to be judged again.

All times are nanoseconds of one monotonic clock, counted from the drill's start; the header says
what time of day that was. A file holds one JSON object a line, the header first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from backstay.drill.typed import typed

FORMAT = 1
"""Grows when files from before would be read wrongly; fields that they may lack change nothing."""

T = TypeVar("T")

SECOND = 1_000_000_000
"""Nanoseconds."""
HOLDS = "holds"
"""The state of a balancer that has the virtual address."""
HELD, ACQUIRED = "held", "acquired"
"""Whether a lease's holder was found with it, or took it then."""


class Path(StrEnum):
    """Which way a client's requests go."""

    VIP = "vip"
    NODE = "node"
    SERVICE = "service"
    ETCD = "etcd"


class Connection(StrEnum):
    """Whether a client opens a connection for each request, or keeps its first."""

    NEW = "new"
    KEPT = "kept"


class Action(StrEnum):
    """What an operation asks for; a read is linearizable."""

    WRITE = "write"
    READ = "read"


class Outcome(StrEnum):
    """How an operation ended, as its caller knows it.

    `FAIL` is certain not to have happened. `UNKNOWN` may have happened, may yet, or may never.
    """

    OK = "ok"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Client:
    """One client: a name, the way it goes, and to which machine if it is bound to one.

    `rate` is how many operations per second are asked of it; 0 where a history does not say.
    """

    name: str
    path: Path
    connection: Connection
    watches: bool = False
    host: str = ""
    rate: float = 0.0

    @property
    def store(self) -> str:
        """Whose keys it reads and writes: `etcd`, or the `apiserver`'s through whatever way."""
        return "etcd" if self.path is Path.ETCD else "apiserver"

    @property
    def group(self) -> str:
        """The class that numbers are given for, such as `vip new` or `etcd watch`."""
        return f"{self.path} {'watch' if self.watches else self.connection}"


@dataclass(frozen=True, slots=True)
class Header:
    """What was done to which cluster, and how to do it again.

    `settings` are the timers that decide the numbers, `versions` the programs'; `load` says how
    many operations per second were asked for.
    """

    scenario: str
    cluster: str
    started: str
    command: str
    seed: int
    clients: tuple[Client, ...]
    targets: tuple[str, ...] = ()
    explanation: str = ""
    objectives: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    planes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client, from call to return.

    `value` is what was written, or what was read (None: there was nothing). `revision` is the
    store's when it answered, `modified` the key's own. `told_to_retry` counts the answers that
    client-go's rules say to try again: 429 or 503 with Retry-After, and GOAWAY. `error` is a
    short class such as `reset`, `eof`, `timeout`, `refused`, `http 500`.
    """

    client: str
    action: Action
    key: str
    called: int
    returned: int
    outcome: Outcome
    value: str | None = None
    revision: int | None = None
    modified: int | None = None
    error: str = ""
    told_to_retry: int = 0
    due: int | None = None
    """When the rate wanted it called; a later call was held back by the one before it, or by us.

    Where more than the client's interval is between two of them, operations were dropped.
    """


class Change(StrEnum):
    """What a watch says happened to a key; a bookmark says only how far it has come."""

    PUT = "put"
    DELETE = "delete"
    BOOKMARK = "bookmark"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event that a watch delivered; `batch` counts its responses, for atomicity."""

    client: str
    at: int
    change: Change
    modified: int
    key: str = ""
    value: str | None = None
    batch: int = 0


class Stream(StrEnum):
    """What happened to a watch itself."""

    OPENED = "opened"
    CLOSED = "closed"
    FAILED = "failed"
    COMPACTED = "compacted"
    """What followed the revision that it knew is gone: it begins anew."""
    LISTED = "listed"
    """It learned from a list what there is; the events before this turn are what was new in it."""


@dataclass(frozen=True, slots=True)
class WatchTurn:
    """A watch was opened from a revision (exclusive), ended in order, broke, or began anew."""

    client: str
    at: int
    turn: Stream
    revision: int | None = None
    error: str = ""


class Kind(StrEnum):
    """What a mark on the time line is about."""

    PHASE = "phase"
    """`subject`: warm-up, fault, healed, settle, final, end."""
    FAULT = "fault"
    """`subject`: the host; `state`: injected, undone, failed; `detail`: what."""
    LEADER = "leader"
    """`subject`: the member that says so; `state`: whom it follows, empty for nobody; `detail`:
    in which term, empty where that is not known."""
    VIP = "vip"
    """`subject`: the host; `state`: HOLDS, or what it is instead."""
    LEASE = "lease"
    """`subject`: the lease; `state`: its holder; `detail`: HELD or ACQUIRED."""
    NODE = "node"
    """`subject`: the node; `state`: True, False or Unknown."""
    READY = "ready"
    """`subject`: the host; `state`: what its balancer thinks of an apiserver; `detail`: which."""
    SESSIONS = "sessions"
    """`subject`: a balancer; `state`: how many connections lead from it to an apiserver, which
    is `detail`; counted before the clients stop."""
    UNIT = "unit"
    """`subject`: the host; `state`: active, exited, …; `detail`: the unit, and how it exited."""
    STREAM = "stream"
    """`subject`: a stream through the endpoint on which nothing is sent; `state`: opened, closed
    in order, failed; `detail`: the error."""
    RENEWAL = "renewal"
    """`subject`: the node that renewed its Lease then."""
    NOTE = "note"
    """`subject`: a Note."""


class Note(StrEnum):
    """What is noted for the judge and for people; `state`: the role, or the machine, if of one."""

    MOVED = "moved"
    GONE = "gone"
    NOT_SETTLED = "not settled"
    NOT_WELL = "not well"
    DEAF = "deaf"
    WATCHER_FAILED = "watcher failed"
    STOPPING = "stopping"
    """Only told: `state` is what somebody who stops the drill reads."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on the time line that is no request."""

    at: int
    kind: Kind
    subject: str
    state: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FinalRead:
    """A key as one source (`etcd cp-1`, `apiserver cp-2`) has it after everything settled."""

    source: str
    key: str
    value: str | None
    modified: int | None


@dataclass(frozen=True, slots=True)
class FinalHash:
    """The hash of a member's whole store at a revision that all of them have."""

    member: str
    revision: int
    hash: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a unit's log that speaks of a panic or a fatal error."""

    host: str
    unit: str
    text: str


OfClient = Operation | WatchEvent | WatchTurn
Record = OfClient | Mark | FinalRead | FinalHash | LogLine

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


@dataclass(frozen=True, slots=True)
class History:
    """A whole drill."""

    header: Header
    records: tuple[Record, ...]

    def of(self, kind: type[T]) -> tuple[T, ...]:
        """Return the records of one kind, in the order they were written."""
        return tuple(one for one in self.records if isinstance(one, kind))


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
    lists = {"targets", "objectives", "members", "planes"} & found.keys()
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
