"""Scenarios of the parts of a cluster: units harmed or restarted, machines that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backstay.drill.faults.kinds import BreakMachine, BreakUnit, Harm, Power, Restart, Unit
from backstay.drill.faults.scenario import (
    AFTER_SECONDS,
    BALANCED,
    CHANGED,
    DETECTED,
    ELECTED,
    FOLLOWED,
    KILLED,
    LEASED,
    MOVED,
    NEXT_HOLDER,
    PINNED,
    RELEASED,
    REPLACED,
    RESTARTED,
    SERVED,
    SPREAD,
    UNNOTICED,
    Scenario,
)

NAMES: Mapping[Unit, str] = {
    Unit.ETCD: "etcd",
    Unit.APISERVER: "apiserver",
    Unit.CONTROLLER_MANAGER: "controller-manager",
    Unit.SCHEDULER: "scheduler",
    Unit.BALANCER: "balancer",
    Unit.VRRP: "keepalived",
    Unit.KUBELET: "kubelet",
    Unit.RUNTIME: "containerd",
}
"""What people call the units."""

_HARMED: Mapping[Harm, str] = {
    Harm.KILL: "is killed (SIGKILL), and systemd starts it again",
    Harm.FREEZE: "freezes: it keeps its connections and answers nobody, until it goes on",
    Harm.STOP: "is stopped in an orderly way, and later started again",
}

_UNITS: tuple[tuple[Unit, str, str, tuple[str, ...], Mapping[Harm, tuple[str, ...]]], ...] = (
    (
        Unit.ETCD,
        "etcd-leader",
        "The others elect a leader; writes wait for that and none is lost.",
        ELECTED,
        {Harm.KILL: ("E2",), Harm.FREEZE: ("E3",)},
    ),
    (
        Unit.ETCD,
        "etcd-follower",
        "Two of three go on; only who is bound to that member notices.",
        PINNED,
        {Harm.KILL: ("E1",)},
    ),
    (
        Unit.APISERVER,
        "vip-holder",
        "The balancers send everybody to another, at once or after their checks.",
        KILLED,
        {Harm.KILL: ("N1",), Harm.STOP: ("N2",), Harm.FREEZE: ("N3",)},
    ),
    (
        Unit.CONTROLLER_MANAGER,
        "controller-manager-holder",
        "Another takes the lease when it runs out, at once when it is given back.",
        FOLLOWED,
        {Harm.FREEZE: ("N13",)},
    ),
    (
        Unit.SCHEDULER,
        "scheduler-holder",
        "Another takes the lease when it runs out, at once when it is given back.",
        FOLLOWED,
        {Harm.FREEZE: ("N13",)},
    ),
    (
        Unit.BALANCER,
        "vip-holder",
        "It is back in a moment, or the virtual address moves to a balancer that serves.",
        BALANCED,
        {Harm.KILL: ("N4",)},
    ),
    (
        Unit.VRRP,
        "vip-holder",
        "Another balancer takes the virtual address after three silent adverts.",
        MOVED,
        {},
    ),
    (Unit.KUBELET, "worker", "Its node stays Ready, its pods run on.", UNNOTICED, {}),
    (Unit.RUNTIME, "worker", "Its node stays Ready, its pods run on.", UNNOTICED, {}),
)
"""Unit, target, what follows, what must hold, and the rows that are shown."""

_LEASE_SECONDS = 25.0
"""Longer than a lease and a retry."""

_SECONDS: Mapping[Unit, float] = {
    Unit.CONTROLLER_MANAGER: _LEASE_SECONDS,
    Unit.SCHEDULER: _LEASE_SECONDS,
}
"""All others show what they do within ten seconds."""

_AFTER: Mapping[tuple[Unit, Harm], float] = {
    (Unit.CONTROLLER_MANAGER, Harm.FREEZE): 13.0,
    (Unit.SCHEDULER, Harm.FREEZE): 13.0,
}
"""Longer than the renew deadline after which an old holder ends."""

_BETTER: Mapping[tuple[Unit, Harm], tuple[str, ...]] = {
    (Unit.APISERVER, Harm.STOP): UNNOTICED,
    (Unit.APISERVER, Harm.FREEZE): DETECTED,
    (Unit.CONTROLLER_MANAGER, Harm.FREEZE): REPLACED,
    (Unit.SCHEDULER, Harm.FREEZE): REPLACED,
    (Unit.CONTROLLER_MANAGER, Harm.STOP): RELEASED,
    (Unit.SCHEDULER, Harm.STOP): RELEASED,
}
"""What must hold where that differs between the harms of a unit."""


def units() -> Iterator[Scenario]:
    """Yield what can happen to each unit."""
    for unit, target, follows, objectives, rows in _UNITS:
        # Of most units there is one that matters, and its name says enough.
        name = target if unit is Unit.ETCD else NAMES[unit]
        for harm in Harm:
            who = f"{unit} on the {target}" if unit is not Unit.ETCD else f"The {target}"
            yield Scenario(
                f"{name}-{harm}{'-vip-holder' if unit is Unit.BALANCER else ''}",
                f"{who[0].upper()}{who[1:]} {_HARMED[harm]}. {follows}",
                BreakUnit(unit, harm),
                target,
                _SECONDS.get(unit, 10.0),
                _BETTER.get((unit, harm), objectives),
                rows.get(harm, ()),
                _AFTER.get((unit, harm), AFTER_SECONDS),
            )


_POWERS: Mapping[Power, str] = {
    Power.FREEZE: "freezes as a whole: it keeps its connections and answers nobody",
    Power.KILL: "loses its power at once, and gets it back",
    Power.OFF: "is powered off in an orderly way, and started again",
    Power.REBOOT: "is rebooted in an orderly way",
}
WHOLE: Mapping[str, str] = {
    "vip-holder": "vip-holder",
    "etcd-leader": "etcd-leader",
    "all-in-one": "vip-holder+etcd-leader+controller-manager-holder+scheduler-holder",
    "worker": "worker",
}
"""Machines by what they are called in the names of scenarios, and who that is."""


def machines() -> Iterator[Scenario]:
    """Yield what can happen to whole machines."""
    for power, happens in _POWERS.items():
        for name, target in WHOLE.items():
            yield Scenario(
                f"machine-{power}-{name}",
                f"The machine that is {' and '.join(target.split('+'))} {happens}. "
                "The rest of the cluster serves on, whatever it was.",
                BreakMachine(power),
                target,
                _LEASE_SECONDS if "+" in target else 10.0,
                tuple(_of_machine(power, target.split("+"))),
            )


_AT_ONCE = frozenset({Power.FREEZE, Power.KILL})
"""Nothing is said first: whoever waits for silence waits for its whole time."""


def _of_machine(power: Power, roles: Sequence[str]) -> Iterator[str]:
    """Yield what must hold when a machine with these roles is gone."""
    yield from SERVED
    if "etcd-leader" in roles:
        yield CHANGED
    if "vip-holder" in roles and power in _AT_ONCE:
        yield NEXT_HOLDER
    if "scheduler-holder" in roles:
        yield LEASED


def rolling() -> Iterator[Scenario]:
    """Yield a restart of each unit everywhere."""
    everywhere = {
        **dict.fromkeys(Unit, "all-planes"),
        Unit.ETCD: "all-members",
        Unit.BALANCER: "all-balancers",
        Unit.VRRP: "all-balancers",
        Unit.KUBELET: "all-nodes",
        Unit.RUNTIME: "all-nodes",
    }
    for unit, target in everywhere.items():
        follows, objectives = _ROLLED.get(unit, (_NOBODY, UNNOTICED))
        yield Scenario(
            f"{NAMES[unit]}-rolling-restart",
            f"{unit} is restarted on one machine after the other, each when the one before "
            f"serves again, as an upgrade does. {follows}",
            Restart(unit),
            target,
            5.0,
            objectives,
            ("N2", "N10") if unit is Unit.APISERVER else (),
        )


_NOBODY = "Nobody notices: kept connections and watches live."
_ROLLED: Mapping[Unit, tuple[str, tuple[str, ...]]] = {
    Unit.APISERVER: (
        f"{_NOBODY[:-1]}, and no apiserver is left with all of them.",
        (*UNNOTICED, SPREAD),
    ),
    Unit.ETCD: (
        "Each machine's apiserver is drained before its member, and the leader hands over first.",
        RESTARTED,
    ),
    Unit.BALANCER: (
        "What goes through it in that moment is cut: reloading it cuts nothing.",
        SERVED,
    ),
}
"""What follows, and what must hold, where somebody notices or more is promised."""
