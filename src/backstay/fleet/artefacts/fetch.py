"""Fills the cache: for each artefact the first source that can, and what it gave is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import WrongDigestError, blob
from backstay.fleet.artefacts.building import Building
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.copies import Bundle, Mirror
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.published import Releases
from backstay.fleet.artefacts.releases import downloads
from backstay.fleet.artefacts.sources import Expectations, Sources, Supplier
from backstay.fleet.artefacts.table import artefact_names, release_of, shipped_table
from backstay.fleet.events import Listener, nobody
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource
from backstay.spec.versions import Release

Place = TypeVar("Place", Path, str)


async def fetch(
    kubernetes_version: str, *, sources: Sources, tell: Listener = nobody
) -> Mapping[str, Artefact]:
    """Return every artefact of a Kubernetes version, by name; all of them are in the cache.

    What is cached already costs nothing. Raises WrongDigestError, an ArtefactError, when a source
    gave other bytes than expected, and ArtefactError when no source could.
    """
    release = release_of(kubernetes_version)
    names = artefact_names(release)
    pins = _pins(release, sources)
    expectations = _expectations(release, pins)
    have: dict[str, Artefact] = {}
    failures: list[ArtefactError] = []
    for source in sources.order:
        wanted = {
            name: expectations.digest(source, name)
            for name in names
            if name not in have and expectations.possible(source, name)
        }
        have |= _cached(sources.places, wanted)
        rest = {name: digest for name, digest in wanted.items() if name not in have}
        if rest:
            supplier = _supplier(source, release, sources, expectations, tell)
            try:
                await _take_all(supplier, rest, source=source, pins=pins, have=have)
            except WrongDigestError:
                raise
            except ArtefactError as error:
                failures.append(error)
            except OSError as error:
                raise _unwritable(sources.places, error) from error
    _check_complete(names, have, failures, sources)
    return {name: have[name] for name in names}


def _unwritable(places: Places, error: OSError) -> ArtefactError:
    return ArtefactError(
        "the cache of artefacts cannot be used",
        where=error.filename or str(places.root),
        why=error.strerror or str(error),
        next_move=f"make room or set rights in {places.root}, or set XDG_CACHE_HOME",
    )


def foresee(kubernetes_version: str, *, sources: Sources) -> Mapping[str, Artefact]:
    """Return what `fetch` would, as far as digests are known; unknown ones are left out.

    Only the lock file is read. A digest that depends on this computer's C toolchain, and that is
    not pinned, is that of the toolchain we release with.
    """
    release = release_of(kubernetes_version)
    expectations = _expectations(release, _pins(release, sources))
    foreseen = {}
    for name in artefact_names(release):
        able = [source for source in sources.order if expectations.possible(source, name)]
        digest = expectations.digest(able[0], name) if able else None
        if digest is not None:
            foreseen[name] = Artefact(name, digest)
    return foreseen


def _pins(release: Release, sources: Sources) -> Pins:
    path = sources.lock_file or sources.places.pins
    return Pins(path, f"linux/{architecture()}", release.kubernetes)


def _expectations(release: Release, pins: Pins) -> Expectations:
    return Expectations(pins.read(), shipped_table(release, platform=pins.platform))


async def _take_all(
    supplier: Supplier,
    wanted: Mapping[str, str | None],
    *,
    source: ArtefactSource,
    pins: Pins,
    have: dict[str, Artefact],
) -> None:
    async with aclosing(supplier.supply(wanted)) as supplies:
        async for supplied in supplies:
            artefact = supplied.artefact
            if supplied.first_use:
                pins.add({artefact.name: Pin(artefact.digest, source, supplied.origin)})
            have[artefact.name] = artefact


def _cached(places: Places, wanted: Mapping[str, str | None]) -> dict[str, Artefact]:
    known = {name: Artefact(name, digest) for name, digest in wanted.items() if digest}
    return {name: one for name, one in known.items() if blob(places, one).is_file()}


def _supplier(
    source: ArtefactSource,
    release: Release,
    sources: Sources,
    expectations: Expectations,
    tell: Listener,
) -> Supplier:
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


def _check_complete(
    names: Sequence[str],
    have: Mapping[str, Artefact],
    failures: Sequence[ArtefactError],
    sources: Sources,
) -> None:
    missing = [name for name in names if name not in have]
    if not missing:
        return
    if len(failures) == 1:
        raise failures[0]
    asked = ", ".join(sources.order)
    raise ArtefactError(
        f"no source has {', '.join(missing)}",
        where=f"asked: {asked}",
        why="\n".join(str(failure) for failure in failures),
        next_move="add build to artefacts.sources, or put them into the bundle or the mirror",
    )
