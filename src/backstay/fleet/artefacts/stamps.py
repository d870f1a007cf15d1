"""What need not be hashed again: files that were verified, and look as they did then.

A stamp is one line, `<sha256>/<name>|inode|size|mtime|ctime|<sha256>`. Nobody sets back the time
of the last change (ctime), so a file that was written to, or replaced, no longer has its stamp.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from backstay.fleet.artefacts.places import Places
from backstay.resources.content import Artefact

NANOSECONDS = 1_000_000_000


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def present(places: Places, artefacts: Iterable[Artefact]) -> Mapping[Artefact, str | None]:
    """Return the artefacts that have a file in the cache, each with its stamp.

    Only files without a stamp are hashed; None is that of a file with a wrong digest.
    """
    known = _known(places)
    found: dict[Artefact, str | None] = {}
    for artefact in artefacts:
        path = places.blob(artefact)
        if path.is_file():
            # Looked at before it is hashed: one that changes meanwhile does not match its stamp.
            stamp = _stamp(artefact, path)
            right = stamp in known or sha256_of(path) == artefact.digest
            found[artefact] = stamp if right else None
    _remember(places, {stamp for stamp in found.values() if stamp} - known)
    return found


def unverified(places: Places, artefacts: Iterable[Artefact]) -> tuple[Artefact, ...]:
    """Return those whose file in the cache would have to be hashed."""
    known = _known(places)
    there = [(one, places.blob(one)) for one in artefacts]
    return tuple(one for one, at in there if at.is_file() and _stamp(one, at) not in known)


def vouch(places: Places, artefact: Artefact) -> None:
    """Write down that the file in the cache was verified just now."""
    _remember(places, {_stamp(artefact, places.blob(artefact))})


def _stamp(artefact: Artefact, path: Path) -> str:
    return f"{artefact.digest}/{artefact.name}|{_looks(path)}|{artefact.digest}"


def _looks(path: Path) -> str:
    """Return inode, size and times as `stat -c '%i|%s|%y|%z'` prints them in UTC."""
    status = path.stat()
    times = (_moment(status.st_mtime_ns), _moment(status.st_ctime_ns))
    return "|".join((str(status.st_ino), str(status.st_size), *times))


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest:09} +0000"


def _known(places: Places) -> frozenset[str]:
    try:
        return frozenset(places.stamps.read_text(errors="replace").splitlines())
    except FileNotFoundError:
        return frozenset()


def _remember(places: Places, stamps: Iterable[str]) -> None:
    # Appended in one write: two runs at the same time lose nothing of each other.
    text = "".join(f"{stamp}\n" for stamp in sorted(stamps))
    # A full cache that may only be read is as good as any; it costs the time of hashing.
    with suppress(OSError):
        if text:
            with places.stamps.open("a") as stream:
                stream.write(text)
