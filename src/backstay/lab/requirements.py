"""What this computer needs before a lab can be made, as one table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay.errors import PreflightError


@dataclass(frozen=True, slots=True)
class Requirement:
    """A program on PATH, or a file if `proof` starts with a slash, and the package it is in."""

    proof: str
    package: str
    reason: str


REQUIREMENTS = (
    Requirement("mmdebstrap", "mmdebstrap", "makes the root file system of the machines"),
    Requirement("systemd-nspawn", "systemd-container", "runs the machines"),
    Requirement("journalctl", "systemd", "reads the machines' journals"),
    Requirement("ip", "iproute2", "wires the machines"),
    Requirement("nft", "nftables", "cuts links between machines"),
    Requirement("nsenter", "util-linux", "puts the machines on their wires"),
    Requirement("unshare", "util-linux", "keeps the machines' mounts to themselves"),
    Requirement("mount", "mount", "lays a machine's files over the image"),
    Requirement("ssh", "openssh-client", "opens a shell on a machine"),
    Requirement("gcc", "gcc", "builds runc"),
    Requirement("/usr/include/stdio.h", "libc6-dev", "builds runc"),
    Requirement("pkg-config", "pkg-config", "builds runc"),
    Requirement("/usr/include/seccomp.h", "libseccomp-dev", "builds runc with seccomp"),
)


def is_present(proof: str) -> bool:
    """Look for a program on PATH, or for a file."""
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None


def missing(
    requirements: Iterable[Requirement] = REQUIREMENTS,
    *,
    present: Callable[[str], bool] = is_present,
) -> tuple[Requirement, ...]:
    """Return the requirements that this computer does not meet."""
    return tuple(requirement for requirement in requirements if not present(requirement.proof))


def check_requirements(
    requirements: Iterable[Requirement] = REQUIREMENTS,
    *,
    present: Callable[[str], bool] = is_present,
    user: int | None = None,
) -> None:
    """Return if a lab can be made here; else one PreflightError that lists all that is missing.

    `user` is the effective user id, by default that of this process.
    """
    absent = missing(requirements, present=present)
    is_root = (os.geteuid() if user is None else user) == 0
    if is_root and not absent:
        return
    raise PreflightError(
        "this computer is not ready for a lab",
        where="this computer",
        why="\n".join(_complaints(absent, is_root=is_root)),
        next_move=_next_move(absent, is_root=is_root),
    )


def check_root(*, user: int | None = None) -> None:
    """Return if we are root; else a PreflightError."""
    check_requirements((), user=user)


def _complaints(absent: tuple[Requirement, ...], *, is_root: bool) -> Iterable[str]:
    if not is_root:
        yield "not root: machines need namespaces, mounts and control groups of their own"
    for requirement in absent:
        yield f"no {requirement.proof} ({requirement.package}): it {requirement.reason}"


def _next_move(absent: tuple[Requirement, ...], *, is_root: bool) -> str:
    packages = sorted({requirement.package for requirement in absent})
    install = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if is_root:
        return install
    return f"sudo {install}, then run this again as root" if packages else "run this as root"
