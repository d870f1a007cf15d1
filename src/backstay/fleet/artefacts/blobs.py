"""The cache: a file enters it by one atomic move, after its digest was found to be right."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from backstay.errors import ArtefactError
from backstay.fleet.artefacts import stamps
from backstay.fleet.artefacts.places import Places
from backstay.resources.content import Artefact


def blob(places: Places, artefact: Artefact) -> Path:
    """Return where the artefact is, or would be."""
    return places.blob(artefact)


class WrongDigestError(ArtefactError):
    """A file is not the one it should be; no other source is asked, somebody must look."""


def admit(
    places: Places, path: Path, *, name: str, expected: str | None, origin: str, why: str = ""
) -> Artefact:
    """Move a file of the cache's file system into the cache, and return what it is.

    `expected` is None on first use. Raises WrongDigestError, and moves the file to the quarantine,
    when its digest is another; `origin` is where it came from, `why` what may explain it.
    """
    found = Artefact(name, stamps.sha256_of(path))
    if expected not in {None, found.digest}:
        aside = _set_aside(places, path, found)
        raise WrongDigestError(
            f"{name} is not the file it should be; it was refused",
            where=origin,
            why=f"SHA-256 is {found.digest}, expected {expected}" + (f"; {why}" if why else ""),
            next_move=f"look at {aside}; try another source",
        )
    _move(path, blob(places, found), mode=0o755)
    stamps.vouch(places, found)
    return found


def cached(places: Places, artefacts: Iterable[Artefact]) -> frozenset[Artefact]:
    """Return those that are in the cache; each was verified, now or since it last changed.

    Raises WrongDigestError, and moves the file to the quarantine, when one is damaged: that of a
    disk heals with the next run, that of a person should be looked at.
    """
    found = stamps.present(places, artefacts)
    for artefact, stamp in found.items():
        if stamp is None:
            _refuse_cached(places, artefact)
    return frozenset(found)


def _refuse_cached(places: Places, artefact: Artefact) -> NoReturn:
    path = blob(places, artefact)
    found = Artefact(artefact.name, stamps.sha256_of(path))
    aside = _set_aside(places, path, found)
    raise WrongDigestError(
        f"{artefact.name} is not the file it should be; it was refused",
        where=str(path),
        why=f"SHA-256 is {found.digest}: it was cut short or changed after it came into the cache",
        next_move=f"look at {aside}, then run again: it is fetched or built anew",
    )


def _set_aside(places: Places, path: Path, found: Artefact) -> Path:
    aside = places.quarantine / found.digest / found.name
    _move(path, aside, mode=0o600)
    return aside


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
