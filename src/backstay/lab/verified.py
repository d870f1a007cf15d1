"""What a new machine need not hash again: artefacts that were verified on this computer.

A machine verifies each binary by its digest before the first use, and writes down what the file
looked like (`fleet/scripts/perform.sh`). Machines of a lab see the very files of this computer's
cache, so one verification serves all of them: hashing 800 MB on each of four machines took five of
the twenty seconds of a lab. A file that changed since does not match, and is hashed there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from backstay.lab.places import blob_directory, cache_directory
from backstay.lab.recipe import MIRROR_DIRECTORY
from backstay.resources.content import Artefact

NANOSECONDS = 1_000_000_000
STAMPS_FILE = "var/lib/backstay/verified"
"""In a machine; `stamps` of perform.sh and observe.sh."""


def verified(artefacts: Iterable[Artefact]) -> str:
    """Return the stamps of artefacts that the cache has, hashing those of which none is known."""
    memory = cache_directory() / "verified"
    known = frozenset(memory.read_text().splitlines()) if memory.exists() else frozenset()
    stamps = tuple(_stamps(artefacts, known))
    if not known.issuperset(stamps):
        candidate = memory.with_suffix(f".{os.getpid()}")
        candidate.write_text(_lines(sorted(known.union(stamps))))
        candidate.replace(memory)
    return _lines(stamps)


def _lines(stamps: Iterable[str]) -> str:
    return "".join(f"{stamp}\n" for stamp in stamps)


def _stamps(artefacts: Iterable[Artefact], known: frozenset[str]) -> Iterator[str]:
    for artefact in artefacts:
        name = f"{artefact.digest}/{artefact.name}"
        path = blob_directory() / name
        if path.exists():
            stamp = f"{MIRROR_DIRECTORY}/{name}|{_looks(path)}|{artefact.digest}"
            if stamp in known or _digest(path) == artefact.digest:
                yield stamp


def _looks(path: Path) -> str:
    """Return inode, size and times as `stat -c '%i|%s|%y|%z'` prints them in UTC."""
    status = path.stat()
    times = (_moment(status.st_mtime_ns), _moment(status.st_ctime_ns))
    return "|".join((str(status.st_ino), str(status.st_size), *times))


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09} +0000"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
