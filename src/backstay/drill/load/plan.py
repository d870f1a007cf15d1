"""Which clients a drill has, how fast each works, and on which keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from backstay.drill.history import Client, Connection, Path

OPERATIONS_PER_KEY = 120
"""Of one key in one drill: what comes after is exponential in the worst case (faults.md, 3)."""

FEWEST_KEYS = 50

EVEN = 50
"""Of a hundred operations that read where gaps of writes are to show: members are asked seldom."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Operations per second that all clients of a group do together.

    Users of the endpoint ask 200 times; those of the VIP ask for the Service's where none is. The
    others only see what the endpoint hides: two processors with a whole lab on them cannot answer
    much more, and a rate that is not held measures how requests queue.

    `reads` are so many of a hundred in the Kubernetes API, where a write costs several times what
    a read does: three members store it, and everybody who watches hears of it.
    """

    vip_kept: float = 160.0
    vip_new: float = 20.0
    node: float = 6.0
    service: float = 20.0
    etcd_kept: float = 15.0
    etcd_new: float = 6.0
    reads: int = 75


@dataclass(frozen=True, slots=True)
class Worker:
    """A client that does operations at its rate, so many of a hundred being reads.

    `phase` is how long its first write waits: a part, below 1, of the time between two of them.
    """

    client: Client
    reads: int = EVEN
    phase: float = 0.0

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.client.rate


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Everything that the load is to do; `run` tells the keys of one drill from another's."""

    run: str
    workers: tuple[Worker, ...]
    watches: tuple[Client, ...]
    keys: tuple[str, ...]
    seed: int
    seconds: float = 0.6
    """How long an attempt may take; what takes longer is a failure."""

    @property
    def clients(self) -> tuple[Client, ...]:
        """All clients, watches last."""
        return (*(one.client for one in self.workers), *self.watches)

    @property
    def rate(self) -> float:
        """Operations per second that all clients are to do."""
        return sum(one.rate for one in self.workers)


def load_plan(
    *,
    run: str,
    seed: int,
    planes: Sequence[str],
    members: Sequence[str],
    service: bool,
    seconds: float,
    attempt: float = 0.6,
    rates: Rates | None = None,
    scale: float = 1.0,
) -> LoadPlan:
    """Return clients of every kind for a drill of so many seconds; `scale` multiplies all rates.

    `attempt` is how many seconds an attempt may take.
    """
    chosen = rates or Rates()
    clients = tuple(_workers(chosen, planes, members, service=service))
    workers = tuple(
        Worker(replace(client, rate=client.rate * scale), _reads(chosen, client), phase)
        for client, phase in zip(clients, _phases(clients), strict=True)
    )
    busiest = max(
        sum(one.rate for one in workers if (one.client.path is Path.ETCD) is etcd)
        for etcd in (True, False)
    )
    count = max(FEWEST_KEYS, ceil(busiest * seconds / OPERATIONS_PER_KEY))
    keys = tuple(f"{run}-{number:03}" for number in range(count))
    return LoadPlan(run, workers, tuple(_watches(planes, members)), keys, seed, attempt)


def _reads(rates: Rates, client: Client) -> int:
    """Return how many of a hundred operations of a client read."""
    return EVEN if client.path is Path.ETCD else rates.reads


def _phases(clients: Sequence[Client]) -> Iterator[float]:
    """Return a phase for each client: even within a group, and no two groups begin together."""
    groups = [one.group for one in clients]
    names = sorted(set(groups))
    for number, group in enumerate(groups):
        place = groups[:number].count(group) + names.index(group) / len(names)
        yield place / groups.count(group)


VIP_CLIENTS = 4
"""With kept connections, as in lab.md: one for each apiserver of three, and one more."""

VIP_WATCHES = 3
"""So that every apiserver likely has one."""


def _workers(
    rates: Rates, planes: Sequence[str], members: Sequence[str], *, service: bool
) -> Iterator[Client]:
    kept, new = Connection.KEPT, Connection.NEW
    through = rates.vip_kept + (0.0 if service else rates.service)
    for number in range(VIP_CLIENTS):
        yield Client(f"vip-kept-{number + 1}", Path.VIP, kept, rate=through / VIP_CLIENTS)
    for number in range(2):
        yield Client(f"vip-new-{number + 1}", Path.VIP, new, rate=rates.vip_new / 2)
    for host in planes:
        yield Client(f"node-{host}", Path.NODE, kept, host=host, rate=rates.node / len(planes))
    if service:
        yield Client("service", Path.SERVICE, kept, rate=rates.service)
    for host in members:
        each = rates.etcd_kept / len(members), rates.etcd_new / len(members)
        yield Client(f"etcd-{host}", Path.ETCD, kept, host=host, rate=each[0])
        yield Client(f"etcd-new-{host}", Path.ETCD, new, host=host, rate=each[1])


def _watches(planes: Sequence[str], members: Sequence[str]) -> Iterator[Client]:
    for number in range(VIP_WATCHES):
        yield Client(f"watch-vip-{number + 1}", Path.VIP, Connection.KEPT, watches=True)
    for host in planes:
        yield Client(f"watch-node-{host}", Path.NODE, Connection.KEPT, watches=True, host=host)
    for host in members:
        yield Client(f"watch-etcd-{host}", Path.ETCD, Connection.KEPT, watches=True, host=host)
