"""SSH keys of a lab: one that opens every machine, and one by which each machine is known."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from backstay.lab.model import Machine


def ensure_key(path: Path, *, comment: str) -> str:
    """Return the public half of the Ed25519 key in a file, which is made (0600) if missing."""
    if not path.exists():
        _make_key(path)
    return f"{_public_half(path.read_bytes())} {comment}"


def _make_key(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    text = Ed25519PrivateKey.generate().private_bytes(
        form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
    )
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    partial.rename(path)


def _public_half(private: bytes) -> str:
    # Imported here because `backstay --help` must not pay for it.
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    public = form.load_ssh_private_key(private, password=None).public_key()
    return public.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()


def known_hosts(machines: Iterable[Machine]) -> str:
    """Return the pinned host keys in the form of OpenSSH's known_hosts."""
    return "".join(f"{machine.name},{machine.address} {machine.host_key}\n" for machine in machines)
