"""Break something for the time of a block, and be sure that it heals.

Arm, verify that it is armed, inject, and at the end undo, verify that, disarm. The first two
leave the machines able to undo everything by themselves, so that we may die at any moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from backstay.drill.again import Again, patiently
from backstay.drill.faults.acts import acts
from backstay.drill.faults.kinds import (
    BreakMachine,
    BreakUnit,
    Fault,
    Harm,
    MoveLeader,
    MoveVip,
    Nothing,
    Power,
    ReloadBalancer,
    Restart,
    said,
)
from backstay.drill.faults.scripts import (
    CALM_SECONDS,
    DISARMED,
    GONE,
    INJECTED,
    UNDO_SECONDS,
    UNDONE,
    Act,
)
from backstay.drill.faults.steps import SERVING_SECONDS, Step, steps
from backstay.drill.faults.targets import Site
from backstay.drill.machines import Machines
from backstay.errors import BackstayError, RefusedError, StepFailedError, UnreachableError
from backstay.fleet.transport import Machine
from backstay.fleet.world import World

ARM_SECONDS = 20.0
INJECT_SECONDS = 20.0
"""Half of it may be waiting for the effect, and some of it is calm before."""
STOP_SECONDS = 120.0
"""An orderly stop may take the 90 s after which systemd kills."""
LATE_SECONDS = 20.0
"""What the machines wait beyond all that we may need, before they undo it without us."""
REST_SECONDS = 15.0
"""Beyond what the machine itself allows: for the way there and back."""

T = TypeVar("T")


class Turn(StrEnum):
    """What became of a fault on a machine."""

    INJECTED = "injected"
    UNDONE = "undone"
    GONE = "gone"
    """Somebody, or the machine itself, had undone it before we did."""
    FAILED = "failed"


Tell = Callable[[str, Turn, str], None]
"""Hears, the moment it happens, of a host, a turn, and in words of which fault or trouble."""


def armed_seconds(fault: Fault, seconds: float) -> float:
    """Return for how long to arm machines for a fault that is to stand for so many seconds.

    The first is armed before the last, and all before any is broken: none may undo it meanwhile.
    """
    return ARM_SECONDS + _inject_seconds(fault) + seconds + LATE_SECONDS


def _inject_seconds(fault: Fault) -> float:
    match fault:
        case BreakUnit(_, Harm.STOP) | BreakMachine(Power.OFF | Power.REBOOT | Power.CUT):
            return STOP_SECONDS
        case _:
            return INJECT_SECONDS


def injected(
    fault: Fault,
    hosts: Sequence[str],
    *,
    site: Site,
    world: World,
    again: Again,
    machines: Machines | None,
    seconds: float,
    tell: Tell,
) -> AbstractAsyncContextManager[None]:
    """Give the block in which the fault stands; a planned one is over when the block begins.

    Whatever becomes of us, the machines undo it by themselves `seconds` after they were armed.
    `again` reaches one whose connection was lost; `machines` is None where nobody holds their
    power. Raises RefusedError, with nothing broken, when a machine cannot promise to undo;
    StepFailedError when it could not be injected or undone.
    """
    match fault:
        case Nothing():
            return nullcontext()
        case BreakMachine(power):
            return _without(power, hosts, required_power(machines), seconds, tell)
        case Restart() | MoveLeader() | MoveVip() | ReloadBalancer():
            return _planned(steps(fault, hosts, site), world, tell)
        case _:
            found, deadline = acts(fault, hosts, site), _inject_seconds(fault)
            return _Lasting(found, world, again, seconds, deadline, tell).standing()


def required_power(machines: Machines | None) -> Machines:
    """Return who holds the machines' power; RefusedError if nobody does."""
    if machines is None:
        raise RefusedError(
            "nobody here can give a machine its power back",
            why="a fault of a whole machine is only injected where its undoing is certain",
            next_move="drill a lab: backstay lab up; or choose a fault of a unit or a link",
        )
    return machines


