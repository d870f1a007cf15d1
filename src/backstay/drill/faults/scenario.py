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
    Nothing,
    Planned,
    Power,
    StallDisk,
)

AFTER_SECONDS = 2.0

LOST = "lost=0"
CALM = (LOST, "notready=0")
"""Of any single fault: no acknowledged write is gone, no node is given up."""
NONE_FAILED = "failed=0"
UNNOTICED = (*CALM, NONE_FAILED, "gap<=0.5s", "client-gap<3s", "watch-gap<1s", "cut=0")
"""Of whatever an owner does on a working day. Clients wait for three seconds then, and none has to:
who is told to come back does so after one. Watches live, or end in order and go on at once."""
RESERVED = "service kept:gap<45s"
"""Of a Service's client with a kept connection: where kube-proxy drew it an apiserver that is gone
now, nobody resets it, and HTTP/2 asks after 30 s of silence and waits for 15 s."""
SERVED = (*CALM, "gap<=1*promise", RESERVED)
"""Of any one machine that is gone."""
CHANGED = "elections>=1"
"""Whoever was hit did lead."""
ELECTED = (*CALM, "gap<=3.75*election", "median gap<=2.2*election", CHANGED)
"""Two election time-outs, the longest that raft draws; votes; and clients come back. Votes may be
split and drawn for again, so that a single drill is held to more, and the median of many to it."""
STEPPED = (*CALM, "gap<=5*election", "elections<=1")
"""A leader that hears nobody finds out within two time-outs; only then do others stand."""
HANDED = (*CALM, "gap<=0.5s", "median gap<=0.22*election", "elections=1")
"""A tenth of an election: nobody waits for a time-out when the leader itself names its heir. But
what is on its way to the old leader from a follower in that moment is dropped without a word, and
waits for etcd's time-out of a request (etcd-io/etcd#8975): one or two, of 120 writes per second
then and of some 60 now."""
RESTARTED = (*CALM, "gap<=0.5s")
"""The apiserver that asks a member alone is drained before that restarts. What is left: while the
leader hands over, a write on its way from a follower may be dropped (see HANDED)."""
PINNED = (*CALM, "gap<=0.5*promise", "elections=0")
"""A member that does not lead: only who is bound to its machine notices."""
RENEWED = (*UNNOTICED, "renewal<45s")
"""A kubelet whose connection died without a word finds out, and goes on over another."""
QUIET = (*CALM, NONE_FAILED, "cut=0", "elections=0", "moves=0")
KILLED = (*CALM, "handed<=2", "median failed<=2", "vip new:client-gap<2s")
"""What is on its way is cut with the process; whoever connects anew is served by another. Each kill
is held to what client-go hands to its caller, which asks a read again whose connection was cut;
the median of many to all that was cut: how much is on its way in that moment is chance."""
NEXT_HOLDER = "vip-move<=1.15*vip"
TOLD = "vip kept:client-gap<3s"
"""Whoever has a connection in a holder that lost the address is served on, or refused at once."""
MOVED = (*CALM, NEXT_HOLDER, TOLD)
BALANCED = (*SERVED, TOLD)
ONE_HOLDER = "split<3s"
"""Of an address that two machines claimed while they did not hear each other."""
BLINDED = (*CALM, "moves=1", "vip-move<5s", "gap<5s")
"""A balancer without an apiserver fails its check and gives the address up."""
DETECTED = (*CALM, "out<=1.3*check", "client-gap<=1.6*check", RESERVED)
"""A frozen apiserver, which accepts and never answers: every balancer leaves it out, and whoever
waited for it is served by another. The others' clients notice nothing: their gap says nothing."""
CUT_OFF = (*CALM, "gap<5s", RESERVED)
"""A holder that reaches no other machine, but its clients, cannot know that it was replaced: it
gives the address up when its own apiserver has failed its checks, after some two seconds, and
until then the network may believe it. The next holder tells the network every three seconds."""
LEFT_OUT = "out<6s"
"""An apiserver that does not reach its etcd: it finds out by a request of two seconds, and asks
once a second; then the balancers ask it twice."""
SPREAD = "share<=80"
"""Of three apiservers that were restarted one after the other: given out in turn, five in eight
connections lead to the first one then, and none to the last; with few there is some luck in it."""
LEASED = "lease<=1.2*lease-time"
FOLLOWED = (*UNNOTICED, LEASED)
"""The lease of a holder that says nothing runs out, and another sees that when it next tries."""
REPLACED = (*FOLLOWED, "overlap<12s")
"""One that was frozen tries to renew for ten seconds when it goes on (client-go's renew deadline),
and only then ends: until then two believe that they hold the lease."""
RELEASED = (*UNNOTICED, "lease<=0.3*lease-time")
"""A quarter of that: the lease is given back."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A drill by its name: what is done to whom, for how many seconds, and what must hold.

    `after` is how many seconds are watched once all are served again.
    """

    name: str
    explanation: str
    fault: Fault
    target: str
    seconds: float
    objectives: tuple[str, ...] = CALM
    shows: tuple[str, ...] = ()
    after: float = AFTER_SECONDS

    @property
    def is_planned(self) -> bool:
        """Whether an owner would do it on a working day."""
        return isinstance(self.fault, Planned)

    @property
    def lets_nobody_wait(self) -> bool:
        """Whether all requests are promised an answer, so that none is lost in a dead machine."""
        return self.is_planned or NONE_FAILED in self.objectives

    @property
    def shows_silence(self) -> bool:
        """Whether nothing is done, so that an `exec` on which nothing is said is to live on."""
        return isinstance(self.fault, Nothing)

    @property
    def needs_power(self) -> bool:
        """Whether somebody must hold the power of whole machines, as the lab does."""
        return isinstance(self.fault, BreakMachine)

    @property
    def needs_disk(self) -> bool:
        """Whether etcd's data must be on a file system of its own."""
        cut = BreakMachine(Power.CUT)
        return self.fault == cut or isinstance(self.fault, FillDisk | StallDisk)
