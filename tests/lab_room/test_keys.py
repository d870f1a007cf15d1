"""SSH keys of a lab."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from lab_room_values import make_lab

from backstay.lab.keys import ensure_key, known_hosts


def test_a_key_is_one_that_openssh_knows(tmp_path: Path) -> None:
    """ssh-keygen derives the same public half."""
    path = tmp_path / "key"
    public = ensure_key(path, comment="who")
    derived = subprocess.run(
        ("ssh-keygen", "-y", "-f", str(path)), capture_output=True, text=True, check=True
    )
    assert public == f"{derived.stdout.strip()} who"


def test_nobody_else_can_read_a_key(tmp_path: Path) -> None:
    """Whatever the umask is."""
    old = os.umask(0)
    try:
        ensure_key(tmp_path / "key", comment="")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """A second run finds the first one's; half a key of a run that was killed is no hindrance."""
    (tmp_path / "key.partial").write_text("half")
    first = ensure_key(tmp_path / "key", comment="")
    assert ensure_key(tmp_path / "key", comment="") == first
    assert ensure_key(tmp_path / "other", comment="") != first


def test_machines_are_known_by_name_and_address() -> None:
    """One line per machine, as ssh-keygen -F finds it."""
    assert known_hosts(make_lab().machines).splitlines()[0] == ("cp-1,10.213.7.11 ssh-ed25519 AAAA")
