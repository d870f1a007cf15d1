"""Bundles and mirrors."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import WrongDigestError, blob
from backstay.fleet.artefacts.copies import Bundle, Mirror
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.sources import Supplied, Supplier
from backstay.fleet.events import nobody
from fakes.release_server import Site, serve

CONTENT = b"a program"
DIGEST = sha256(CONTENT).hexdigest()
OTHER = sha256(b"other").hexdigest()


async def taken(supplier: Supplier, wanted: dict[str, str | None]) -> list[Supplied]:
    """Return all that a source supplies."""
    return [supplied async for supplied in supplier.supply(wanted)]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


@pytest.fixture
def bundle(tmp_path: Path, places: Places) -> Bundle:
    """Return a bundle with one program."""
    path = tmp_path / "bundle" / DIGEST / "etcd"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return Bundle(tmp_path / "bundle", places, nobody)


async def test_a_bundle_gives_what_it_has(bundle: Bundle, places: Places) -> None:
    """What it lacks is left to the next source, and the bundle stays as it is."""
    (found,) = await taken(bundle, {"etcd": DIGEST, "kubelet": OTHER})
    assert blob(places, found.artefact).read_bytes() == CONTENT
    assert (bundle.folder / DIGEST / "etcd").read_bytes() == CONTENT
    assert not found.first_use


async def test_a_tampered_bundle_is_refused(bundle: Bundle, places: Places) -> None:
    """A copy goes to quarantine; the bundle is the user's, and is not touched."""
    path = bundle.folder / DIGEST / "etcd"
    path.write_bytes(b"other")
    with pytest.raises(WrongDigestError, match=DIGEST):
        await taken(bundle, {"etcd": DIGEST})
    assert path.read_bytes() == b"other"
    assert (places.quarantine / OTHER / "etcd").read_bytes() == b"other"
    assert not places.blobs.exists()


async def test_a_bundle_that_is_not_there_is_an_error(tmp_path: Path, places: Places) -> None:
    """A mistyped path is not the same as an empty bundle."""
    with pytest.raises(ArtefactError, match="no such folder"):
        await taken(Bundle(tmp_path / "nowhere", places, nobody), {"etcd": DIGEST})


def mirror(site: Site, places: Places) -> Mirror:
    """Return a mirror at the server, with a slash too many."""
    return Mirror(f"{site.address}/blobs/", places, nobody)


async def test_a_mirror_gives_what_it_has(places: Places) -> None:
    """It is asked by digest and name, and 404 means the next source."""
    with serve({f"/blobs/{DIGEST}/etcd": CONTENT}) as site:
        (found,) = await taken(mirror(site, places), {"etcd": DIGEST, "kubelet": OTHER})
    assert blob(places, found.artefact).read_bytes() == CONTENT
    assert site.asked == [f"/blobs/{DIGEST}/etcd", f"/blobs/{OTHER}/kubelet"]


async def test_a_mirror_that_lies_is_refused(places: Places) -> None:
    """One flipped bit is enough."""
    with (
        serve({f"/blobs/{DIGEST}/etcd": b"b program"}) as site,
        pytest.raises(WrongDigestError, match=site.address),
    ):
        await taken(mirror(site, places), {"etcd": DIGEST})
    assert not places.blobs.exists()
    assert len(list(places.quarantine.iterdir())) == 1


async def test_a_mirror_that_breaks_off_leaves_nothing(places: Places) -> None:
    """Half a file is neither used nor suspected."""
    path = f"/blobs/{DIGEST}/etcd"
    with serve({path: CONTENT}) as site:
        site.cut_short.add(path)
        with pytest.raises(ArtefactError, match="could not be fetched"):
            await taken(mirror(site, places), {"etcd": DIGEST})
    assert not places.blobs.exists()
    assert not places.quarantine.exists()
    assert list(places.partial.iterdir()) == []


async def test_a_mirror_that_is_down_says_so(places: Places) -> None:
    """The address is in the error."""
    with serve() as site:
        gone = mirror(site, places)
    with pytest.raises(ArtefactError, match=site.address):
        await taken(gone, {"etcd": DIGEST})
