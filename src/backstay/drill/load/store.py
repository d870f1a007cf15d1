"""What clients need of a store, whether it is the API or etcd itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from backstay.drill.history import Change, Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation came to; the fields are those of history.Operation."""

    outcome: Outcome
    value: str | None = None
    revision: int | None = None
    modified: int | None = None
    error: str = ""
    told_to_retry: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch; those of one response have the same `batch`."""

    change: Change
    modified: int
    key: str = ""
    value: str | None = None
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All registers by key, value and revision of each, as they were at a revision of the store."""

    revision: int
    values: Mapping[str, tuple[str | None, int]]


class WatchEndedError(Exception):
    """A watch ended: in order (`closed`), badly (`failed`), or its revision is gone.

    `wait` is how many seconds the server says to wait before the next.
    """

    def __init__(self, error: str, *, compacted: bool = False, wait: float = 0.0) -> None:
        super().__init__(error)
        self.error = error
        self.compacted = compacted
        self.wait = wait


class Store(Protocol):
    """One client's way to one store, over one connection at a time."""

    async def write(self, key: str, value: str, *, seconds: float) -> Result:
        """Put a value, whatever was there before; `seconds` bounds each attempt."""

    async def read(self, key: str, *, seconds: float) -> Result:
        """Return what is there, no older than any write that was acknowledged before."""

    async def snapshot(self, *, seconds: float) -> Snapshot:
        """Return all there is, no older than what was acknowledged; raises WatchEndedError."""

    def watch(self, after: int, *, opened: Callable[[], None]) -> AsyncIterator[Event]:
        """Yield what happens after a revision, until WatchEndedError; `opened` hears it begin."""

    async def close(self) -> None:
        """Close the connection; the next operation opens another."""
