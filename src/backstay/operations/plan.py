"""`backstay plan`: look at every machine, and say what apply would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backstay.errors import HostKeyError, UnreachableError
from backstay.fleet.world import World
from backstay.operations.look import Looked, look
from backstay.planning.observation import Unreachable
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

    Raises HostKeyError when any machine is not the one it was, UnreachableError when none
    answers, and what `look` and `propose` raise.
    """
    _require_no_stranger(world)
    _require_somebody(world)
    looked = await look(spec, world=world, catalogue=catalogue, skipped_checks=skipped_checks)
    return Planned(propose(spec, looked.wish, looked.observation), looked)


def _require_no_stranger(world: World) -> None:
    """Raise when a machine has another host key: nothing is done beside one who may listen."""
    strangers = [error for error in world.machines.values() if isinstance(error, HostKeyError)]
    if strangers:
        raise _together(strangers)


def _require_somebody(world: World) -> None:
    """Raise the first machine's error when none answers: its kind is the exit code."""
    if world.reached:
        return
    raise _together([e for e in world.machines.values() if isinstance(e, UnreachableError)])


def _together(errors: Sequence[UnreachableError]) -> UnreachableError:
    """Return one error that names every machine; its kind, and the advice, are the first's."""
    first = errors[0]
    return type(first)(
        first.what,
        where=", ".join(error.where for error in errors),
        why="; ".join(dict.fromkeys(error.why for error in errors if error.why)),
        next_move=first.next_move or "check the addresses in cluster.yaml",
    )


def require_nobody_silent(
    silent: Mapping[str, Unreachable], done: str, *, notes: Sequence[str]
) -> None:
    """Raise UnreachableError, naming who was left out.

    `done` says what is well nevertheless; the plan's notes, why they are silent and what waits.
    """
    if silent:
        raise UnreachableError(
            f"{done}; others could not be reached",
            where=", ".join(sorted(silent)),
            why="\n".join(notes),
            next_move="when they are back: backstay apply",
        )
