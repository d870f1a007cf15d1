"""Histories of drills on a store that keeps its promises, made from a seed."""

from __future__ import annotations

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
MEMBERS = ("cp-1", "cp-2", "cp-3")


@dataclass
class Register:
    """What a key has, and since which revision."""

    value: str | None = None
    modified: int | None = None


@dataclass
class Simulation:
    """One store whose writes take effect at one moment between call and return."""

    random: Random
    revision: int = 10
    keys: dict[str, Register] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    counter: int = 0

    def operate(self, client: str, called: int) -> tuple[int, Operation]:
        """Return when it took effect, and what its client wrote down."""
        length = self.random.randrange(2, 30) * MILLISECOND
        self.counter += 1
        key = self.random.choice("abcd")
        effect = called + self.random.randrange(1, length)
        action = self.random.choice(list(Action))
        value = f"{client}-{self.counter}" if action is Action.WRITE else None
        operation = Operation(client, action, key, called, called + length, Outcome.OK, value)
        return effect, operation

    def take_effect(self, operation: Operation, outcome: Outcome, *, applied: bool) -> Operation:
        """Change the store, or not, and return what the client then knows."""
        register = self.keys.setdefault(operation.key, Register())
        changed: dict[str, object] = {"outcome": outcome}
        if operation.action is Action.WRITE and applied:
            self.revision += 1
            register.value, register.modified = operation.value, self.revision
            self.records.append(
                WatchEvent(
                    "watch",
                    operation.returned,
                    Change.PUT,
                    self.revision,
                    operation.key,
                    operation.value,
                    self.revision,
                )
            )
        if outcome is Outcome.OK:
            changed["revision"] = self.revision
            changed["modified"] = register.modified
            if operation.action is Action.READ:
                changed["value"] = register.value
        else:
            changed["error"] = "reset"
        return replace(operation, **changed)


def history(seed: int, *, clients: int = 4, each: int = 12) -> History:
    """Return a good history: operations overlap, some are unknown, everything ends in order."""
    random = Random(seed)  # noqa: S311  # histories are no secrets
    simulation = Simulation(random)
    effects = []
    for number in range(clients):
        clock = random.randrange(20) * MILLISECOND
        for _ in range(each):
            effect, operation = simulation.operate(f"c{number}", clock)
            effects.append((effect, len(effects), operation))
            clock = operation.returned + random.randrange(1, 10) * MILLISECOND
    opened = WatchTurn("watch", 0, Stream.OPENED, simulation.revision)
    operations = []
    for _, _, operation in sorted(effects):
        outcome = random.choices(list(Outcome), weights=(90, 3, 7))[0]
        applied = outcome is Outcome.OK or (outcome is Outcome.UNKNOWN and random.random() < 0.5)
        operations.append(simulation.take_effect(operation, outcome, applied=applied))
    end = max(one.returned for one in operations) + 3 * SECOND
    finals = [
        FinalRead(f"etcd {member}", key, register.value, register.modified)
        for member in MEMBERS
        for key, register in sorted(simulation.keys.items())
    ]
    hashes = [FinalHash(member, simulation.revision, 0xBEEF) for member in MEMBERS]
    return History(
        _header(clients),
        (
            *(opened, Mark(0, Kind.PHASE, "warm-up"), Mark(end // 2, Kind.PHASE, "fault")),
            *(*operations, *simulation.records),
            *(Mark(end, Kind.PHASE, "final"), *finals, *hashes),
        ),
    )


def _header(clients: int) -> Header:
    workers = (Client(f"c{number}", Path.ETCD, Connection.KEPT) for number in range(clients))
    watch = Client("watch", Path.ETCD, Connection.KEPT, watches=True)
    return Header(
        scenario="etcd-leader-kill",
        cluster="lab",
        started="2026-01-01T00:00:00+00:00",
        command="backstay drill run etcd-leader-kill",
        seed=1,
        clients=(*workers, watch),
        members=MEMBERS,
        load={"operations_per_second": 1.0},
    )
