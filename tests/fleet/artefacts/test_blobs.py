"""The cache, and what is kept out of it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from backstay.fleet.artefacts.blobs import WrongDigestError, admit, blob
from backstay.fleet.artefacts.places import Places
from backstay.resources.content import Artefact

CONTENT = b"a program"
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


def arrived(places: Places, content: bytes = CONTENT) -> Path:
    """Return a file that came from somewhere."""
    places.partial.mkdir(parents=True, exist_ok=True)
    path = places.partial / "arrived"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_the_right_file_gets_its_place(places: Places) -> None:
    """It is named by its digest, and every user may run it: a lab mounts the folder read-only."""
    found = admit(places, arrived(places), name="etcd", expected=DIGEST, origin="somewhere")
    path = blob(places, found)
    assert found == Artefact("etcd", DIGEST)
    assert path == places.root / "blobs" / DIGEST / "etcd"
    assert path.read_bytes() == CONTENT
    modes = [one.stat().st_mode & 0o777 for one in (path, path.parent, path.parent.parent)]
    assert modes == [0o755, 0o755, 0o755]


def test_a_wrong_file_is_refused_and_kept_aside(places: Places) -> None:
    """It is not in the cache, and whoever looks into it finds it, not to be run, in quarantine."""
    path = arrived(places, b"tampered with")
    with pytest.raises(WrongDigestError) as caught:
        admit(places, path, name="etcd", expected=DIGEST, origin="http://mirror/etcd")
    found = sha256(b"tampered with").hexdigest()
    aside = places.quarantine / found / "etcd"
    assert aside.read_bytes() == b"tampered with"
    assert aside.stat().st_mode & 0o777 == 0o600
    assert not places.blobs.exists()
    assert not path.exists()
    assert caught.value.exit_code == 3
    text = str(caught.value)
    assert all(part in text for part in (DIGEST, found, "http://mirror/etcd", str(aside)))


def test_an_empty_file_is_as_wrong_as_any(places: Places) -> None:
    """A download that brought nothing is not accepted for a digest that says otherwise."""
    with pytest.raises(WrongDigestError):
        admit(places, arrived(places, b""), name="etcd", expected=DIGEST, origin="somewhere")


def test_the_first_use_takes_what_comes(places: Places) -> None:
    """Without an expected digest the file says what it is."""
    found = admit(places, arrived(places), name="etcd", expected=None, origin="somewhere")
    assert found.digest == DIGEST


def test_the_same_file_may_come_twice(places: Places) -> None:
    """Two runs that fetched the same do each other no harm."""
    for _ in range(2):
        found = admit(places, arrived(places), name="etcd", expected=DIGEST, origin="somewhere")
    assert blob(places, found).read_bytes() == CONTENT
