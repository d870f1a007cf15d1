"""What can be done to a cluster: values, each with how it is said to people.

How each is injected and undone is in `scripts` (on the machine itself) or, for a whole machine,
in whoever holds its power switch (`drill.machines`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Unit(StrEnum):
    """A systemd unit of a control plane or a node; other installers' units bear the same names."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    BALANCER = "haproxy"
    VRRP = "keepalived"
    KUBELET = "kubelet"
    RUNTIME = "containerd"


class Harm(StrEnum):
    """What is done to a unit: SIGKILL, SIGSTOP, or an orderly stop."""

    KILL = "kill"
    FREEZE = "freeze"
    STOP = "stop"


class Power(StrEnum):
    """What is done to a whole machine.

    `KILL` ends every process at once; `CUT` too, and as a pulled plug does it takes what was
    written and never reached etcd's disk. `OFF` and `REBOOT` are orderly.
    """

    FREEZE = "freeze"
    KILL = "kill"
    CUT = "power-cut"
    OFF = "power-off"
    REBOOT = "reboot"


class Way(StrEnum):
    """Which packets of a cut link are dropped, as its target sees them."""

    BOTH = "both"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class BreakUnit:
    """One unit is harmed; undone when it runs again."""

    unit: Unit
    harm: Harm


@dataclass(frozen=True, slots=True)
class BreakMachine:
    """A whole machine is harmed; undone when it answers again. Needs a hand on its power."""

    power: Power


@dataclass(frozen=True, slots=True)
class Cut:
    """Packets between the target and the other machines vanish, all or those of one TCP port.

    A packet dropped by its receiver is silence to the sender, as a broken cable is.
    """

    way: Way = Way.BOTH
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """Each target sees its neighbours in a circle only; a circle of three is open at one place."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Answers on the connections that the target now has to the endpoint vanish; new ones work."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Whatever the target sends leaves at so many kilobits per second."""

    kilobits: int


@dataclass(frozen=True, slots=True)
class Lose:
    """So many of a hundred packets that reach the target from other machines vanish."""

    percent: int


@dataclass(frozen=True, slots=True)
class FillDisk:
    """The file system of etcd's data, if it is one of its own, has no room left."""


@dataclass(frozen=True, slots=True)
class StallDisk:
    """Writes to the file system of etcd's data, if it is one of its own, hang.

    `every` and `pause` in milliseconds: they hang for `pause` out of each `every`, or all along.
    """

    pause: int = 0
    every: int = 0


@dataclass(frozen=True, slots=True)
class Starve:
    """A unit gets so many hundredths of one processor."""

    unit: Unit
    percent: int


@dataclass(frozen=True, slots=True)
class BlockVrrp:
    """The target hears no advertisement of another balancer."""


@dataclass(frozen=True, slots=True)
class BlindBalancer:
    """The target's balancer hears no apiserver, not even its own machine's; others there do."""


@dataclass(frozen=True, slots=True)
class FlapCheck:
    """The target's balancer hears no apiserver for some seconds, again and again, and its check."""

    seconds: float


@dataclass(frozen=True, slots=True)
class BlockNames:
    """The target gets no answer to any question for a name."""


@dataclass(frozen=True, slots=True)
class Restart:
    """A unit is restarted in an orderly way, on one target after the other."""

    unit: Unit


@dataclass(frozen=True, slots=True)
class MoveLeader:
    """The etcd leader hands over to a member, or to the next one."""

    heir: str = ""


@dataclass(frozen=True, slots=True)
class MoveVip:
    """The holder of the virtual address gives it up in an orderly way."""


@dataclass(frozen=True, slots=True)
class ReloadBalancer:
    """The balancer takes in its configuration anew."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is done: what must live through silence is watched."""


Planned = Restart | MoveLeader | MoveVip | ReloadBalancer
"""What an owner does on a working day; it ends by itself and leaves nothing to undo."""

Link = Cut | Ring | Silence | Lose | BlockVrrp | BlindBalancer | BlockNames
Lasting = BreakUnit | Link | Slow | FillDisk | StallDisk | Starve | FlapCheck
Fault = Lasting | BreakMachine | Planned | Nothing


def said(fault: Fault) -> str:
    """Say in a few words what is done, such as `freeze etcd`."""
    match fault:
        case BreakUnit(unit, harm):
            return f"{harm} {unit}"
        case BreakMachine(power):
            return f"{power} the machine"
        case Restart(unit):
            return f"restart {unit}"
        case Slow(kilobits):
            return f"send at {kilobits} kbit/s"
        case Lose(percent):
            return f"lose {percent} % of packets"
        case Starve(unit, percent):
            return f"leave {percent} % of a processor to {unit}"
        case Cut(way, port):
            return f"cut {_WAYS[way]}" + ("" if port is None else f" on port {port}")
        case StallDisk(pause, every):
            return "stall the disk" + (f" for {pause} of {every} ms" if every else "")
        case (
            Ring()
            | Silence()
            | FillDisk()
            | BlockVrrp()
            | BlindBalancer()
            | FlapCheck()
            | BlockNames()
            | MoveLeader()
            | MoveVip()
            | ReloadBalancer()
            | Nothing()
        ):
            return _WORDS[type(fault)]
        case _:
            assert_never(fault)


def foreseen(fault: Fault) -> tuple[str, ...]:
    """Return words of the fatal lines that a fault makes its target's programs write.

    An etcd that cannot write what it promised ends itself, which is what it ought to do; whether
    it needs room while there is none is chance (it allocates ahead).
    """
    return ("no space left on device",) if isinstance(fault, FillDisk) else ()


_WAYS = {Way.BOTH: "off", Way.IN: "off what comes in", Way.OUT: "off what goes out"}
_WORDS: dict[type[Fault], str] = {
    Ring: "cut off all but neighbours",
    Silence: "silence connections to the endpoint",
    FillDisk: "fill the disk",
    BlockVrrp: "block VRRP",
    BlindBalancer: "blind the balancer",
    FlapCheck: "let the check flap",
    BlockNames: "block names",
    MoveLeader: "move the leader",
    MoveVip: "move the virtual address",
    ReloadBalancer: "reload the balancer",
    Nothing: "nothing",
}
