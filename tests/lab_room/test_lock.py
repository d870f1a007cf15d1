"""One run at a time changes a lab."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from backstay.errors import LockedError
from backstay.lab.lock import locked


async def test_a_lab_that_is_being_changed_is_refused(tmp_path: Path) -> None:
    """After waiting; and it is free again when the first is done."""
    directory = tmp_path / "lab"
    async with locked(directory):
        with pytest.raises(LockedError):
            async with locked(directory, seconds=0.1):
                pass
    async with locked(directory, seconds=0):
        assert directory.is_dir()


async def test_the_directory_is_nobody_elses(tmp_path: Path) -> None:
    """It will hold keys."""
    async with locked(tmp_path / "lab"):
        assert stat.S_IMODE((tmp_path / "lab").stat().st_mode) == 0o700


async def test_a_directory_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """`down` removes it while it holds the lock; the next `up` shall not wait for a ghost."""
    directory = tmp_path / "lab"
    async with locked(directory):
        shutil.rmtree(directory)
        async with locked(directory, seconds=0):
            assert directory.is_dir()
