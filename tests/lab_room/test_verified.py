"""Stamps of verified artefacts: what perform.sh on a machine takes for its own."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.lab.places import blob_directory
from backstay.lab.recipe import MIRROR_DIRECTORY
from backstay.lab.verified import verified
from backstay.resources.content import Artefact


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def blob(name: str, content: bytes) -> tuple[Artefact, Path]:
    digest = sha256(content).hexdigest()
    path = blob_directory() / digest / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return Artefact(name, digest), path


def test_a_stamp_is_what_stat_prints() -> None:
    """The machine compares lines of text: each digit counts."""
    artefact, path = blob("etcd", b"program")
    shown = subprocess.run(
        ["stat", "-L", "-c", "%i|%s|%y|%z", path],
        capture_output=True,
        text=True,
        env={"TZ": "UTC", "LC_ALL": "C"},
        check=True,
    ).stdout.strip()
    inside = f"{MIRROR_DIRECTORY}/{artefact.digest}/etcd"
    assert verified([artefact]) == f"{inside}|{shown}|{artefact.digest}\n"


def test_a_damaged_artefact_has_no_stamp() -> None:
    """Neither at first sight, nor when it changed after it had one."""
    good, path = blob("etcd", b"program")
    bad, other = blob("runc", b"runs")
    other.write_bytes(b"harm")
    assert verified([good, bad]).count("\n") == 1
    path.write_bytes(b"harmful")
    assert verified([good, bad]) == ""


def test_what_is_not_there_has_no_stamp() -> None:
    """On a computer with an empty cache the machines verify for themselves."""
    assert verified([Artefact("etcd", "0" * 64)]) == ""


def test_a_known_artefact_is_not_hashed_again() -> None:
    """What is remembered of a file that looks as it did is believed, as machines do."""
    artefact, _ = blob("etcd", b"program")
    stamp = verified([artefact])
    pretended = Artefact("etcd", "0" * 64)
    path = blob_directory() / pretended.digest / "etcd"
    path.parent.mkdir()
    path.hardlink_to(blob_directory() / artefact.digest / "etcd")
    assert verified([pretended]) == ""
    looks = verified([artefact]).split("|", 1)[1].rsplit("|", 1)[0]
    memory = f"{pretended.digest}/etcd|{looks}|{pretended.digest}\n"
    (blob_directory().parent / "verified").write_text(memory)
    assert verified([pretended]) == f"{MIRROR_DIRECTORY}/{memory}" != stamp
