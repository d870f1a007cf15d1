"""Building, with a Go that compiles nothing."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts import space
from backstay.fleet.artefacts.blobs import WrongDigestError, blob
from backstay.fleet.artefacts.build import Builder, build_arguments
from backstay.fleet.artefacts.building import Building
from backstay.fleet.artefacts.busy import alone
from backstay.fleet.artefacts.modules import ModuleSet, module_sets
from backstay.fleet.artefacts.pins import Pin
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.sources import Expectations, Supplied
from backstay.fleet.artefacts.space import still_needed
from backstay.fleet.artefacts.table import Table, release_of
from backstay.fleet.events import Event, Note, nobody
from backstay.spec.model import ArtefactSource
from fakes.golang import FakeGo

RELEASE = release_of("1.37.2")
ETCD = {"etcd": "server", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
"""What the fake Go writes into each."""


def digest(content: str) -> str:
    """Return what the shipped table would say of that content."""
    return sha256(content.encode()).hexdigest()


def module_set(name: str) -> ModuleSet:
    """Return a set by its name."""
    return next(one for one in module_sets(RELEASE) if one.name == name)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


@pytest.fixture
def go(places: Places) -> FakeGo:
    """Return the pinned Go, as far as anybody can tell."""
    return FakeGo(places.toolchains, RELEASE.go)


def building(places: Places, *, tell: list[Event] | None = None) -> Building:
    """Return the source, with neither pins nor shipped digests."""
    listener = nobody if tell is None else tell.append
    return Building(RELEASE, Expectations({}, Table({}, {})), places, listener)


async def built(source: Building, wanted: dict[str, str | None]) -> dict[str, Supplied]:
    """Build, and return what came by name."""
    return {one.artefact.name: one async for one in source.supply(wanted)}


async def test_a_set_is_built_at_once(places: Places, go: FakeGo) -> None:
    """One call makes all its programs; the one that Go calls server becomes etcd."""
    found = await built(building(places), dict.fromkeys(ETCD))
    assert {name: blob(places, one.artefact).read_text() for name, one in found.items()} == ETCD
    assert len(go.calls) == 1
    assert list(places.partial.iterdir()) == []


async def test_unknown_digests_are_told_as_first_use(places: Places, go: FakeGo) -> None:
    """Whoever asked pins them; known ones were only checked."""
    known: dict[str, str | None] = {"etcd": digest("server"), "etcdctl": None}
    found = await built(building(places), known)
    assert go.calls
    assert not found["etcd"].first_use
    assert found["etcdctl"].first_use
    assert found["etcdctl"].origin == "go 1.27.3"


async def test_other_bytes_than_expected_are_refused(places: Places, go: FakeGo) -> None:
    """A build that differs from the shipped table goes to quarantine."""
    with pytest.raises(WrongDigestError, match="etcdctl is not the file"):
        await built(building(places), {"etcd": digest("server"), "etcdctl": digest("else")})
    assert go.calls
    assert (places.quarantine / digest("etcdctl") / "etcdctl").exists()


async def test_images_are_packed(places: Places, go: FakeGo) -> None:
    """What runs in pods becomes an archive, and the bare program is not kept."""
    found = await built(building(places), {"pause.tar": None})
    assert go.calls
    path = blob(places, found["pause.tar"].artefact)
    assert b"backstay.local/pause:1" in path.read_bytes()
    assert len(list(places.blobs.iterdir())) == 1


async def test_a_failed_build_says_what_the_compiler_said(places: Places, go: FakeGo) -> None:
    """And leaves nothing half-made."""
    go.set("fail")
    with pytest.raises(ArtefactError, match="undefined: everything"):
        await built(building(places), dict.fromkeys(ETCD))
    assert not places.blobs.exists()
    assert list(places.partial.iterdir()) == []


async def test_finished_sets_survive_a_failure(places: Places, go: FakeGo) -> None:
    """The next run builds only what is missing."""
    source = building(places)
    wanted: dict[str, str | None] = {"pause.tar": None, "etcd": digest("server")}
    have: dict[str, Supplied] = {}

    async def build_until_it_fails() -> None:
        async for one in source.supply(wanted):
            have[one.artefact.name] = one
            go.set("fail")

    with pytest.raises(ArtefactError):
        await build_until_it_fails()
    assert set(have) == {"pause.tar"}
    go.unset("fail")
    again = wanted | {"pause.tar": have["pause.tar"].artefact.digest}
    assert set(await built(source, again)) >= {"pause.tar", "etcd"}
    assert sum("backstay.local" in call or "pause" in call for call in go.calls) == 1


async def test_an_interrupted_build_ends_its_compiler(places: Places, go: FakeGo) -> None:
    """When we are stopped nothing goes on in the background, and nothing is half-made."""
    go.set("wait")
    task = asyncio.create_task(built(building(places), dict.fromkeys(ETCD)))
    async with asyncio.timeout(20):
        while not (go.waiting.exists() and go.waiting.read_text()):
            assert not task.done()
            await asyncio.sleep(0.01)
    process = int(go.waiting.read_text())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not places.blobs.exists()
    assert list(places.partial.iterdir()) == []
    async with asyncio.timeout(5), alone(places, tell=nobody):
        pass


async def test_what_another_run_built_meanwhile_is_taken(places: Places, go: FakeGo) -> None:
    """The one that waited for the lock looks again before it compiles."""
    wanted: dict[str, str | None] = {name: digest(content) for name, content in ETCD.items()}
    first, second = await asyncio.gather(
        built(building(places), wanted), built(building(places), wanted)
    )
    assert first == second
    assert len(go.calls) == 1


async def test_the_one_who_waits_says_so(places: Places) -> None:
    """A run that seems to hang is waiting for another."""
    told: list[Event] = []
    order: list[str] = []
    waits = asyncio.Event()

    def heard(event: Event) -> None:
        told.append(event)
        waits.set()

    async def second() -> None:
        async with alone(places, tell=heard):
            order.append("second")

    async with alone(places, tell=nobody):
        task = asyncio.create_task(second())
        await asyncio.wait_for(waits.wait(), 5)
        order.append("first")
    await task
    assert order == ["first", "second"]
    assert told == [Note("another backstay is building on this computer; waiting for it")]


async def test_progress_is_told(places: Places, go: FakeGo) -> None:
    """The reader sees what is being built, and that it was."""
    told: list[Event] = []
    await built(building(places, tell=told), dict.fromkeys(ETCD))
    assert go.calls
    texts = [event.text for event in told if isinstance(event, Note)]
    assert texts[0] == "building etcd: etcd, etcdctl, etcdutl"
    assert texts[-1].startswith("built etcd in ")


async def test_a_runc_of_another_compiler_is_explained(places: Places, go: FakeGo) -> None:
    """A pinned runc that this computer cannot make again is not built in vain."""
    pins = {"runc": Pin("ab" * 32, ArtefactSource.BUILD, "gcc of somebody else")}
    source = replace(building(places), expectations=Expectations(pins, Table({}, {})))
    # Without a compiler the first thing to say is how to install one.
    with pytest.raises(ArtefactError, match=r"gcc of somebody else|apt-get install"):
        await built(source, {"runc": "ab" * 32})
    assert go.calls == []


@pytest.mark.parametrize("modules", module_sets(RELEASE), ids=lambda one: one.name)
def test_nothing_of_this_computer_gets_into_the_bytes(modules: ModuleSet, tmp_path: Path) -> None:
    """Paths are trimmed, and neither version control nor a build id is recorded."""
    arguments = build_arguments(modules, tmp_path)
    assert {"-trimpath", "-buildvcs=false"} <= set(arguments)
    (link,) = [one for one in arguments if one.startswith("-ldflags=")]
    assert "-buildid=" in link.removeprefix("-ldflags=").split(" ")
    assert str(Path.home()) not in " ".join(arguments)


async def test_only_what_needs_c_gets_c(places: Places, go: FakeGo) -> None:
    """A program without C runs on a machine with any libc."""
    builder = Builder(places=places, go=go.program, tell=nobody, base=os.environ)
    await builder.build(module_set("etcd"), expected={})
    assert go.environment["CGO_ENABLED"] == "0"
    assert go.environment["GOENV"] == "off"
    await builder.build(module_set("runc"), expected={})
    assert go.environment["CGO_ENABLED"] == "1"


async def test_the_proxy_that_go_was_told_of_is_used(
    places: Places, go: FakeGo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The build reads no file of settings; what one says of the proxy is handed over."""
    theirs = tmp_path / "bin" / "go"
    theirs.parent.mkdir()
    theirs.write_text("""#!/bin/sh\necho '{"GOPROXY": "https://proxy.example.test"}'\n""")
    theirs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{theirs.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CPATH", "/somewhere/else")
    await built(building(places), dict.fromkeys(ETCD))
    assert go.environment["GOPROXY"] == "https://proxy.example.test"
    assert "CPATH" not in go.environment


async def test_too_little_disk_stops_before_the_compiler(
    places: Places, go: FakeGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was compiled when the reader is told."""
    monkeypatch.setattr(space, "OUTPUT_BYTES", 10**18)
    with pytest.raises(ArtefactError, match="too little disk space"):
        await built(building(places), dict.fromkeys(ETCD))
    assert go.calls == []


async def test_an_interrupted_set_needs_only_the_rest(places: Places, go: FakeGo) -> None:
    """What it brought into the caches before it failed is known by the next run."""
    etcd = module_set("etcd")
    go.set("fail")
    with pytest.raises(ArtefactError, match="undefined"):
        await built(building(places), dict.fromkeys(ETCD))
    fill(places, 50_000_000)
    assert still_needed(places, [etcd]) <= etcd.cache_bytes - 50_000_000
    go.unset("fail")
    await built(building(places), dict.fromkeys(ETCD))
    assert still_needed(places, [etcd]) == etcd.cache_bytes


def fill(places: Places, size: int) -> None:
    """Let the build cache hold so much."""
    places.build_cache.mkdir(parents=True, exist_ok=True)
    (places.build_cache / "object").write_bytes(bytes(size))
