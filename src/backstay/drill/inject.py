"""Break something for the time of a block, and be sure that it heals.

Arm, verify that it is armed, inject, and at the end undo, verify that, disarm. The first two
leave the machines able to undo everything by themselves, so that we may die at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from enum import StrEnum
from typing import TypeVar

from backstay.drill.faults.acts import acts
from backstay.drill.faults.kinds import (
    BreakMachine,
    Fault,
    MoveLeader,
    MoveVip,
    Nothing,
    Power,
    ReloadBalancer,
    Restart,
    said,
)
from backstay.drill.faults.scripts import INJECTED, UNDO_SECONDS, UNDONE, Act
from backstay.drill.faults.steps import SERVING_SECONDS, Step, steps
from backstay.drill.faults.targets import Site
from backstay.drill.machines import Machines
from backstay.errors import BackstayError, RefusedError, StepFailedError
from backstay.fleet.transport import Machine
from backstay.fleet.world import World

ARM_SECONDS = 20.0
INJECT_SECONDS = 120.0
"""An orderly stop may take the 90 s after which systemd kills."""
REST_SECONDS = 15.0
"""Beyond what the machine itself allows: for the way there and back."""

T = TypeVar("T")


class Turn(StrEnum):
    """What became of a fault on a machine."""

    INJECTED = "injected"
    UNDONE = "undone"
    FAILED = "failed"


Tell = Callable[[str, Turn, str], None]
"""Hears, the moment it happens, of a host, a turn, and in words of which fault or trouble."""


def injected(
    fault: Fault,
    hosts: Sequence[str],
    *,
    site: Site,
    world: World,
    machines: Machines | None,
    seconds: float,
    tell: Tell,
) -> AbstractAsyncContextManager[None]:
    """Give the block in which the fault stands; a planned one is over when the block begins.

    Whatever becomes of us, the machines undo it by themselves `seconds` after they were armed.
    `machines` is None where nobody holds their power. Raises RefusedError, with nothing broken,
    when a machine cannot promise that; StepFailedError when it could not be injected or undone.
    """
    match fault:
        case Nothing():
            return nullcontext()
        case BreakMachine(power):
            return _without(power, hosts, _required(machines), seconds, tell)
        case Restart() | MoveLeader() | MoveVip() | ReloadBalancer():
            return _planned(steps(fault, hosts, site), world, tell)
        case _:
            return _lasting(acts(fault, hosts, site), world, seconds, tell)


def _required(machines: Machines | None) -> Machines:
    if machines is None:
        raise RefusedError(
            "nobody here can give a machine its power back",
            why="a fault of a whole machine is only injected where its undoing is certain",
            next_move="drill a lab: backstay lab up; or choose a fault of a unit or a link",
        )
    return machines


@asynccontextmanager
async def _lasting(
    found: Sequence[Act], world: World, seconds: float, tell: Tell
) -> AsyncIterator[None]:
    armed: list[Act] = []

    async def arm(act: Act) -> None:
        machine = world.machine(act.host)
        # Until it says no, it may have armed.
        armed.append(act)
        try:
            await _run(machine, act.arm(seconds), what=act.what, deadline=ARM_SECONDS)
        except StepFailedError as error:
            armed.remove(act)
            raise RefusedError(
                f"{act.what} is not possible, or not certain to be undone; nothing was injected",
                where=act.host,
                why=error.why,
            ) from error

    async def inject(act: Act) -> None:
        await _run(
            world.machine(act.host),
            act.injecting,
            what=act.what,
            deadline=INJECT_SECONDS,
            on_line=_ear(act.host, act.what, tell),
        )

    async def undo(act: Act) -> None:
        ear = _ear(act.host, act.what, tell)
        deadline = UNDO_SECONDS + REST_SECONDS
        try:
            machine = world.machine(act.host)
            await _run(machine, act.undoing, what=act.what, deadline=deadline, on_line=ear)
        except BackstayError as error:
            tell(act.host, Turn.FAILED, f"undo of {act.what}: {error.why or error.what}")
            raise

    try:
        await each(found, arm)
        await each(found, inject)
        yield
    finally:
        await each(armed, undo)


@asynccontextmanager
async def _without(
    power: Power, hosts: Sequence[str], machines: Machines, seconds: float, tell: Tell
) -> AsyncIterator[None]:
    what = said(BreakMachine(power))
    harm = {
        Power.FREEZE: machines.freeze,
        Power.KILL: machines.kill,
        Power.OFF: machines.power_off,
        Power.REBOOT: machines.reboot,
    }[power]

    async def inject(host: str) -> None:
        # Nothing is quicker than the word: what follows from the fault must come after it.
        tell(host, Turn.INJECTED, what)
        await harm(host)

    async def undo(host: str) -> None:
        try:
            await machines.mend(host)
        except BackstayError as error:
            tell(host, Turn.FAILED, f"undo of {what}: {error.why or error.what}")
            raise
        tell(host, Turn.UNDONE, what)

    try:
        await each(hosts, lambda host: machines.arm(host, seconds=seconds))
        await each(hosts, inject)
        yield
    finally:
        await each(hosts, undo)


@asynccontextmanager
async def _planned(todo: Sequence[Step], world: World, tell: Tell) -> AsyncIterator[None]:
    for step in todo:
        try:
            await _run(
                world.machine(step.host),
                step.script,
                what=step.what,
                deadline=INJECT_SECONDS + SERVING_SECONDS,
                on_line=_ear(step.host, step.what, tell),
            )
        except BackstayError as error:
            tell(step.host, Turn.FAILED, f"{step.what}: {error.why or error.what}")
            raise
    yield


def _ear(host: str, what: str, tell: Tell) -> Callable[[str], None]:
    """Return who hears a script's signs; other lines are nobody's business."""

    def hear(line: str) -> None:
        for sign, turn in ((INJECTED, Turn.INJECTED), (UNDONE, Turn.UNDONE)):
            if line.startswith(sign):
                tell(host, turn, what)

    return hear


async def _run(
    machine: Machine,
    script: str,
    *,
    what: str,
    deadline: float,
    on_line: Callable[[str], None] | None = None,
) -> str:
    done = await machine.run(script, deadline=deadline, on_line=on_line)
    if done.status != 0:
        raise StepFailedError(
            f"{what} did not go as it should",
            where=machine.name,
            why=done.stderr.strip()[-400:] or f"the script ended with status {done.status}",
            next_move="what is armed undoes itself; look: backstay drill undo",
        )
    return done.stdout


async def each(them: Iterable[T], do: Callable[[T], Awaitable[None]]) -> None:
    """Do it to all at once, to the end with each, then raise the first error."""
    everything = asyncio.gather(*(do(one) for one in list(them)), return_exceptions=True)
    try:
        results = await asyncio.shield(everything)
    except asyncio.CancelledError:
        # A script that is on its way is not called back: it must not arrive after the undo.
        await everything
        raise
    for result in results:
        if isinstance(result, BaseException):
            raise result
