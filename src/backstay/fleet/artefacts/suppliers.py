"""Which source is asked how: a folder, a mirror, the official releases, a compiler."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.building import Building
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.copies import Bundle, Mirror
from backstay.fleet.artefacts.published import Releases
from backstay.fleet.artefacts.releases import downloads
from backstay.fleet.artefacts.sources import Expectations, Sources, Supplier
from backstay.fleet.events import Listener
from backstay.spec.model import ArtefactSource
from backstay.spec.versions import Release

Place = TypeVar("Place", Path, str)


def supplier_of(
    source: ArtefactSource,
    release: Release,
    sources: Sources,
    expectations: Expectations,
    tell: Listener,
) -> Supplier:
    """Return who gives what this source has; ArtefactError when it is not said where that is."""
    places = sources.places
    match source:
        case ArtefactSource.BUNDLE:
            folder = _named(sources.bundle, "bundle")
            return Bundle(folder, places, tell)
        case ArtefactSource.MIRROR:
            address = _named(sources.mirror, "mirror")
            return Mirror(address, places, tell)
        case ArtefactSource.RELEASE:
            files = downloads(release, architecture=architecture(), hosts=sources.hosts)
            return Releases(files, places, tell)
        case ArtefactSource.BUILD:
            return Building(release, expectations, places, tell)


def _named(place: Place | None, field: str) -> Place:
    if place is None:
        raise ArtefactError(
            f"artefacts.sources names the {field}, and artefacts.{field} does not say where it is",
            next_move=f"set artefacts.{field} in cluster.yaml",
        )
    return place
