"""A disk is copied as it is at one moment, whoever writes to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backstay.errors import StepFailedError
from backstay.lab import disks


async def _write(disk: Path, *, seconds: float) -> None:
    """Write to the disk every few milliseconds."""
    with disk.open("ab", buffering=0) as file:
        async with asyncio.timeout(seconds):
            while True:
                file.write(b"x" * 512)
                await asyncio.sleep(0.002)


async def test_who_keeps_still_is_copied(tmp_path: Path) -> None:
    """With its holes, which take no room in the copy either."""
    disk = tmp_path / "etcd.img"
    with disk.open("wb") as file:
        file.truncate(2**24)
        file.write(b"data")
    copy = await disks._copied_as_it_is(disk)
    assert copy.read_bytes() == disk.read_bytes()
    assert copy.stat().st_blocks < 2**20 / 512


async def test_who_writes_is_copied_again_until_he_is_silent(tmp_path: Path) -> None:
    """Half of one moment and half of the next would be a disk that there never was."""
    disk = tmp_path / "etcd.img"
    disk.touch()
    writing = asyncio.create_task(_write(disk, seconds=0.3))
    copy = await disks._copied_as_it_is(disk)
    assert writing.done()
    assert isinstance(writing.exception(), TimeoutError)
    assert copy.read_bytes() == disk.read_bytes() != b""


async def test_who_never_keeps_still_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made of a copy that cannot be trusted."""
    monkeypatch.setattr(disks, "COPIES", 2)
    disk = tmp_path / "etcd.img"
    disk.touch()
    writing = asyncio.create_task(_write(disk, seconds=30))
    with pytest.raises(StepFailedError, match="never kept still"):
        await disks._copied_as_it_is(disk)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
