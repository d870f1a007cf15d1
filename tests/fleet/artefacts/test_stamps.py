"""The memory of what was verified."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.fleet.artefacts import stamps
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.stamps import present, unverified, vouch
from backstay.resources.content import Artefact


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


def put(places: Places, name: str, content: bytes) -> Artefact:
    """Put a file where an artefact belongs, as nobody should."""
    artefact = Artefact(name, sha256(content).hexdigest())
    places.blob(artefact).parent.mkdir(parents=True)
    places.blob(artefact).write_bytes(content)
    return artefact


def test_what_was_hashed_once_is_remembered(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run reads it out of the file, and hashes only what it does not know."""
    first = put(places, "etcd", b"etcd")
    before = present(places, [first])
    second = put(places, "runc", b"runc")
    assert unverified(places, [first, second]) == (second,)
    hashed: list[str] = []
    real = stamps.sha256_of

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(stamps, "sha256_of", counted)
    assert present(places, [first, second]).items() >= before.items()
    assert hashed == ["runc"]


def test_a_changed_or_replaced_file_has_no_stamp(places: Places) -> None:
    """Neither one that was written to, nor another one under its name."""
    etcd, runc = put(places, "etcd", b"etcd"), put(places, "runc", b"runc")
    assert None not in present(places, [etcd, runc]).values()
    with places.blob(etcd).open("ab") as stream:
        stream.write(b"!")
    fresh = places.root / "fresh"
    fresh.write_bytes(b"harm")
    fresh.replace(places.blob(runc))
    assert present(places, [etcd, runc]) == {etcd: None, runc: None}


def test_a_wrong_file_is_never_remembered(places: Places) -> None:
    """It is looked at again each time."""
    etcd = put(places, "etcd", b"etcd")
    places.blob(etcd).write_bytes(b"harm")
    assert [present(places, [etcd]) for _ in range(2)] == [{etcd: None}] * 2
    assert not places.stamps.exists()


def test_what_is_not_there_is_not_told(places: Places) -> None:
    """And asking makes no file."""
    assert present(places, [Artefact("etcd", "ab" * 32)]) == {}
    assert not places.root.exists()


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\n", b"half a line", b"|||||\n"])
def test_a_damaged_memory_only_costs_time(places: Places, damage: bytes) -> None:
    """What it does not say is hashed."""
    etcd = put(places, "etcd", b"etcd")
    places.stamps.write_bytes(damage)
    assert unverified(places, [etcd]) == (etcd,)
    assert present(places, [etcd])[etcd]


def test_a_memory_that_cannot_be_written_only_costs_time(places: Places) -> None:
    """A cache on a medium that may only be read is as good as any."""
    etcd = put(places, "etcd", b"etcd")
    places.stamps.symlink_to("/proc/version")
    assert present(places, [etcd])[etcd]
    assert unverified(places, [etcd]) == (etcd,)


def test_two_runs_lose_nothing_of_each_other(places: Places) -> None:
    """Each adds its lines to those there."""
    etcd, runc = put(places, "etcd", b"etcd"), put(places, "runc", b"runc")
    vouch(places, etcd)
    vouch(places, runc)
    assert unverified(places, [etcd, runc]) == ()


def test_a_warm_look_at_all_artefacts_costs_nothing(places: Places) -> None:
    """Under 10 ms for as many as a cluster has: every apply pays it. The best of five counts."""
    everything = [put(places, f"program-{number}", b"%d" % number) for number in range(20)]
    present(places, everything)
    best = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        present(places, everything)
        best = min(best, time.perf_counter() - begun)
    assert best < 0.010
