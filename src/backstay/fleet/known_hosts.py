"""Host keys that this computer knows already, from the files of OpenSSH; nothing is asked."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import asyncssh

# The first kind that a machine is known by is the one that is pinned.
_PREFERENCE = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")


def system_files() -> tuple[Path, ...]:
    """Return where OpenSSH keeps host keys, the user's own file first."""
    return (Path("~/.ssh/known_hosts").expanduser(), Path("/etc/ssh/ssh_known_hosts"))


def known_key(address: str, *, port: int = 22, files: Iterable[Path]) -> str | None:
    """Return the public key (`ssh-ed25519 AAAA…`) under which a machine is known, or None.

    Hashed entries are found too; revoked keys and certificate authorities are no host keys.
    """
    found: list[asyncssh.SSHKey] = []
    for path in files:
        with suppress(OSError, ValueError):
            keys, _, revoked, *_ = asyncssh.match_known_hosts(str(path), address, address, port)
            found += [key for key in keys if key not in revoked]
    known = [key for key in found if key.get_algorithm() in _PREFERENCE]
    known.sort(key=lambda key: _PREFERENCE.index(key.get_algorithm()))
    if not known:
        return None
    words = known[0].export_public_key("openssh").decode().split()
    return " ".join(words[:2])
