"""Folders of files that are still being written, and what killed runs leave of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backstay.fleet.artefacts.busy import alone
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.scratch import scratch, tidy
from backstay.fleet.events import nobody

KILLED = """
import os, signal, sys
from pathlib import Path
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.scratch import scratch

with scratch(Places(Path(sys.argv[1])), "kubernetes") as folder:
    (folder / "half").write_bytes(b"half")
    (folder / "half").chmod(0o444)
    folder.chmod(0o555)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


def killed_run(places: Places) -> None:
    """Let another run die without a word."""
    subprocess.run([sys.executable, "-c", KILLED, str(places.root)], check=False)


def test_scratch_folders_go_away(places: Places) -> None:
    """Also when what used them failed."""

    def fail() -> None:
        with scratch(places, "test") as folder:
            (folder / "half").write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(places.partial.iterdir()) == []


def test_what_a_killed_run_left_is_removed(places: Places) -> None:
    """It could be gigabytes; also what it made read-only."""
    killed_run(places)
    (places.partial / "a file").touch()
    assert [one.name.partition("-")[0] for one in places.partial.iterdir()] != []
    tidy(places)
    assert list(places.partial.iterdir()) == []


def test_what_is_in_use_stays(places: Places) -> None:
    """A download needs no build.lock, and is not disturbed by whoever tidies."""
    killed_run(places)
    with scratch(places, "mirror") as folder:
        (folder / "half").write_bytes(b"half")
        tidy(places)
        assert list(places.partial.iterdir()) == [folder]
        assert (folder / "half").read_bytes() == b"half"


async def test_nothing_is_removed_while_another_builds(places: Places) -> None:
    """Only who holds build.lock tidies; that one has done it, or will."""
    killed_run(places)
    before = tuple(places.partial.iterdir())
    async with alone(places, tell=nobody):
        tidy(places)
    assert tuple(places.partial.iterdir()) == before != ()


def test_an_empty_cache_stays_empty(places: Places) -> None:
    """Nothing to tidy makes nothing."""
    tidy(places)
    assert not places.root.exists()
