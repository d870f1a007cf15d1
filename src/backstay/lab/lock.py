"""One run at a time changes a lab: a lock on its directory, given back when the holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backstay.errors import GateTimeoutError, LockedError
from backstay.lab.waiting import wait_for

LOCK_SECONDS = 60.0
"""Longer than `down` of a big lab takes."""


@asynccontextmanager
async def locked(directory: Path, *, seconds: float = LOCK_SECONDS) -> AsyncIterator[None]:
    """Make the directory (0700) if it is missing and hold its lock.

    LockedError if another run holds it for longer than `seconds`. The directory may be removed
    while the lock is held; who waits for it then makes it anew.
    """
    held: list[int] = []

    async def taken() -> str | None:
        descriptor = _try_lock(directory)
        if descriptor is None:
            return "another run holds the lock"
        held.append(descriptor)
        return None

    try:
        await wait_for("the lock", taken, seconds=seconds, where=str(directory))
    except GateTimeoutError as error:
        raise LockedError(
            "another run is changing this lab", where=str(directory), why=error.why
        ) from error
    try:
        yield
    finally:
        os.close(held[0])


def _try_lock(directory: Path) -> int | None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if _is_ours(descriptor, directory):
        return descriptor
    os.close(descriptor)
    return None


def _is_ours(descriptor: int, directory: Path) -> bool:
    """Take the lock, and see that the name still stands for the directory that is locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return directory.exists() and os.path.samestat(os.fstat(descriptor), directory.stat())
