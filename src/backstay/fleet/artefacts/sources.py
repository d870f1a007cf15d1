"""Where artefacts may come from, and which digest is expected of each source."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backstay.fleet.artefacts.pins import Pin
from backstay.fleet.artefacts.places import Places, default_places
from backstay.fleet.artefacts.releases import OFFICIAL, ReleaseHosts
from backstay.fleet.artefacts.table import Table
from backstay.resources.content import Artefact
from backstay.spec.model import Artefacts, ArtefactSource


@dataclass(frozen=True, slots=True)
class Sources:
    """What the user allows, in the order it is asked.

    A bundle is a folder and a mirror an address, both laid out as our cache: `<sha256>/<name>`.
    `lock_file` keeps digests of first use; without one they are kept in the cache.
    """

    order: tuple[ArtefactSource, ...] = (ArtefactSource.BUILD,)
    bundle: Path | None = None
    mirror: str | None = None
    lock_file: Path | None = None
    hosts: ReleaseHosts = OFFICIAL
    places: Places = field(default_factory=default_places)


def sources_of(wish: Artefacts, *, folder: Path) -> Sources:
    """Return the sources that a `cluster.yaml` names; `folder` is where that file is."""
    return Sources(
        order=wish.sources,
        bundle=folder / wish.bundle if wish.bundle else None,
        mirror=wish.mirror,
        lock_file=folder / "artefacts.lock.json",
    )


@dataclass(frozen=True, slots=True)
class Supplied:
    """An artefact that is in the cache now; `first_use` when nobody knew its digest before."""

    artefact: Artefact
    origin: str
    first_use: bool = False


class Supplier(Protocol):
    """One source at work."""

    def supply(self, wanted: Mapping[str, str | None]) -> AsyncGenerator[Supplied, None]:
        """Bring into the cache what it can of the wanted names, each with its digest if known.

        Raises ArtefactError when the source does not work, WrongDigestError when it lies.
        """
        ...


@dataclass(frozen=True, slots=True)
class Expectations:
    """What each source must give: a pin goes before the shipped table."""

    pins: Mapping[str, Pin]
    table: Table

    def digest(self, source: ArtefactSource, name: str) -> str | None:
        """Return the digest expected of a source; None when its first answer is pinned."""
        if name in self.pins:
            return self.pins[name].digest
        # What is published was built by others, and differs from what we build.
        return None if source is ArtefactSource.RELEASE else self.table.digest(name)

    def possible(self, source: ArtefactSource, name: str) -> bool:
        """Tell whether the source could give that artefact at all."""
        if source in {ArtefactSource.BUNDLE, ArtefactSource.MIRROR}:
            return self.digest(source, name) is not None
        return name not in self.pins or self.pins[name].source is source
