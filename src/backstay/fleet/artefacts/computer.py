"""What this computer is, in the words of Go."""

from __future__ import annotations

import platform

from backstay.errors import ArtefactError

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture() -> str:
    """Return GOARCH of this computer; ArtefactError when nothing is built for it."""
    machine = platform.machine().lower()
    if machine not in ARCHITECTURES:
        raise ArtefactError(
            f"there are no binaries for {machine} computers",
            where="this computer",
            next_move="run backstay on amd64 or arm64",
        )
    return ARCHITECTURES[machine]
