"""Everything that happened in one drill, as values; how a file holds them is in `history_file`.

All times are nanoseconds of one monotonic clock, counted from the drill's start; the header says
what time of day that was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

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
    many operations per second were asked for. `foreseen` are words of the fatal lines that the
    fault itself makes the targets' programs write while it stands.
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
    foreseen: tuple[str, ...] = ()
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
    """A line of a unit's log that speaks of a panic or a fatal error; 0 if `at` was not kept."""

    host: str
    unit: str
    text: str
    at: int = 0


OfClient = Operation | WatchEvent | WatchTurn
Record = OfClient | Mark | FinalRead | FinalHash | LogLine


@dataclass(frozen=True, slots=True)
class History:
    """A whole drill."""

    header: Header
    records: tuple[Record, ...]

    def of(self, kind: type[T]) -> tuple[T, ...]:
        """Return the records of one kind, in the order they were written."""
        return tuple(one for one in self.records if isinstance(one, kind))
