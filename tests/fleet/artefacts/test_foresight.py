"""Telling digests before anything is fetched: a saved plan must name what will be there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.foresight import foresee
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.sources import Sources
from backstay.fleet.artefacts.table import artefact_names, catalogue, release_of, shipped_table
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource

VERSION = "1.37.2"
RELEASE = release_of(VERSION)
LISTED = next(iter(shipped_table(RELEASE).by_compiler["runc"]))
BUNDLE, MIRROR = ArtefactSource.BUNDLE, ArtefactSource.MIRROR
PUBLISHED, BUILD = ArtefactSource.RELEASE, ArtefactSource.BUILD


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Return sources of someone who builds, with an empty cache and nothing pinned."""
    return Sources(lock_file=tmp_path / "lock.json", places=Places(tmp_path / "cache"))


def toolchain(monkeypatch: pytest.MonkeyPatch, identity: str) -> None:
    """Let this computer have that C toolchain, or none if it is empty."""

    async def answer() -> str:
        if not identity:
            raise ArtefactError("no gcc")
        return identity

    monkeypatch.setattr("backstay.fleet.artefacts.foresight.c_toolchain", answer)


def pinned(sources: Sources, name: str, source: ArtefactSource, digest: str = "ab" * 32) -> None:
    """Pin one artefact."""
    assert sources.lock_file is not None
    pins = Pins(sources.lock_file, "linux/amd64", VERSION)
    pins.add({name: Pin(digest, source, "somewhere")})


async def test_the_shipped_table_tells_what_a_build_gives(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a listed C toolchain that is everything, and nothing is touched."""
    toolchain(monkeypatch, LISTED)
    assert await foresee(VERSION, sources=sources) == catalogue(VERSION)
    assert not sources.places.root.exists()


async def test_a_pin_goes_before_the_table(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted once is what will be fetched."""
    toolchain(monkeypatch, "gcc of somebody else")
    pinned(sources, "pause.tar", BUILD)
    pinned(sources, "runc", BUILD, "cd" * 32)
    found = await foresee(VERSION, sources=sources)
    assert found["pause.tar"].digest == "ab" * 32
    assert found["runc"].digest == "cd" * 32


async def test_the_runc_of_an_unknown_toolchain_is_not_foreseen(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the first one listed: the build here will give another, and a plan would name a lie."""
    toolchain(monkeypatch, "gcc of somebody else")
    found = await foresee(VERSION, sources=sources)
    assert set(found) == set(artefact_names(RELEASE)) - {"runc"}


async def test_the_runc_in_the_cache_is_the_one_that_is_taken(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was carried here; nothing will be built."""
    toolchain(monkeypatch, "gcc of somebody else")
    runc = catalogue(VERSION)["runc"]
    sources.places.blob(runc).parent.mkdir(parents=True)
    sources.places.blob(runc).touch()
    assert (await foresee(VERSION, sources=sources))["runc"] == runc


async def test_without_a_toolchain_it_is_the_one_we_release_with(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build will say what to install; until then a plan can be read."""
    toolchain(monkeypatch, "")
    assert (await foresee(VERSION, sources=sources))["runc"] == catalogue(VERSION)["runc"]


@pytest.mark.parametrize("order", [(BUNDLE,), (MIRROR, BUNDLE)])
async def test_copies_have_the_runc_we_release_with(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, order: tuple[ArtefactSource, ...]
) -> None:
    """Whatever compiler this computer has."""
    toolchain(monkeypatch, "gcc of somebody else")
    copies = replace(sources, order=order)
    assert await foresee(VERSION, sources=copies) == catalogue(VERSION)


async def test_whether_a_bundle_has_it_is_only_known_by_looking(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it lacks runc, the build here gives another; everything else is the same either way."""
    toolchain(monkeypatch, "gcc of somebody else")
    both = replace(sources, order=(BUNDLE, BUILD))
    assert set(await foresee(VERSION, sources=both)) == set(artefact_names(RELEASE)) - {"runc"}


async def test_a_release_nobody_used_yet_is_not_foreseen(sources: Sources) -> None:
    """Its digest is whatever the first download brings."""
    only = replace(sources, order=(PUBLISHED,))
    assert await foresee(VERSION, sources=only) == {}
    pinned(sources, "etcd", PUBLISHED)
    assert await foresee(VERSION, sources=only) == {"etcd": Artefact("etcd", "ab" * 32)}
    first = replace(sources, order=(BUNDLE, PUBLISHED))
    assert set(await foresee(VERSION, sources=first)) == {"etcd"}
