"""What a history must say of a fault besides that it stood: who reads it shall not be misled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from backstay.drill.faults.now import roles_now
from backstay.drill.faults.targets import Roles, lost
from backstay.drill.history import Kind, Mark, Note
from backstay.drill.inject import Tell, Turn
from backstay.drill.recorder import Recorder


def telling(recorder: Recorder) -> Tell:
    """Return who records what becomes of a fault."""

    def tell(host: str, turn: Turn, what: str) -> None:
        if turn is Turn.GONE:
            recorder.mark(Kind.NOTE, Note.GONE, host, what)
        else:
            recorder.fault(host, turn, what)

    return tell


@asynccontextmanager
async def aimed(
    fault: AbstractAsyncContextManager[None],
    *,
    target: str,
    hosts: Sequence[str],
    roles: Roles,
    recorder: Recorder,
) -> AsyncIterator[None]:
    """Enter a fault, noting first if whoever was chosen has lost the role since `roles` were so."""
    marks = (one for one in recorder.records if isinstance(one, Mark))
    for role in lost(target, tuple(hosts), roles_now(roles, marks)):
        recorder.mark(Kind.NOTE, Note.MOVED, role, f"it was {', '.join(hosts)}")
    async with fault:
        yield
