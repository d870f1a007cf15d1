"""The files by which one machine differs from another."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lab_room_values import make_lab

from backstay.lab.places import MachinePlaces
from backstay.lab.tree import ensure_tree, hosts_file


def grow(directory: Path, *, index: int = 0) -> MachinePlaces:
    """Make the tree of one machine under a strict umask."""
    lab = make_lab()
    directory.mkdir(exist_ok=True)
    places = MachinePlaces(directory)
    places.host_key.write_text("PRIVATE")
    old = os.umask(0o077)
    try:
        ensure_tree(lab, lab.machines[index], places, authorized="ssh-ed25519 AAAA lab")
    finally:
        os.umask(old)
    return places


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_users_umask_does_not_reach_the_machine(tmp_path: Path) -> None:
    """Services that are not root must get through / and /etc."""
    places = grow(tmp_path / "one")
    for name in ("", "etc", "etc/ssh", "var/log"):
        assert mode(places.upper / name) == 0o755
    assert mode(places.upper / "etc/hosts") == 0o644


def test_secrets_are_roots_alone(tmp_path: Path) -> None:
    """The host key, and who may log in."""
    places = grow(tmp_path / "one")
    assert mode(places.upper / "etc/ssh/ssh_host_ed25519_key") == 0o600
    assert mode(places.upper / "root/.ssh/authorized_keys") == 0o600
    assert mode(places.upper / "root/.ssh") == 0o700
    assert mode(places.upper / "root") == 0o700


def test_machines_have_different_ids(tmp_path: Path) -> None:
    """And a machine keeps its own, with what it changed, when it is started again."""
    first, second = grow(tmp_path / "one"), grow(tmp_path / "two")
    ids = [(places.upper / "etc/machine-id").read_text() for places in (first, second)]
    assert ids[0] != ids[1]
    (first.upper / "etc/hosts").write_text("changed")
    grow(tmp_path / "one")
    assert (first.upper / "etc/machine-id").read_text() == ids[0]
    assert (first.upper / "etc/hosts").read_text() == "changed"


def test_a_machine_whose_making_was_interrupted_is_finished(tmp_path: Path) -> None:
    """The machine id is written last, and says that the rest is there."""
    places = grow(tmp_path / "one")
    (places.upper / "etc/machine-id").unlink()
    (places.upper / "etc/hosts").write_text("half")
    grow(tmp_path / "one")
    assert "10.213.7.11 cp-1" in (places.upper / "etc/hosts").read_text()


def test_every_machine_knows_all_names() -> None:
    """Its own resolves to itself, too."""
    lab = make_lab()
    text = hosts_file(lab, lab.machines[0])
    assert "127.0.1.1 cp-1\n" in text
    assert all(f"{one.address} {one.name}\n" in text for one in lab.machines)
