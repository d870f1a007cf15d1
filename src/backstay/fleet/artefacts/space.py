"""Whether a build has room: looked at before it starts, because it takes gigabytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.modules import ModuleSet
from backstay.fleet.artefacts.places import Places

OUTPUT_BYTES = 2_000_000_000
"""The programs themselves, the toolchain, and what the linker writes meanwhile."""


def check_space(places: Places, sets: Sequence[ModuleSet]) -> None:
    """Raise ArtefactError when the cache's file system is too small to build these sets.

    What the caches hold already is counted: an interrupted build needs only the rest.
    """
    cached = tree_bytes(places.module_cache) + tree_bytes(places.build_cache)
    needed = max(0, sum(one.cache_bytes for one in sets) - cached) + OUTPUT_BYTES
    places.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(places.root).free
    if free < needed:
        raise ArtefactError(
            "there is too little disk space to build the binaries",
            where=str(places.root),
            why=f"{gigabytes(free)} are free, {gigabytes(needed)} are needed for modules, build"
            f" cache and programs beside the {gigabytes(cached)} that the caches hold already",
            next_move="free some, or set XDG_CACHE_HOME to a larger disk",
        )


def gigabytes(size: int) -> str:
    """Return a size in the unit that disks are sold in."""
    return f"{size / 1e9:.1f} GB"


def clean_build_caches(places: Places) -> int:
    """Remove what is only needed to build again, and return the bytes that were freed.

    The artefacts stay; the next build starts from nothing.
    """
    freed = 0
    for folder in (places.module_cache, places.build_cache, places.partial, places.toolchains):
        freed += tree_bytes(folder)
        _remove(folder)
    return freed


def tree_bytes(folder: Path) -> int:
    """Return the bytes of all files under a folder; 0 when there is none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - 100,000 files
            except FileNotFoundError:
                continue
    return total


def _remove(folder: Path) -> None:
    # Go makes the folders of its module cache read-only.
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
