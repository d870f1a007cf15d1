"""Host keys that this computer knows are pinned; nothing else is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import asyncssh
import pytest

from backstay.fleet.known_hosts import known_key


def _public(kind: str) -> str:
    key = asyncssh.generate_private_key(kind)
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


ED25519, ECDSA = _public("ssh-ed25519"), _public("ecdsa-sha2-nistp256")


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """Return a file with several kinds of entries."""
    path = tmp_path / "known_hosts"
    path.write_text(
        f"10.0.0.1 {ECDSA}\n"
        f"10.0.0.1 {ED25519}\n"
        f"[10.0.0.2]:2222 {ED25519}\n"
        f"10.0.0.3 {ED25519}\n"
        f"@revoked 10.0.0.3 {ED25519}\n"
        f"@cert-authority 10.0.0.4 {ED25519}\n"
    )
    return path


def test_the_preferred_kind_of_key_is_pinned(known_hosts: Path) -> None:
    """Of several known keys, ed25519 comes first, without its comment."""
    assert known_key("10.0.0.1", files=(known_hosts,)) == ED25519


def test_a_hashed_entry_is_found(tmp_path: Path, known_hosts: Path) -> None:
    """OpenSSH may have hashed the names in the file."""
    subprocess.run(("ssh-keygen", "-q", "-H", "-f", str(known_hosts)), check=True, cwd=tmp_path)
    assert "10.0.0.1" not in known_hosts.read_text()
    assert known_key("10.0.0.1", files=(known_hosts,)) == ED25519


def test_a_key_of_another_port_is_found_there_only(known_hosts: Path) -> None:
    """`[address]:port` is the machine behind that port."""
    assert known_key("10.0.0.2", port=2222, files=(known_hosts,)) == ED25519
    assert known_key("10.0.0.2", files=(known_hosts,)) is None


@pytest.mark.parametrize("address", ["10.0.0.3", "10.0.0.4", "10.0.0.9"])
def test_revoked_authorities_and_strangers_are_not_pinned(known_hosts: Path, address: str) -> None:
    """What is revoked, or signs for others, is no host key; nothing is accepted unseen."""
    assert known_key(address, files=(known_hosts,)) is None


def test_missing_and_broken_files_are_passed_over(tmp_path: Path, known_hosts: Path) -> None:
    """The next file is asked."""
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff\xfe\x00 nonsense\n")
    files = (tmp_path / "missing", broken, known_hosts)
    assert known_key("10.0.0.1", files=files) == ED25519
