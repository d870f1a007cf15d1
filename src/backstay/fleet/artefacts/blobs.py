"""The cache: a file enters it by one atomic move, after its digest was found to be right."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.places import Places
from backstay.resources.content import Artefact


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def blob(places: Places, artefact: Artefact) -> Path:
    """Return where the artefact is, or would be."""
    return places.blobs / artefact.digest / artefact.name


class WrongDigestError(ArtefactError):
    """A file is not the one it should be; no other source is asked, somebody must look."""


@contextmanager
def scratch(places: Places, purpose: str) -> Iterator[Path]:
    """Give a folder on the cache's file system, gone afterwards: blobs are moved out of it."""
    places.partial.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=places.partial))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def admit(
    places: Places, path: Path, *, name: str, expected: str | None, origin: str, why: str = ""
) -> Artefact:
    """Move a file of the cache's file system into the cache, and return what it is.

    `expected` is None on first use. Raises WrongDigestError, and moves the file to the quarantine,
    when its digest is another; `origin` is where it came from, `why` what may explain it.
    """
    found = Artefact(name, sha256_of(path))
    if expected not in {None, found.digest}:
        _move(path, places.quarantine / found.digest / name, mode=0o600)
        raise WrongDigestError(
            f"{name} is not the file it should be; it was refused",
            where=origin,
            why=f"SHA-256 is {found.digest}, expected {expected}" + (f"; {why}" if why else ""),
            next_move=f"look at {places.quarantine / found.digest / name}; try another source",
        )
    _move(path, blob(places, found), mode=0o755)
    return found


def _move(path: Path, target: Path, *, mode: int) -> None:
    """Move within one file system; what is under the new name is whole even after a power cut."""
    for folder in (target.parent.parent, target.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # Machines of a lab see the blobs through a mount, under other users.
    target.parent.parent.chmod(0o755)
    target.parent.chmod(0o755)
    path.chmod(mode)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    path.replace(target)
