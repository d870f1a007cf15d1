"""Files that are still being written: in folders that are gone afterwards, whatever happens.

Each folder is locked by its user. The kernel unlocks what a killed run held, so that the next one
knows what nobody needs any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backstay.fleet.artefacts.busy import unless_busy
from backstay.fleet.artefacts.places import Places


@contextmanager
def scratch(places: Places, purpose: str) -> Iterator[Path]:
    """Give a folder on the cache's file system, gone afterwards: blobs are moved out of it."""
    places.partial.mkdir(parents=True, exist_ok=True)
    folder, descriptor = _locked_folder(places, purpose)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked_folder(places: Places, purpose: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=places.partial))
        # Somebody who tidies may be faster than our lock; then there is no folder any more.
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def tidy(places: Places) -> None:
    """Remove what killed runs left, unless somebody builds, who does it himself."""
    if not places.partial.is_dir():
        return
    with unless_busy(places) as free:
        if free:
            for path in places.partial.iterdir():
                # Its user may have been done with it meanwhile.
                with suppress(FileNotFoundError):
                    _remove_unless_used(path)


def _remove_unless_used(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a file or a folder, also one that Go made read-only, as in its module cache."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o755)
    shutil.rmtree(path)
