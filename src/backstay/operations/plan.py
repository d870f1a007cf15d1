"""`backstay plan`: look at every machine, and say what apply would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.errors import UnreachableError
from backstay.fleet.world import World
from backstay.operations.look import Looked, look
from backstay.planning.plan import Plan
from backstay.planning.propose import propose
from backstay.resources.content import Artefact
from backstay.spec.model import ClusterSpec


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it was made from."""

    plan: Plan
    looked: Looked


async def make_plan(
    spec: ClusterSpec,
    *,
    world: World,
    catalogue: Mapping[str, Artefact],
    skipped_checks: frozenset[str] = frozenset(),
) -> Planned:
    """Return the plan; nothing is changed.

    Raises UnreachableError when no machine answers, and what `look` and `propose` raise.
    """
    _require_somebody(world)
    looked = await look(spec, world=world, catalogue=catalogue, skipped_checks=skipped_checks)
    return Planned(propose(spec, looked.wish, looked.observation), looked)


def _require_somebody(world: World) -> None:
    """Raise the first machine's error when none answers: its kind is the exit code."""
    if world.reached:
        return
    errors = [error for error in world.machines.values() if isinstance(error, UnreachableError)]
    first = errors[0]
    raise type(first)(
        first.what,
        where=", ".join(error.where for error in errors),
        why="; ".join(dict.fromkeys(error.why for error in errors if error.why)),
        next_move=first.next_move or "check the addresses in cluster.yaml",
    )
