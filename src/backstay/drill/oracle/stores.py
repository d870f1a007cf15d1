"""A history seen by store: etcd's own keys, and those of the Kubernetes API, apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from backstay.drill.history import (
    SECOND,
    Action,
    Client,
    FinalRead,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    WatchEvent,
    WatchTurn,
)

Watch = tuple[WatchEvent | WatchTurn, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """What happened to the keys of one store; watches by client.

    `sources` are those who must say at the end what they have.
    """

    name: str
    sources: tuple[str, ...]
    operations: tuple[Operation, ...]
    finals: tuple[FinalRead, ...]
    watches: Mapping[str, Watch]

    @property
    def writes(self) -> tuple[Operation, ...]:
        """All writes, whatever came of them."""
        return tuple(one for one in self.operations if one.action is Action.WRITE)

    @property
    def acknowledged(self) -> tuple[Operation, ...]:
        """All operations that were answered well."""
        return tuple(one for one in self.operations if one.outcome is Outcome.OK)

    @property
    def events(self) -> tuple[WatchEvent, ...]:
        """What all watches heard."""
        watches = self.watches.values()
        return tuple(one for watch in watches for one in watch if isinstance(one, WatchEvent))


def stores(history: History) -> tuple[Store, ...]:
    """Return the stores that anybody worked on."""
    clients = {one.name: one for one in history.header.clients}
    names = sorted({one.store for one in history.header.clients})
    found = tuple(_store(history, clients, name) for name in names)
    if is_whole(history):
        return found
    return tuple(replace(one, operations=(*one.operations, *_under_way(one))) for one in found)


def _store(history: History, clients: Mapping[str, Client], name: str) -> Store:
    mine = {client for client, one in clients.items() if one.store == name}
    hosts = history.header.members if name == "etcd" else history.header.planes
    watches: dict[str, list[WatchEvent | WatchTurn]] = {
        client: [] for client in sorted(mine) if clients[client].watches
    }
    for one in history.records:
        if isinstance(one, WatchEvent | WatchTurn) and one.client in watches:
            watches[one.client].append(one)
    return Store(
        name,
        tuple(f"{name} {host}" for host in hosts),
        tuple(one for one in history.of(Operation) if one.client in mine),
        tuple(one for one in history.of(FinalRead) if one.source.partition(" ")[0] == name),
        {client: tuple(found) for client, found in watches.items()},
    )


def is_whole(history: History) -> bool:
    """Return whether a drill came to its end, rather than being cut short."""
    return "end" in phases(history)


def _under_way(store: Store) -> Iterator[Operation]:
    """Yield a write for each value that nobody wrote but somebody saw.

    An operation is recorded when it returns: what was under way when a history was cut short is
    missing in it, and nobody has broken a promise.
    """
    written = {(one.key, one.value) for one in store.writes}
    seen = {(one.key, one.value) for one in sightings(store) if one.value is not None}
    for key, value in sorted(seen - written):
        yield Operation("somebody", Action.WRITE, key, 0, 0, Outcome.UNKNOWN, value)


def phases(history: History) -> Mapping[str, int]:
    """Return when each phase began."""
    marks = history.of(Mark)
    return {one.subject: one.at for one in marks if one.kind is Kind.PHASE}


Seen = Operation | WatchEvent | FinalRead
"""Somebody's saying that a key has a value, since a revision."""


def sightings(store: Store) -> Iterator[Seen]:
    """Yield what anybody saw, those first who wrote it."""
    yield from sorted(store.acknowledged, key=lambda one: one.action is Action.READ)
    yield from store.events
    yield from store.finals


def told(one: Seen) -> str:
    """Return what was seen as a line of evidence."""
    value = "nothing" if one.value is None else one.value
    what = f"{one.key} = {value}"
    since = "" if one.modified is None else f" at revision {one.modified}"
    match one:
        case Operation():
            times = f"{one.called / SECOND:.3f}–{one.returned / SECOND:.3f} s"
            return f"{times}: {one.client} {one.action} {what} {one.outcome}{since}"
        case WatchEvent():
            return f"{one.at / SECOND:.3f} s: {one.client} heard {one.change} {what}{since}"
        case FinalRead():
            return f"at the end: {one.source} has {what}{since}"


def first(lines: Iterator[str], *, most: int = 5) -> tuple[str, ...]:
    """Return the first few lines of evidence: one is enough, thousands are none."""
    return tuple(line for line, _ in zip(lines, range(most), strict=False))
