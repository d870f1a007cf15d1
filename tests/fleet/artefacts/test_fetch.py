"""Filling the cache from several sources."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts import stamps
from backstay.fleet.artefacts.blobs import WrongDigestError, blob
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.foresight import foresee
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.releases import ReleaseHosts, downloads
from backstay.fleet.artefacts.sources import Sources
from backstay.fleet.artefacts.table import artefact_names, catalogue, release_of
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource
from fakes.golang import FakeGo
from fakes.release_server import Site, serve

VERSION = "1.37.2"
RELEASE = release_of(VERSION)
NAMES = artefact_names(RELEASE)
PUBLISHED = tuple(name for name in NAMES if name != "pause.tar")
OURS = Pin(sha256(b"pause.tar").hexdigest(), ArtefactSource.BUILD, "go 1.27.3")


def content(name: str) -> bytes:
    """Return what stands for a program here."""
    return name.encode()


def digest(name: str) -> str:
    """Return the digest of what stands for a program."""
    return sha256(content(name)).hexdigest()


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a gzipped tar archive, its paths written as `tar .` writes them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def published() -> dict[str, bytes]:
    """Return every file that the projects would publish, by path."""
    files = {}
    hosts = ReleaseHosts("", "")
    for one in downloads(RELEASE, architecture=architecture(), hosts=hosts):
        members = {member: content(name) for name, member in one.members}
        files[one.url] = archive(members) if members else content(one.name)
    return files


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve the releases on loopback."""
    with serve(published()) as site:
        yield site


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Return sources with an empty cache, a bundle with our pause, and its pin."""
    bundle = tmp_path / "bundle"
    add(bundle, "pause.tar")
    made = Sources(
        bundle=bundle, lock_file=tmp_path / "lock.json", places=Places(tmp_path / "cache")
    )
    pins(made).add({"pause.tar": OURS})
    return made


def add(folder: Path, name: str) -> Path:
    """Put an artefact into a bundle, or a cache."""
    path = folder / digest(name) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content(name))
    return path


def pins(sources: Sources) -> Pins:
    """Return what is pinned beside the configuration."""
    assert sources.lock_file is not None
    return Pins(sources.lock_file, f"linux/{architecture()}", VERSION)


def official(sources: Sources, site: Site) -> Sources:
    """Return the sources of someone who takes the official releases."""
    return Sources(
        order=(ArtefactSource.RELEASE, ArtefactSource.BUNDLE),
        bundle=sources.bundle,
        lock_file=sources.lock_file,
        hosts=ReleaseHosts(site.address, site.address),
        places=sources.places,
    )


async def test_releases_are_pinned_on_first_use(sources: Sources, site: Site) -> None:
    """Every digest that nobody knew stands in the lock file, with the address it came from."""
    found = await fetch(VERSION, sources=official(sources, site))
    assert tuple(found) == NAMES
    pinned = pins(sources).read()
    assert {name: pin.digest for name, pin in pinned.items()} == {
        name: one.digest for name, one in found.items()
    }
    assert all(pinned[name].origin.startswith(site.address) for name in PUBLISHED)
    assert {pinned[name].source for name in PUBLISHED} == {ArtefactSource.RELEASE}
    assert blob(sources.places, found["etcd"]).read_bytes() == b"etcd"


async def test_an_archive_is_fetched_once(sources: Sources, site: Site) -> None:
    """Three programs of one archive are one download."""
    await fetch(VERSION, sources=official(sources, site))
    assert sum("etcd-v3.7.3" in path for path in site.asked) == 1
    assert len(site.asked) == len(set(site.asked))


async def test_a_filled_cache_asks_nobody(sources: Sources, site: Site) -> None:
    """The second run costs no download."""
    first = await fetch(VERSION, sources=official(sources, site))
    site.asked.clear()
    assert await fetch(VERSION, sources=official(sources, site)) == first
    assert site.asked == []


async def test_a_damaged_file_in_the_cache_is_refused(sources: Sources, site: Site) -> None:
    """Cut short by a full disk or changed by somebody: it is set aside, and the run stops.

    The next run fetches it anew, against the pin.
    """
    found = await fetch(VERSION, sources=official(sources, site))
    path = blob(sources.places, found["kubelet"])
    path.write_bytes(b"kub")
    site.asked.clear()
    with pytest.raises(WrongDigestError, match="kubelet is not the file it should be") as caught:
        await fetch(VERSION, sources=official(sources, site))
    aside = sources.places.quarantine / sha256(b"kub").hexdigest() / "kubelet"
    assert aside.read_bytes() == b"kub"
    assert aside.stat().st_mode & 0o111 == 0
    assert str(path) in str(caught.value)
    assert "run again" in str(caught.value)
    assert site.asked == []
    assert await fetch(VERSION, sources=official(sources, site)) == found
    assert path.read_bytes() == b"kubelet"
    assert [one.rpartition("/")[2] for one in site.asked] == ["kubelet"]


async def test_a_damage_that_leaves_size_and_time_is_seen(sources: Sources, site: Site) -> None:
    """Whoever sets the time of modification back does not set back that of the change."""
    found = await fetch(VERSION, sources=official(sources, site))
    path = blob(sources.places, found["kubelet"])
    before = path.stat()
    path.write_bytes(b"tebeluk")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(WrongDigestError, match="kubelet"):
        await fetch(VERSION, sources=official(sources, site))


async def test_a_filled_cache_is_not_hashed_again(
    sources: Sources, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even once more after the run that filled it."""
    found = await fetch(VERSION, sources=official(sources, site))

    def refuse(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(stamps, "sha256_of", refuse)
    assert await fetch(VERSION, sources=official(sources, site)) == found


async def test_redirects_are_followed(sources: Sources, site: Site) -> None:
    """Release pages send downloads elsewhere."""
    path = next(path for path in site.files if path.endswith("/kubelet"))
    site.files["/elsewhere"] = site.files.pop(path)
    site.moved[path] = f"{site.address}/elsewhere"
    found = await fetch(VERSION, sources=official(sources, site))
    assert found["kubelet"].digest == digest("kubelet")


async def test_a_release_that_changed_is_refused(sources: Sources, site: Site) -> None:
    """What was pinned is checked ever after; the stranger is in quarantine, the pin unchanged."""
    found = await fetch(VERSION, sources=official(sources, site))
    before = pins(sources).read()
    blob(sources.places, found["kubelet"]).unlink()
    path = next(path for path in site.files if path.endswith("/kubelet"))
    site.files[path] = b"somebody else's kubelet"
    with pytest.raises(WrongDigestError, match="kubelet is not the file it should be"):
        await fetch(VERSION, sources=official(sources, site))
    assert pins(sources).read() == before
    aside = sources.places.quarantine / sha256(b"somebody else's kubelet").hexdigest() / "kubelet"
    assert aside.exists()
    assert not blob(sources.places, found["kubelet"]).exists()


async def test_a_damaged_archive_is_an_error(sources: Sources, site: Site) -> None:
    """Nothing is pinned to what could not be unpacked."""
    path = next(path for path in site.files if "etcd-v3.7.3" in path)
    site.files[path] = site.files[path][:-20]
    with pytest.raises(ArtefactError, match="a published archive is not what it should be"):
        await fetch(VERSION, sources=official(sources, site))
    assert "etcd" not in pins(sources).read()


async def test_what_was_pinned_before_a_failure_stays(sources: Sources, site: Site) -> None:
    """A download that fails does not undo those before it."""
    site.files = {path: data for path, data in site.files.items() if "coredns" not in path}
    with pytest.raises(ArtefactError, match=r"coredns\.tar"):
        await fetch(VERSION, sources=official(sources, site))
    assert set(pins(sources).read()) == set(NAMES) - {"coredns.tar"}


async def test_coredns_is_packed_as_an_image(sources: Sources, site: Site) -> None:
    """The published program becomes the same kind of archive that a build gives."""
    found = await fetch(VERSION, sources=official(sources, site))
    with tarfile.open(blob(sources.places, found["coredns.tar"])) as opened:
        stream = opened.extractfile("index.json")
        assert stream is not None
        (entry,) = json.loads(stream.read())["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "backstay.local/coredns:1.14.7"


def everything_pinned(sources: Sources) -> None:
    """Pin every artefact to what stands for it here."""
    pins(sources).add(
        {name: Pin(digest(name), ArtefactSource.BUILD, "go 1.27.3") for name in NAMES}
    )


async def test_the_first_source_that_can_is_taken(sources: Sources) -> None:
    """The bundle gives what it has; the mirror is asked only for the rest."""
    everything_pinned(sources)
    assert sources.bundle is not None
    for name in NAMES[:10]:
        add(sources.bundle, name)
    with serve({f"/{digest(name)}/{name}": content(name) for name in NAMES}) as site:
        both = Sources(
            order=(ArtefactSource.BUNDLE, ArtefactSource.MIRROR),
            bundle=sources.bundle,
            mirror=site.address,
            lock_file=sources.lock_file,
            places=sources.places,
        )
        found = await fetch(VERSION, sources=both)
    assert found == {name: Artefact(name, digest(name)) for name in NAMES}
    assert {path.split("/")[-1] for path in site.asked} == set(NAMES[10:])


async def test_a_source_that_does_not_work_is_passed_over(sources: Sources) -> None:
    """A bundle that is not there is no trouble while the mirror has everything."""
    everything_pinned(sources)
    with serve({f"/{digest(name)}/{name}": content(name) for name in NAMES}) as site:
        both = Sources(
            order=(ArtefactSource.BUNDLE, ArtefactSource.MIRROR),
            bundle=sources.places.root / "nowhere",
            mirror=site.address,
            lock_file=sources.lock_file,
            places=sources.places,
        )
        assert len(await fetch(VERSION, sources=both)) == len(NAMES)


async def test_a_wrong_digest_is_not_passed_over(sources: Sources) -> None:
    """Somebody must look at it, even when another source would have the right file."""
    everything_pinned(sources)
    assert sources.bundle is not None
    add(sources.bundle, "etcd").write_bytes(b"tampered with")
    with serve({f"/{digest(name)}/{name}": content(name) for name in NAMES}) as site:
        both = Sources(
            order=(ArtefactSource.BUNDLE, ArtefactSource.MIRROR),
            bundle=sources.bundle,
            mirror=site.address,
            lock_file=sources.lock_file,
            places=sources.places,
        )
        with pytest.raises(WrongDigestError, match="etcd is not the file"):
            await fetch(VERSION, sources=both)


async def test_an_interrupted_mirror_is_asked_only_for_the_rest(sources: Sources) -> None:
    """What arrived whole stays; what broke off is fetched again from its beginning."""
    everything_pinned(sources)
    with serve({f"/{digest(name)}/{name}": content(name) for name in NAMES}) as site:
        broken = f"/{digest(NAMES[5])}/{NAMES[5]}"
        site.cut_short.add(broken)
        mirror = Sources(
            order=(ArtefactSource.MIRROR,),
            mirror=site.address,
            lock_file=sources.lock_file,
            places=sources.places,
        )
        with pytest.raises(ArtefactError, match="could not be fetched"):
            await fetch(VERSION, sources=mirror)
        site.cut_short.clear()
        site.asked.clear()
        assert len(await fetch(VERSION, sources=mirror)) == len(NAMES)
    assert {path.rpartition("/")[2] for path in site.asked} == set(NAMES[5:])


async def test_what_no_source_has_is_named(sources: Sources) -> None:
    """The error lists what is missing and who was asked."""
    everything_pinned(sources)
    only = Sources(
        order=(ArtefactSource.BUNDLE,),
        bundle=sources.bundle,
        lock_file=sources.lock_file,
        places=sources.places,
    )
    with pytest.raises(ArtefactError, match=r"no source has .*kubelet") as caught:
        await fetch(VERSION, sources=only)
    assert "pause.tar" not in caught.value.what
    assert caught.value.where == "asked: bundle"


async def test_a_source_without_a_place_is_an_error(sources: Sources) -> None:
    """Naming the mirror without its address cannot be meant."""
    only = Sources(order=(ArtefactSource.MIRROR,), places=sources.places)
    with pytest.raises(ArtefactError, match=r"artefacts\.mirror does not say where"):
        await fetch(VERSION, sources=only)


async def test_building_fills_what_is_missing(sources: Sources) -> None:
    """With everything else in the cache only one set is built, and checked against the pin."""
    go = FakeGo(sources.places.toolchains, RELEASE.go)
    everything_pinned(sources)
    etcd = Pin(sha256(b"server").hexdigest(), ArtefactSource.BUILD, "go 1.27.3")
    pins(sources).add({"etcd": etcd})
    for name in set(NAMES) - {"etcd"}:
        add(sources.places.blobs, name)
    build = Sources(lock_file=sources.lock_file, places=sources.places)
    found = await fetch(VERSION, sources=build)
    assert len(go.calls) == 1
    assert blob(sources.places, found["etcd"]).read_bytes() == b"server"
    assert found["etcd"].digest == etcd.digest


async def test_leftovers_of_killed_runs_are_removed(sources: Sources, site: Site) -> None:
    """Before anything is fetched or built; a run that has nothing to do does not look."""
    left = sources.places.partial / "kubernetes-abcdefgh"
    left.mkdir(parents=True)
    (left / "half").touch()
    await fetch(VERSION, sources=official(sources, site))
    assert list(sources.places.partial.iterdir()) == []


async def test_a_cache_that_cannot_be_written_is_an_error(sources: Sources) -> None:
    """A full disk, or no rights, is told like any other failure."""
    everything_pinned(sources)
    sources.places.root.mkdir()
    sources.places.partial.write_text("in the way")
    only = Sources(
        order=(ArtefactSource.BUNDLE,),
        bundle=sources.bundle,
        lock_file=sources.lock_file,
        places=sources.places,
    )
    with pytest.raises(ArtefactError, match="XDG_CACHE_HOME"):
        await fetch(VERSION, sources=only)


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "riscv64", "i686", ""])
async def test_another_architecture_is_refused(
    sources: Sources, site: Site, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """Before anything is asked for, fetched or built; also where a plan only needs digests."""
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(ArtefactError, match="x86_64") as caught:
        await fetch(VERSION, sources=official(sources, site))
    assert machine in str(caught.value)
    with pytest.raises(ArtefactError, match="x86_64"):
        await foresee(VERSION, sources=sources)
    with pytest.raises(ArtefactError, match="x86_64"):
        catalogue(VERSION)
    assert site.asked == []
    assert not sources.places.root.exists()


def test_everything_but_our_pause_is_published() -> None:
    """Each artefact has exactly one address."""
    files = downloads(RELEASE, architecture="amd64", hosts=ReleaseHosts())
    names = [name for one in files for name in one.names]
    assert sorted(names) == sorted(PUBLISHED)


@pytest.mark.parametrize(
    ("project", "file"),
    [
        ("etcd-io/etcd", "v3.7.3/etcd-v3.7.3-linux-amd64.tar.gz"),
        ("opencontainers/runc", "v1.5.2/runc.amd64"),
        ("containernetworking/plugins", "v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz"),
        ("containerd/containerd", "v2.3.7/containerd-static-2.3.7-linux-amd64.tar.gz"),
        ("coredns/coredns", "v1.14.7/coredns_1.14.7_linux_amd64.tgz"),
    ],
)
def test_addresses_are_those_the_projects_use(project: str, file: str) -> None:
    """As written in their release notes."""
    files = downloads(RELEASE, architecture="amd64", hosts=ReleaseHosts())
    addresses = {one.url for one in files}
    assert f"https://github.com/{project}/releases/download/{file}" in addresses
    assert "https://dl.k8s.io/v1.37.2/bin/linux/amd64/kube-apiserver" in addresses
