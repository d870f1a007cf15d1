"""Find what drills left behind, and undo it: for after a crash, and for being sure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from backstay.drill.faults.kinds import Unit
from backstay.drill.faults.rules import TABLE
from backstay.drill.faults.scripts import FOLDER, PREFIX, UNDO_SECONDS, WORDS
from backstay.drill.inject import each
from backstay.drill.machines import Machines
from backstay.errors import GateTimeoutError, StepFailedError, UnreachableError
from backstay.fleet.world import World

LOOK_SECONDS = 20.0

_LOOK = f"""\
{WORDS}for file in {FOLDER}/*.undo; do
    [ ! -e "$file" ] || sed "1s/.*fault: /fault /;q" "$file"
done
systemctl list-units --all --plain --no-legend '{PREFIX}-*' | awk '{{ print "unit " $1 }}'
! nft list table {TABLE} >/dev/null 2>&1 || echo 'table {TABLE}'
for unit in {" ".join(Unit)}; do ! is_frozen "$unit" || echo "frozen $unit"; done
"""

_UNDO = f"""\
{WORDS}status=0
for file in {FOLDER}/*.undo; do
    [ ! -e "$file" ] || /bin/sh "$file" || status=1
done
# What nothing says how to undo. A timer is left alone as long as it has something to undo.
units() {{ systemctl list-units --all --plain --no-legend "$@" | awk '{{ print $1 }}'; }}
for unit in $(units '{PREFIX}-run-*.service'); do systemctl stop "$unit" || status=1; done
! nft list table {TABLE} >/dev/null 2>&1 || nft delete table {TABLE} || status=1
for unit in {" ".join(Unit)}; do
    ! is_frozen "$unit" || signal "$unit" all CONT || status=1
done
for file in {FOLDER}/*.undo; do [ ! -e "$file" ] || exit 1; done
for unit in $(units '{PREFIX}-undo-*.timer'); do systemctl stop "$unit" || status=1; done
exit "$status"
"""


async def leftovers(world: World, machines: Machines | None) -> Mapping[str, tuple[str, ...]]:
    """Return, for each machine that has some, what drills left on it, in words.

    Of one that cannot be asked it is not known, which is said as well.
    """
    hosts = tuple(world.machines)
    said = await asyncio.gather(*(_look(world, host) for host in hosts))
    found = dict(zip(hosts, said, strict=True))
    for host in machines.armed() if machines else ():
        found[host] = (*found.get(host, ()), "its power is in a drill's hands")
    return {host: what for host, what in sorted(found.items()) if what}


def require_nothing(left: Mapping[str, tuple[str, ...]]) -> None:
    """Raise StepFailedError for what is still there, UnreachableError for who cannot be asked."""
    if not left:
        return
    known = known_of(left)
    raised = StepFailedError if known else UnreachableError
    raise raised(
        "what a drill left is not undone" if known else "nobody knows what a drill left there",
        where=", ".join(known or left),
        why="\n".join(f"{host}: {'; '.join(what)}" for host, what in left.items()),
        next_move=f"look at the files in {FOLDER} there: each is a script that undoes a fault; "
        "then again: backstay drill undo",
    )


def known_of(left: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Return the machines of which more is said than that they cannot be asked."""
    return {host: what for host, what in left.items() if not all(map(is_unknown, what))}


def is_unknown(what: str) -> bool:
    """Tell whether words about a machine say only that it cannot be asked."""
    return what.startswith(_UNKNOWN)


_UNKNOWN = "unknown: "


async def undo_there(world: World) -> None:
    """Undo on every machine what drills left in it, to the end with each; raises the first error.

    StepFailedError when a machine says that something is still there.
    """
    await each(world.machines, lambda host: _undo(world, host))


async def _look(world: World, host: str) -> tuple[str, ...]:
    try:
        return tuple((await _ask(world, host, _LOOK, LOOK_SECONDS)).splitlines())
    except (UnreachableError, GateTimeoutError) as error:
        said = ": ".join(part for part in (error.what, error.why) if part)
        return (f"{_UNKNOWN}{said}",)


async def _undo(world: World, host: str) -> None:
    await _ask(world, host, _UNDO, UNDO_SECONDS + LOOK_SECONDS)


async def _ask(world: World, host: str, script: str, deadline: float) -> str:
    done = await world.machine(host).run(script, deadline=deadline)
    if done.status != 0:
        raise StepFailedError(
            "what a drill left is not undone",
            where=host,
            why=done.stderr.strip()[-400:],
            next_move=f"look at the files in {FOLDER} there: each is a script that undoes a fault",
        )
    return done.stdout