@dataclass(frozen=True, slots=True)
class _Lasting:
    """What is armed, injected and undone on each machine; `armed` is what may have been.

    What is `called_off` is not injected any more by who still rests before it; what is `spared` by
    that never was, and its end is nobody's news.
    """

    acts: Sequence[Act]
    world: World
    again: Again
    seconds: float
    deadline: float
    tell: Tell
    armed: list[Act] = field(default_factory=list)
    called_off: list[Act] = field(default_factory=list)
    spared: list[Act] = field(default_factory=list)

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        try:
            await each(self.acts, self._arm)
            await each(self.acts, self._inject, call_off=self._call_off)
            yield
        finally:
            await each(self.armed, self._undo)

    async def _arm(self, act: Act) -> None:
        machine = self.world.machine(act.host)
        # Until it says no, it may have armed.
        self.armed.append(act)
        try:
            await _run(machine, act.arm(self.seconds), what=act.what, deadline=ARM_SECONDS)
        except StepFailedError as error:
            self.armed.remove(act)
            raise RefusedError(
                f"{act.what} is not possible, or not certain to be undone; nothing was injected",
                where=act.host,
                why=error.why,
            ) from error

    async def _inject(self, act: Act) -> None:
        ear = _ear(act.host, act.what, self.tell)
        machine = self.world.machine(act.host)
        try:
            await _run(machine, act.injecting, what=act.what, deadline=self.deadline, on_line=ear)
        except StepFailedError as error:
            if act not in self.called_off or not error.why.endswith(DISARMED):
                raise
            self.spared.append(act)

    async def _call_off(self, act: Act) -> None:
        self.called_off.append(act)
        # Who does not hear of it injects, and the undo comes after that.
        with suppress(BackstayError):
            await _run(
                self.world.machine(act.host), act.calling_off, what=act.what, deadline=REST_SECONDS
            )

    async def _undo(self, act: Act) -> None:
        with _failing(act.host, f"undo of {act.what}", self.tell):
            try:
                await self._undo_by(self.world.machine(act.host), act)
            except UnreachableError:
                # By its timer it undoes the fault without us; what we find then says so.
                async with patiently(self.again, act.host, seconds=self.seconds) as machine:
                    await self._undo_by(machine, act)

    async def _undo_by(self, machine: Machine, act: Act) -> None:
        ear = None if act in self.spared else _ear(act.host, act.what, self.tell)
        deadline = UNDO_SECONDS + REST_SECONDS
        await _run(machine, act.undoing, what=act.what, deadline=deadline, on_line=ear)


@asynccontextmanager
async def _without(
    power: Power, hosts: Sequence[str], machines: Machines, seconds: float, tell: Tell
) -> AsyncIterator[None]:
    what = said(BreakMachine(power))
    harm = {
        Power.FREEZE: machines.freeze,
        Power.KILL: machines.kill,
        Power.CUT: machines.cut,
        Power.OFF: machines.power_off,
        Power.REBOOT: machines.reboot,
    }[power]
    armed: list[str] = []

    async def arm(host: str) -> None:
        await machines.arm(host, seconds=seconds)
        armed.append(host)

    async def inject(host: str) -> None:
        # Nothing is quicker than the word: what follows from the fault must come after it.
        tell(host, Turn.INJECTED, what)
        with _failing(host, what, tell):
            await harm(host)

    async def undo(host: str) -> None:
        if host not in machines.armed():
            tell(host, Turn.GONE, what)
        with _failing(host, f"undo of {what}", tell):
            await machines.mend(host)
        tell(host, Turn.UNDONE, what)

    try:
        await each(hosts, arm)
        # No condition is waited for: as on the machines themselves, what arming cost is to be over.
        await asyncio.sleep(CALM_SECONDS)
        await each(hosts, inject)
        yield
    finally:
        await each(armed, undo)


@asynccontextmanager
async def _planned(todo: Sequence[Step], world: World, tell: Tell) -> AsyncIterator[None]:
    for step in todo:
        with _failing(step.host, step.what, tell):
            await _run(
                world.machine(step.host),
                step.script,
                what=step.what,
                deadline=STOP_SECONDS + SERVING_SECONDS,
                on_line=_ear(step.host, step.what, tell),
            )
    yield


@contextmanager
def _failing(host: str, what: str, tell: Tell) -> Iterator[None]:
    """Tell of what fails on a machine the moment it does."""
    try:
        yield
    except BackstayError as error:
        tell(host, Turn.FAILED, f"{what}: {error.why or error.what}")
        raise


def _ear(host: str, what: str, tell: Tell) -> Callable[[str], None]:
    """Return who hears a script's signs; other lines are nobody's business."""

    def hear(line: str) -> None:
        for sign, turn in _SIGNS.items():
            if line.startswith(sign):
                tell(host, turn, what)

    return hear


_SIGNS = {INJECTED: Turn.INJECTED, GONE: Turn.GONE, UNDONE: Turn.UNDONE}


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


async def each(
    them: Iterable[T],
    do: Callable[[T], Awaitable[None]],
    *,
    call_off: Callable[[T], Awaitable[None]] | None = None,
) -> None:
    """Do it to all at once, to the end with each, then raise the first error.

    Who is cancelled meanwhile calls off with each what has not begun, and waits for all.
    """
    them = tuple(them)
    everything = asyncio.gather(*(do(one) for one in them), return_exceptions=True)
    try:
        results = await asyncio.shield(everything)
    except asyncio.CancelledError:
        # A script that is on its way is not called back: it must not arrive after the undo.
        # What went wrong with one is worth more than that we were stopped: something may stand.
        try:
            if call_off is not None:
                await each(them, call_off)
        finally:
            _require_done(await everything)
        raise
    _require_done(results)


def _require_done(results: Iterable[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
