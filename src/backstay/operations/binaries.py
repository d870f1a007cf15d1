"""Which binaries a cluster needs, and getting them into this computer's cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.foresight import foresee
from backstay.fleet.artefacts.sources import Sources, sources_of
from backstay.fleet.artefacts.table import artefact_names, release_of
from backstay.fleet.events import Listener
from backstay.fleet.store import Store
from backstay.resources.content import Artefact
from backstay.spec.model import ClusterSpec


async def binaries(
    spec: ClusterSpec, *, config: Path | None, tell: Listener
) -> tuple[Mapping[str, Artefact], Store]:
    """Return every artefact by name, and where they are; what is missing is fetched or built.

    `config` is the path of cluster.yaml, beside which digests are pinned; None for stdin.
    """
    sources = _sources(spec, config)
    found = await fetch(spec.kubernetes, sources=sources, tell=tell)
    return found, Store(sources.places.blobs)


async def foreseen(
    spec: ClusterSpec, *, config: Path | None, tell: Listener
) -> Mapping[str, Artefact]:
    """Return every artefact by name, without fetching or building where that is certain before.

    Certain are pins, and the shipped table where it says what the sources give. Otherwise they are
    fetched or built once, and pinned: a saved plan must name the very files of its apply.
    """
    known = await foresee(spec.kubernetes, sources=_sources(spec, config))
    if known.keys() >= set(artefact_names(release_of(spec.kubernetes))):
        return known
    return (await binaries(spec, config=config, tell=tell))[0]


def _sources(spec: ClusterSpec, config: Path | None) -> Sources:
    return sources_of(spec.artefacts, folder=Path() if config is None else config.parent)
