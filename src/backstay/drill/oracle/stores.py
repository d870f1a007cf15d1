"""A history seen by store: etcd's own keys, and those of the Kubernetes API, apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Store:
    """What happened to the keys of one store; watches by client."""

    name: str
    operations: tuple[Operation, ...]
    finals: tuple[FinalRead, ...]
    watches: Mapping[str, tuple[WatchEvent | WatchTurn, ...]]

    @property
    def writes(self) -> tuple[Operation, ...]:
        """All writes, whatever came of them."""
        return tuple(one for one in self.operations if one.action is Action.WRITE)

    @property
    def acknowledged(self) -> tuple[Operation, ...]:
        """All operations that were answered well."""
        return tuple(one for one in self.operations if one.outcome is Outcome.OK)


def stores(history: History) -> tuple[Store, ...]:
    """Return the stores that anybody worked on."""
    clients = {one.name: one for one in history.header.clients}
    names = sorted({one.store for one in history.header.clients})
    return tuple(_store(history, clients, name) for name in names)


def _store(history: History, clients: Mapping[str, Client], name: str) -> Store:
    mine = {client for client, one in clients.items() if one.store == name}
    watches = {client: [] for client in mine if clients[client].watches}  # type: dict[str, list[WatchEvent | WatchTurn]]
    for one in history.records:
        if isinstance(one, WatchEvent | WatchTurn) and one.client in watches:
            watches[one.client].append(one)
    return Store(
        name,
        tuple(one for one in history.of(Operation) if one.client in mine),
        tuple(one for one in history.of(FinalRead) if one.source.split()[0] == name),
        {client: tuple(found) for client, found in watches.items()},
    )


def phases(history: History) -> Mapping[str, int]:
    """Return when each phase began."""
    marks = history.of(Mark)
    return {one.subject: one.at for one in marks if one.kind is Kind.PHASE}


def told(one: Operation) -> str:
    """Return an operation as a line of evidence."""
    what = f"{one.client} {one.action} {one.key}"
    value = "nothing" if one.value is None else one.value
    revision = "" if one.modified is None else f" at revision {one.modified}"
    times = f"{one.called / SECOND:.3f}–{one.returned / SECOND:.3f} s"
    return f"{times}: {what} {one.outcome}, {value}{revision}"


def first(lines: Iterator[str], *, most: int = 5) -> tuple[str, ...]:
    """Return the first few lines of evidence: one is enough, thousands are none."""
    return tuple(line for line, _ in zip(lines, range(most), strict=False))
