"""`backstay tune`: measure the machines, and propose the timers that fit them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from backstay.fleet.measure import measure
from backstay.fleet.world import World
from backstay.planning.tuning import Measured, Proposal, fits, propose
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import Timers


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured and is proposed; `silent` says why machines were not measured."""

    name: str
    now: Timers
    proposal: Proposal
    measured: tuple[Measured, ...]
    silent: Mapping[str, str]

    @property
    def fits(self) -> bool:
        """Whether no timer of cluster.yaml is quicker than these machines allow."""
        return fits(self.now, self.proposal.least)


async def tune(spec: ClusterSpec, *, world: World) -> Tuning:
    """Return the proposal for the machines that answer; AnswerIsNoError when no timers fit them."""
    found = await measure(spec, world, mark=f"backstay-{secrets.token_hex(8)}")
    return Tuning(spec.name, spec.timers, propose(found.measured), found.measured, found.silent)
