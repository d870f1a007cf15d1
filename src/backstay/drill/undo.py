"""Find what drills left behind, and undo it: for after a crash, and for being sure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from backstay.drill.faults.kinds import Unit
from backstay.drill.faults.rules import TABLE
from backstay.drill.faults.scripts import FOLDER, PREFIX, UNDO_SECONDS, WORDS
from backstay.drill.inject import each
from backstay.drill.machines import Machines
from backstay.errors import StepFailedError, UnreachableError
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
status=0
for file in {FOLDER}/*.undo; do
    [ ! -e "$file" ] || /bin/sh "$file" || status=1
done
exit "$status"
"""


async def leftovers(world: World, machines: Machines | None) -> Mapping[str, tuple[str, ...]]:
    """Return, for each machine that has some, what drills left on it, in words."""
    hosts = tuple(world.reached)
    said = await asyncio.gather(*(_look(world, host) for host in hosts))
    found = dict(zip(hosts, said, strict=True))
    for host in machines.armed() if machines else ():
        found[host] = (*found.get(host, ()), "its power is in a drill's hands")
    return {host: what for host, what in sorted(found.items()) if what}


async def undo_all(world: World, machines: Machines | None) -> None:
    """Undo whatever drills left: whole machines first, then what they have in themselves.

    StepFailedError when a machine says that something is still there.
    """
    if machines:
        await each(machines.armed(), machines.mend)
    await each(world.reached, lambda host: _undo(world, host))


async def _look(world: World, host: str) -> tuple[str, ...]:
    try:
        return tuple((await _ask(world, host, _LOOK, LOOK_SECONDS)).splitlines())
    except UnreachableError as error:
        return (f"unknown: {error.what}",)


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
