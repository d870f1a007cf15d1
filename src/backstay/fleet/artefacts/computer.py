"""What this computer is, in the words of Go."""

from __future__ import annotations

import platform

from backstay.errors import ArtefactError

NAMES_OF_AMD64 = ("x86_64", "amd64")
"""As Linux says, and as others do."""


def architecture() -> str:
    """Return GOARCH of this computer; ArtefactError when it is not the one we have binaries for."""
    machine = platform.machine()
    if machine.lower() not in NAMES_OF_AMD64:
        raise ArtefactError(
            "backstay has binaries for x86_64 computers only",
            where="this computer",
            why=f"it is {machine or 'of unknown architecture'}; digests are known, and builds were"
            " tried, on linux/amd64 only",
            next_move="run backstay on an x86_64 computer",
        )
    return "amd64"
