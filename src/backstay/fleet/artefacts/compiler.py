"""The C toolchain, which only runc needs; its bytes depend on it, so it has an identity."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.environment import closed
from backstay.fleet.artefacts.programs import run
from backstay.fleet.artefacts.stamps import sha256_of

APT_LINE = "apt-get install --yes gcc libc6-dev libseccomp-dev pkg-config"

LIBRARIES = ("libseccomp.a", "libc.a")
"""What is linked into runc besides its own code."""

DIGEST_LETTERS = 12
"""Enough of a digest to tell builds of a library apart."""


async def c_toolchain() -> str:
    """Return the identity of the compiler, the linker and the libraries that make runc.

    Two computers with the same identity make the same bytes. Raises ArtefactError with the line
    that installs what is missing.
    """
    missing = [name for name in ("gcc", "ld", "pkg-config") if shutil.which(name) is None]
    libraries = {} if "gcc" in missing else {name: await _library(name) for name in LIBRARIES}
    missing += [name for name, path in libraries.items() if path is None]
    if missing:
        raise ArtefactError(
            "runc cannot be built: programs or libraries are missing",
            where="this computer",
            why=f"not found: {', '.join(missing)}",
            next_move=APT_LINE,
        )
    parts = [await _first_line(name) for name in ("gcc", "ld")]
    parts += [f"{n} {sha256_of(p)[:DIGEST_LETTERS]}" for n, p in libraries.items() if p]
    return ", ".join(parts)


async def _library(name: str) -> Path | None:
    # gcc prints the bare name when it knows no such file.
    outcome = await run(("gcc", f"-print-file-name={name}"), environment=closed(os.environ))
    path = Path(outcome.tail.strip())
    return path if path.is_absolute() else None


async def _first_line(program: str) -> str:
    lines: list[str] = []
    await run((program, "--version"), environment=closed(os.environ), heard=lines.append)
    return lines[0] if lines else f"{program} of unknown version"
