"""Which binaries a cluster needs, and getting them into this computer's cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.pins import Pins
from backstay.fleet.artefacts.sources import Sources, sources_of
from backstay.fleet.artefacts.table import catalogue
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
    """Return every artefact by name without building anything, as far as digests are known."""
    sources = _sources(spec, config)
    lock = sources.lock_file or sources.places.pins
    pins = Pins(lock, f"linux/{architecture()}", spec.kubernetes).read()
    try:
        return catalogue(spec.kubernetes, pinned={name: pin.digest for name, pin in pins.items()})
    except ArtefactError:
        return (await binaries(spec, config=config, tell=tell))[0]


def _sources(spec: ClusterSpec, config: Path | None) -> Sources:
    return sources_of(spec.artefacts, folder=Path() if config is None else config.parent)
