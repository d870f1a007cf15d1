"""Public host keys of SSH as they stand in files: a kind, its base64, and perhaps a comment."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator

KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
LONGEST = 4096
"""Characters; a key of RSA with 16,384 bits has 2,800."""


def flaw(text: str) -> str:
    """Return why the text is no public host key; empty if it is one."""
    kind, _, rest = text.partition(" ")
    if not text.isprintable() or len(text) > LONGEST:
        return "a host key is one line of what can be seen"
    if kind not in KINDS or not rest:
        return f"a host key is its kind ({', '.join(KINDS)}) and its base64, as ssh-keyscan tells"
    if _kind_within(rest.partition(" ")[0]) != kind:
        return f"this base64 is no whole key of the kind {kind}: copy it again"
    return ""


def _kind_within(base64: str) -> str:
    """Return the kind that the key itself tells; empty if it is cut or is no key."""
    try:
        fields = tuple(_fields(b64decode(base64, validate=True)))
    except (binascii.Error, EOFError):
        return ""
    return fields[0].decode(errors="replace") if len(fields) > 1 else ""


def _fields(blob: bytes) -> Iterator[bytes]:
    """Yield the fields, each behind its length in four bytes (RFC 4253 §6.6)."""
    while blob:
        end = 4 + int.from_bytes(blob[:4])
        if len(blob) < end:
            raise EOFError
        yield blob[4:end]
        blob = blob[end:]
