"""Fills the cache: for each artefact the first source that can, and what it gave is checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import WrongDigestError, cached
from backstay.fleet.artefacts.expectations import expectations_of, pins_of
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.scratch import tidy
from backstay.fleet.artefacts.sources import Sources, Supplier
from backstay.fleet.artefacts.stamps import unverified
from backstay.fleet.artefacts.table import artefact_names, release_of
from backstay.fleet.events import Listener, Note, nobody
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource


async def fetch(
    kubernetes_version: str, *, sources: Sources, tell: Listener = nobody
) -> Mapping[str, Artefact]:
    """Return every artefact of a Kubernetes version, by name; all of them are in the cache.

    What is cached already, and was verified, costs nothing. Raises WrongDigestError, an
    ArtefactError, when a source gave other bytes than expected or a file of the cache is damaged,
    and ArtefactError when no source could.
    """
    release = release_of(kubernetes_version)
    names = artefact_names(release)
    pins = pins_of(release, sources)
    expectations = expectations_of(release, pins)
    have: dict[str, Artefact] = {}
    failures: list[ArtefactError] = []
    for source in sources.order:
        wanted = {
            name: expectations.digest(source, name)
            for name in names
            if name not in have and expectations.possible(source, name)
        }
        with _usable(sources.places):
            have |= await _cached(sources.places, wanted, tell=tell)
            rest = {name: digest for name, digest in wanted.items() if name not in have}
            if rest:
                await asyncio.to_thread(tidy, sources.places)
                # Loaded when something is missing: a filled cache needs no client and no compiler.
                from backstay.fleet.artefacts.suppliers import supplier_of

                supplier = supplier_of(source, release, sources, expectations, tell)
                try:
                    await _take_all(supplier, rest, source=source, pins=pins, have=have)
                except WrongDigestError:
                    raise
                except ArtefactError as error:
                    failures.append(error)
    _check_complete(names, have, failures, sources)
    return {name: have[name] for name in names}


@contextmanager
def _usable(places: Places) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtefactError(
            "the cache of artefacts cannot be used",
            where=error.filename or str(places.root),
            why=error.strerror or str(error),
            next_move=f"make room or set rights in {places.root}, or set XDG_CACHE_HOME",
        ) from error


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


async def _cached(
    places: Places, wanted: Mapping[str, str | None], *, tell: Listener
) -> dict[str, Artefact]:
    known = {name: Artefact(name, digest) for name, digest in wanted.items() if digest}
    if fresh := unverified(places, known.values()):
        names = ", ".join(one.name for one in fresh)
        tell(Note(f"verifying what is in the cache: {names}"))
    there = await asyncio.to_thread(cached, places, known.values())
    return {name: one for name, one in known.items() if one in there}


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
