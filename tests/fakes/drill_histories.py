"""Histories of drills on stores that keep their promises, made from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    Client,
    Connection,
    FinalHash,
    FinalRead,
    Header,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)

MILLISECOND = SECOND // 1000
HOSTS = ("cp-1", "cp-2", "cp-3")
BEGINNING = 10
"""The revision at which all watches are opened."""

STORES = {"etcd": Path.ETCD, "apiserver": Path.VIP}


@dataclass(frozen=True)
class Happening:
    """An operation, and when it takes effect if it does."""

    effect: int
    store: str
    operation: Operation
    applied: bool


@dataclass
class Cluster:
    """One sequence of revisions, as of etcd, and the keys of the two stores that share it."""

    revision: int = BEGINNING
    keys: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    changes: list[tuple[str, WatchEvent]] = field(default_factory=list)

    def take_effect(self, one: Happening) -> Operation:
        """Change a key, or not, and return what the client then knows."""
        operation, place = one.operation, (one.store, one.operation.key)
        if operation.action is Action.WRITE and one.applied and operation.value is not None:
            self.revision += 1
            self.keys[place] = (operation.value, self.revision)
            event = WatchEvent(
                "", one.effect, Change.PUT, self.revision, operation.key, operation.value
            )
            self.changes.append((one.store, event))
        if operation.outcome is not Outcome.OK:
            return operation
        value, modified = self.keys.get(place, (None, None))
        header = self.revision if one.store == "etcd" else None
        return replace(operation, value=value, modified=modified, revision=header)


def history(seed: int, *, clients: int = 4, each: int = 12, keys: str = "abcd") -> History:
    """Return a good history: operations overlap, some are unknown, watches end and are resumed."""
    random = Random(seed)  # noqa: S311  # histories are no secrets
    cluster = Cluster()
    happenings = [
        one
        for store in STORES
        for number in range(clients)
        for one in _happenings(random, store, f"{store}-{number}", each, keys)
    ]
    operations = [
        cluster.take_effect(one) for one in sorted(happenings, key=lambda one: one.effect)
    ]
    last = max(one.effect for one in happenings)
    watched = [
        one
        for store in STORES
        for number in range(2)
        for one in _watched(random, f"watch-{store}-{number}", _of(cluster, store), store)
    ]
    marks = (Mark(0, Kind.PHASE, "warm-up"), Mark(last // 2, Kind.PHASE, "fault"))
    records = sorted([*marks, *operations, *watched], key=moment)
    return History(_header(clients), (*records, *_final(cluster, keys, last + 3 * SECOND)))


def moment(one: Record) -> int:
    """Return when something was recorded."""
    if isinstance(one, Operation):
        return one.returned
    return one.at if isinstance(one, WatchEvent | WatchTurn | Mark) else 0


def _happenings(
    random: Random, store: str, client: str, each: int, keys: str
) -> Iterator[Happening]:
    """Yield what one client does; what it gives up may take effect long after, or never."""
    clock = random.randrange(20) * MILLISECOND
    for number in range(each):
        returned = clock + random.randrange(2, 30) * MILLISECOND
        action = random.choice(list(Action))
        outcome = random.choices(list(Outcome), weights=(90, 3, 7))[0]
        unknown = outcome is Outcome.UNKNOWN
        latest = returned + 100 * MILLISECOND * unknown
        applied = outcome is Outcome.OK or (unknown and random.random() < 0.5)
        yield Happening(
            random.randrange(clock + 1, latest),
            store,
            Operation(
                client,
                action,
                random.choice(keys),
                clock,
                returned,
                outcome,
                f"{client}-{number}" if action is Action.WRITE else None,
                error="" if outcome is Outcome.OK else "reset",
                due=clock,
            ),
            applied,
        )
        clock = returned + random.randrange(1, 10) * MILLISECOND


def _of(cluster: Cluster, store: str) -> list[WatchEvent]:
    return [event for name, event in cluster.changes if name == store]


def _watched(
    random: Random, client: str, changes: list[WatchEvent], store: str
) -> Iterator[WatchEvent | WatchTurn]:
    """Yield one watch: batches, bookmarks, ends, and what a compaction took from it."""
    after = BEGINNING
    batch = delivered = 0
    yield WatchTurn(client, 0, Stream.OPENED, after)
    while delivered < len(changes):
        batch += 1
        length = random.randrange(1, 4) if store == "etcd" else 1
        sent = changes[delivered : delivered + length]
        at = sent[-1].at + 5 * MILLISECOND
        yield from (replace(one, client=client, at=at, batch=batch) for one in sent)
        delivered += length
        after = sent[-1].modified
        match random.randrange(12):
            case 0:
                yield WatchEvent(client, at, Change.BOOKMARK, after, batch=batch)
            case 1:
                yield WatchTurn(client, at, Stream.CLOSED, after)
                yield WatchTurn(client, at, Stream.OPENED, after)
            case 2 if delivered + 1 < len(changes):
                yield WatchTurn(client, at, Stream.COMPACTED, after)
                after, delivered = changes[delivered].modified, delivered + 1
                yield WatchTurn(client, at, Stream.OPENED, after)


def _final(cluster: Cluster, keys: str, end: int) -> Iterator[Record]:
    yield Mark(end, Kind.PHASE, "final")
    for store in STORES:
        for host in HOSTS:
            for key in keys:
                value, modified = cluster.keys.get((store, key), (None, None))
                yield FinalRead(f"{store} {host}", key, value, modified)
    for host in HOSTS:
        yield FinalHash(host, cluster.revision, 0xBEEF)
    yield Mark(end + SECOND, Kind.PHASE, "end")


def _header(clients: int) -> Header:
    workers = (
        Client(f"{store}-{number}", path, Connection.KEPT)
        for store, path in STORES.items()
        for number in range(clients)
    )
    watches = (
        Client(f"watch-{store}-{number}", path, Connection.KEPT, watches=True)
        for store, path in STORES.items()
        for number in range(2)
    )
    return Header(
        scenario="etcd-leader-kill",
        cluster="lab",
        started="2026-01-01T00:00:00+00:00",
        command="backstay drill run etcd-leader-kill",
        seed=1,
        clients=(*workers, *watches),
        members=HOSTS,
        planes=HOSTS,
        load={"operations_per_second": 1.0},
    )
