"""`backstay tune`: measure the machines, and propose the timers that fit them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backstay.fleet.measure import measure
from backstay.fleet.world import World
from backstay.planning.tuning import Measured, Proposal, Quantity, propose
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import Timers


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured and is proposed.

    `silent` says why machines were not measured, `next_moves` what to do about it.
    """

    name: str
    now: Timers
    proposal: Proposal
    measured: tuple[Measured, ...]
    silent: Mapping[str, str]
    next_moves: tuple[str, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether no timer of cluster.yaml is too quick; None if too little was measured."""
        return self.proposal.fits(self.now)


async def tune(spec: ClusterSpec, *, world: World) -> Tuning:
    """Return what is proposed for the machines that answer; UnreachableError if none does."""
    found = await measure(spec, world, mark=f"backstay-{secrets.token_hex(8)}")
    proposal = propose(found.measured, wanted=frozenset(_wanted(spec)))
    return Tuning(spec.name, spec.timers, proposal, found.measured, found.silent, found.next_moves)


def _wanted(spec: ClusterSpec) -> Iterator[Quantity]:
    """Yield what there is to measure: one machine alone has no round trips to another."""
    yield from (Quantity.FSYNC, Quantity.LATENESS)
    if max(len(spec.etcd_members), len(spec.load_balancers)) > 1:
        yield Quantity.ROUND_TRIP
    if spec.load_balancers:
        yield Quantity.READYZ
