"""Histories as a drill of a frozen leader would leave them: with a story, made from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    Client,
    Connection,
    Header,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
    WatchEvent,
)
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict

MILLISECOND = SECOND // 1000
FAULT, BACK, UNDONE, FINAL = 6 * SECOND, 7_420 * MILLISECOND, 10 * SECOND, 16 * SECOND
HOSTS = ("cp-1", "cp-2", "cp-3")

CLIENTS = (
    *(Client(f"vip-kept-{number}", Path.VIP, Connection.KEPT) for number in range(1, 6)),
    *(Client(f"vip-new-{number}", Path.VIP, Connection.NEW) for number in (1, 2)),
    *(Client(f"node-{host}", Path.NODE, Connection.KEPT, host=host) for host in HOSTS),
    *(Client(f"etcd-{host}", Path.ETCD, Connection.KEPT, host=host) for host in HOSTS),
    Client("watch-vip", Path.VIP, Connection.KEPT, watches=True),
)

MARKS = (
    Mark(0, Kind.PHASE, "warm-up"),
    Mark(0, Kind.LEADER, "cp-1", "cp-1"),
    Mark(0, Kind.VIP, "cp-1", "holds"),
    Mark(0, Kind.LEASE, "kube-scheduler", "cp-1", "held"),
    Mark(0, Kind.LEASE, "kube-controller-manager", "cp-3", "held"),
    Mark(0, Kind.NODE, "cp-1", "True"),
    Mark(FAULT - 9 * MILLISECOND, Kind.PHASE, "fault"),
    Mark(FAULT, Kind.FAULT, "cp-1", "injected", "freeze machine"),
    Mark(FAULT + 610 * MILLISECOND, Kind.READY, "cp-2", "down", "cp-1: Layer7 timeout"),
    Mark(FAULT + 700 * MILLISECOND, Kind.READY, "cp-3", "down", "cp-1: Layer7 timeout"),
    Mark(FAULT + 1_050 * MILLISECOND, Kind.LEADER, "cp-2", "", ""),
    Mark(FAULT + 1_050 * MILLISECOND, Kind.LEADER, "cp-3", "", ""),
    Mark(FAULT + 1_240 * MILLISECOND, Kind.LEADER, "cp-2", "cp-3"),
    Mark(FAULT + 1_241 * MILLISECOND, Kind.LEADER, "cp-3", "cp-3"),
    Mark(FAULT + 1_380 * MILLISECOND, Kind.VIP, "cp-2", "holds"),
    Mark(FAULT + 3_100 * MILLISECOND, Kind.LEASE, "kube-scheduler", "cp-2", "acquired"),
    Mark(UNDONE, Kind.FAULT, "cp-1", "undone", "freeze machine"),
    Mark(UNDONE + 2 * MILLISECOND, Kind.PHASE, "healed"),
    Mark(UNDONE + 60 * MILLISECOND, Kind.VIP, "cp-1", "backup"),
    Mark(UNDONE + 900 * MILLISECOND, Kind.READY, "cp-2", "up", "cp-1:"),
    Mark(UNDONE + 950 * MILLISECOND, Kind.READY, "cp-3", "up", "cp-1:"),
    Mark(UNDONE + 2 * SECOND, Kind.PHASE, "settle"),
    Mark(FINAL, Kind.PHASE, "final"),
    Mark(FINAL, Kind.PHASE, "end"),
)

GOOD = Judgement(
    (
        Finding("load", Verdict.PASS, "282 of 280 operations per second were answered"),
        Finding("revisions", Verdict.PASS, "apiserver: revisions of 2,108 answers only grow"),
        Finding("lost writes", Verdict.PASS, "apiserver: none of 1,204 acknowledged is lost"),
        Finding("hashes", Verdict.PASS, "3 members have the same store", ("cp-1: 0xbeef",)),
    )
)
BAD = Judgement(
    (
        *GOOD.findings[:2],
        Finding(
            "lost writes",
            Verdict.FAIL,
            "etcd: what is there at the end is not what was acknowledged",
            ("etcd cp-2 has nothing for a-004; lost: write of a-004 by etcd-cp-1 at 6.001 s",),
            1,
        ),
        Finding("linearizability", Verdict.INCONCLUSIVE, "not decided in 20 s"),
    )
)


@dataclass(frozen=True)
class Story:
    """How the operations of a drill come about: so many a second of each client."""

    rate: float = 20.0
    seed: int = 1

    def operations(self) -> Iterator[Operation]:
        """Yield them client by client; the store answers nobody between fault and election."""
        random = Random(self.seed)  # noqa: S311  # histories are no secrets
        for client in CLIENTS:
            clock = random.randrange(SECOND // 10) if not client.watches else FINAL
            while clock < FINAL - SECOND:
                one = self._operation(random, client, clock)
                yield one
                clock = max(clock + int(SECOND / self.rate), one.returned)

    def _operation(self, random: Random, client: Client, called: int) -> Operation:
        action = random.choice(list(Action))
        length = int(random.lognormvariate(1.3, 0.5) * MILLISECOND)
        asked = (client.name, action, f"a-{random.randrange(50):03}", called)
        value = f"{client.name}-{called}" if action is Action.WRITE else None
        is_frozen = client.host == "cp-1" and FAULT <= called + length < UNDONE
        if is_frozen or FAULT <= called + length < BACK:
            length = 600 * MILLISECOND
            if called + length < BACK or is_frozen or random.random() < 0.2:
                failed = action is Action.READ
                outcome = Outcome.FAIL if failed else Outcome.UNKNOWN
                error = "refused" if failed else "timeout"
                return Operation(*asked, called + length, outcome, value, error=error)
            length = BACK - called + random.randrange(80 * MILLISECOND)
        revision = 1000 + (called + length) // MILLISECOND
        retried = int(random.random() < 0.001)
        return Operation(
            *asked,
            called + length,
            Outcome.OK,
            value,
            revision,
            revision,
            told_to_retry=retried,
            due=called,
        )


def story(
    *, rate: float = 20.0, seed: int = 1, objectives: tuple[str, ...] = (), name: str = "lab"
) -> History:
    """Return a drill whose VIP holder, which leads etcd as well, is frozen for four seconds."""
    operations = tuple(Story(rate, seed).operations())
    heard = (
        WatchEvent("watch-vip", one.returned, Change.PUT, one.modified or 0, one.key, one.value)
        for one in operations
        if one.action is Action.WRITE and one.outcome is Outcome.OK
    )
    return History(_header(objectives, name), (*MARKS, *operations, *heard))


def _header(objectives: tuple[str, ...], name: str) -> Header:
    return Header(
        scenario="machine-freeze-vip-holder",
        cluster=name,
        started="2026-11-23T14:00:00+00:00",
        command=f"backstay drill run machine-freeze-vip-holder --seed 7 # {name}",
        seed=7,
        clients=CLIENTS,
        targets=("cp-1",),
        explanation="The machine that holds the virtual address stops, and answers nobody: "
        "its connections stay open, and no reset tells anyone.",
        objectives=objectives,
        members=HOSTS,
        planes=HOSTS,
        versions={"kubernetes": "1.37.2", "etcd": "3.6.7", "backstay": "0.2.0"},
        settings={
            "etcd heartbeat": "100 ms",
            "etcd election": "1000 ms",
            "balancer check interval": "1000 ms",
            "VRRP advert interval": "1000 ms",
        },
        load={"operations_per_second": 280.0, "timeout_seconds": 0.6},
    )
