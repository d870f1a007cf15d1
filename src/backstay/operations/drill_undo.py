"""`backstay drill undo`: whatever drills left, on machines and in the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from backstay.drill.inject import each
from backstay.drill.machines import Machines
from backstay.drill.remains import remove_keys, remove_namespaces
from backstay.drill.report.wording import plural
from backstay.drill.undo import is_unknown, leftovers, require_nothing, undo_there
from backstay.errors import BackstayError, LockedError, PreflightError, UnreachableError
from backstay.fleet.lock import locked, this_run
from backstay.fleet.world import World
from backstay.operations.session import session
from backstay.spec.model import ClusterSpec

Found = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Attempts:
    """What is tried whatever became of the attempts before."""

    errors: list[BackstayError] = field(default_factory=list)

    async def at(self, work: Awaitable[None]) -> None:
        try:
            await work
        except BackstayError as error:
            self.errors.append(error)


async def undo_alone(
    spec: ClusterSpec, machines: Machines | None, *, tell: Callable[[str, str], None]
) -> None:
    """Undo everything everywhere, unless somebody drills or changes the cluster just now.

    Raises LockedError, with who that is, or whatever `undo` raises.
    """
    async with session(spec) as world, _locked(world):
        await undo(spec, machines, tell=tell)


@asynccontextmanager
async def _locked(world: World) -> AsyncIterator[None]:
    """Hold the lock wherever it can be had: a machine that is broken keeps nobody from undoing."""
    holder = f"{this_run()}, undoing drills"
    async with AsyncExitStack() as stack:
        for _, machine in sorted(world.reached.items()):
            with suppress(UnreachableError, PreflightError):
                try:
                    await stack.enter_async_context(locked((machine,), holder=holder))
                except LockedError as error:
                    raise _in_use(error) from error
        yield


def _in_use(error: LockedError) -> LockedError:
    return LockedError(
        "somebody drills or changes this cluster just now",
        where=error.where,
        why=error.why,
        next_move="wait for it to end: a drill undoes what it broke, also when it is stopped; "
        "if it hangs, undo it under its hands: backstay drill undo --force",
    )


async def undo(
    spec: ClusterSpec, machines: Machines | None, *, tell: Callable[[str, str], None]
) -> None:
    """Undo everything everywhere, look again, and tell where what was undone.

    What belongs to a drill that lives is undone as well: the lock is to be held. One failure keeps
    nobody from the others. Raises StepFailedError for what is still there, UnreachableError for
    machines that cannot be asked, or else the first error.
    """
    attempts = _Attempts()
    async with session(spec) as world:
        before = await leftovers(world, machines)
    if machines is not None:
        await attempts.at(each(machines.armed(), machines.mend))
    # Over new connections: machines that were frozen, or without power, answer now.
    async with session(spec) as world:
        await attempts.at(undo_there(world))
        after = await leftovers(world, machines)
        _tell_of_machines(before, after, tell)
        await attempts.at(_remove(spec, world, tell))
    require_nothing(after)
    if attempts.errors:
        raise attempts.errors[0]


def _tell_of_machines(before: Found, after: Found, tell: Callable[[str, str], None]) -> None:
    for host, things in before.items():
        left = after.get(host, ())
        if not any(map(is_unknown, left)):
            gone = (one for one in things if one not in left and not is_unknown(one))
            if said := "; ".join(gone):
                tell(host, said)


async def _remove(spec: ClusterSpec, world: World, tell: Callable[[str, str], None]) -> None:
    for name in await remove_namespaces(world, [host.name for host in spec.control_planes]):
        tell("apiserver", f"namespace {name}")
    if count := await remove_keys(world, [host.name for host in spec.etcd_members]):
        tell("etcd", plural(count, "key"))
