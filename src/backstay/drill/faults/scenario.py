"""A scenario as a value, and the bounds that scenarios promise to keep.

Times are multiples of the cluster's own timers (`drill.report.terms`): what a loss costs follows
from them, and a cluster with the profile `fast` promises more.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.drill.faults.kinds import (
    BreakMachine,
    Fault,
    FillDisk,
    Planned,
    Power,
    StallDisk,
)

LOST = "lost=0"
CALM = (LOST, "notready=0")
"""Of any single fault: no acknowledged write is gone, no node is given up."""
NONE_FAILED = "failed=0"
UNNOTICED = (*CALM, NONE_FAILED)
"""Of whatever an owner does on a working day."""
SERVED = (*CALM, "gap<=1*promise")
"""Of any one machine that is gone."""
ELECTED = (*CALM, "gap<=2.2*election")
"""Two election time-outs, the longest that raft draws; votes; and clients come back."""
HANDED = (*CALM, "gap<=0.22*election")
"""A tenth of that: nobody waits for a time-out when the leader itself names its heir. But what is
on its way to the old leader from a follower in that moment is dropped without a word, and waits for
etcd's time-out of a request (etcd-io/etcd#8975): one or two of 120 writes per second."""
QUIET = (*UNNOTICED, "elections=0", "moves=0")
KILLED = (*CALM, "failed<=2")
MOVED = (*CALM, "vip-move<=1.15*vip")
DETECTED = (*CALM, "gap<=1.3*check")
"""A frozen apiserver, which accepts and never answers."""
LEASED = "lease<=1.2*lease-time"
FOLLOWED = (*UNNOTICED, LEASED)
"""The lease of a holder that says nothing runs out, and another sees that when it next tries."""
RELEASED = (*UNNOTICED, "lease<=0.3*lease-time")
"""A quarter of that: the lease is given back."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drill by its name: what is done to whom, for how many seconds, and what must hold."""

    name: str
    explanation: str
    fault: Fault
    target: str
    seconds: float
    objectives: tuple[str, ...] = CALM
    shows: tuple[str, ...] = ()

    @property
    def is_planned(self) -> bool:
        """Whether an owner would do it on a working day."""
        return isinstance(self.fault, Planned)

    @property
    def lets_nobody_wait(self) -> bool:
        """Whether all requests are promised an answer, so that none is lost in a dead machine."""
        return self.is_planned or NONE_FAILED in self.objectives

    @property
    def needs_power(self) -> bool:
        """Whether somebody must hold the power of whole machines, as the lab does."""
        return isinstance(self.fault, BreakMachine)

    @property
    def needs_disk(self) -> bool:
        """Whether etcd's data must be on a file system of its own."""
        cut = BreakMachine(Power.CUT)
        return self.fault == cut or isinstance(self.fault, FillDisk | StallDisk)
