"""What `fetch` will give, told without fetching or building: a plan names every digest."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.compiler import c_toolchain
from backstay.fleet.artefacts.expectations import expectations_of, pins_of
from backstay.fleet.artefacts.sources import Expectations, Sources
from backstay.fleet.artefacts.table import artefact_names, release_of
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource


async def foresee(kubernetes_version: str, *, sources: Sources) -> Mapping[str, Artefact]:
    """Return what `fetch` would, as far as that is certain; the rest is left out.

    Only the lock file is read, and it is seen which files the cache has. Raises ArtefactError for
    a version that cannot be had, or on a computer of another architecture.
    """
    release = release_of(kubernetes_version)
    expectations = expectations_of(release, pins_of(release, sources))
    foreseen = {}
    for name in artefact_names(release):
        digest = await _certain(name, expectations, sources)
        if digest is not None:
            foreseen[name] = Artefact(name, digest)
    return foreseen


async def _certain(name: str, expectations: Expectations, sources: Sources) -> str | None:
    able = [source for source in sources.order if expectations.possible(source, name)]
    if not able:
        return None
    first = expectations.digest(able[0], name)
    if first is not None and sources.places.blob(Artefact(name, first)).is_file():
        return first
    digests = {await _digest(source, name, expectations) for source in able}
    if len(digests) == 1:
        return digests.pop()
    # A build can give everything; whether another source has a file is only known by asking it.
    builds = able[0] is ArtefactSource.BUILD
    return await _digest(able[0], name, expectations) if builds else None


async def _digest(source: ArtefactSource, name: str, expectations: Expectations) -> str | None:
    digest = expectations.digest(source, name)
    depends = name in expectations.table.by_compiler and name not in expectations.pins
    if source is not ArtefactSource.BUILD or not depends:
        return digest
    try:
        return expectations.table.digest(name, compiler=await c_toolchain())
    except ArtefactError:
        # Nothing can be built here; whoever brings it brings the one that we release with.
        return digest
