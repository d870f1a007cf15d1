"""Whether a build has room: looked at before it starts, because it takes gigabytes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.modules import ModuleSet
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.scratch import remove_tree, tidy

OUTPUT_BYTES = 2_000_000_000
"""The programs themselves, the toolchain, and what the linker writes meanwhile."""


BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own is."""


def check_space(places: Places, sets: Sequence[ModuleSet]) -> None:
    """Raise ArtefactError when the cache's file system is too small to build these sets."""
    needed = still_needed(places, sets) + OUTPUT_BYTES
    places.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(places.root).free
    if free < needed:
        raise ArtefactError(
            "there is too little disk space to build the binaries",
            where=str(places.root),
            why=f"{gigabytes(free)} are free, {gigabytes(needed)} are needed for modules, build"
            f" cache and programs of {', '.join(one.name for one in sets)}",
            next_move="free some, or set XDG_CACHE_HOME to a larger disk",
        )


def still_needed(places: Places, sets: Sequence[ModuleSet]) -> int:
    """Return the bytes that these sets will add to the caches.

    A set that was interrupted needs only the rest: what the caches grew by since it began is its
    own. Whatever else they hold may be of other versions, and is not counted.
    """
    return sum(max(0, one.cache_bytes - _brought(places, one)) for one in sets)


def begin(places: Places, modules: ModuleSet) -> None:
    """Write down that a set is being built now, unless it was interrupted and goes on."""
    if _size_before(places, modules) is None:
        places.begun.parent.mkdir(parents=True, exist_ok=True)
        note = {"folder": modules.folder, "bytes": _cached_bytes(places)}
        places.begun.write_text(json.dumps(note) + "\n")


def finish(places: Places) -> None:
    """Forget the set that was being built."""
    places.begun.unlink(missing_ok=True)


def _brought(places: Places, modules: ModuleSet) -> int:
    before = _size_before(places, modules)
    return 0 if before is None else max(0, _cached_bytes(places) - before)


def _size_before(places: Places, modules: ModuleSet) -> int | None:
    try:
        note = json.loads(places.begun.read_text())
        return int(note["bytes"]) if note["folder"] == modules.folder else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Without a note everything is needed: rather too much than too little.
        return None


def _cached_bytes(places: Places) -> int:
    return tree_bytes(places.module_cache) + tree_bytes(places.build_cache)


def gigabytes(size: int) -> str:
    """Return a size in the unit that disks are sold in."""
    return f"{size / 1e9:.1f} GB"


def clean_build_caches(places: Places) -> int:
    """Remove what is only needed to build again, and return the bytes that were freed.

    The artefacts stay; the next build starts from nothing.
    """
    before = tree_bytes(places.root)
    tidy(places)
    finish(places)
    for folder in (places.module_cache, places.build_cache, places.toolchains):
        remove_tree(folder)
    return before - tree_bytes(places.root)


def tree_bytes(folder: Path) -> int:
    """Return the bytes that the files under a folder take up on disk; 0 when there is none."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(path, name))  # noqa: PTH118 - 100,000 files
            except FileNotFoundError:
                continue
            total += status.st_blocks * BLOCK_BYTES
    return total
