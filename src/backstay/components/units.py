"""systemd units with the digest of what they read: the one place where that law is kept.

A unit's digest covers its own text, the content of every file that it reads once, when it starts,
and its program. It does not cover what the program reads again by itself, such as key pairs, or
every renewal would restart it; nor what a reload brings in, which has a digest of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from backstay.resources.content import Text
from backstay.resources.files import Binary, File
from backstay.resources.resource import Key, Resource
from backstay.resources.service import Service, Tier

UNITS = "/etc/systemd/system"
MODE = "600"
"""Of unit files, as CIS 1.1.1-8 has it for the manifests in whose place they stand."""

DIGEST = "BACKSTAY_DIGEST"
RELOAD_DIGEST = "BACKSTAY_RELOAD_DIGEST"

FOREVER = ("Restart=always", "RestartSec=1s")
"""Nothing waits for anything else: a unit that came too early tries again a second later."""

FIRST = "Nice=-15"
"""For programs whose lateness looks like their loss. With one busy loop per machine, members of
etcd with timers of 50 and 350 ms lost their leader every six seconds without it, and once a minute
with it (docs/decisions/profiles.md)."""

SEALED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
)
"""What every unit bears that neither makes containers nor mounts anything."""

CONFINED = (
    *SEALED,
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "CapabilityBoundingSet=",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
)
"""For programs that only talk over the network and write in their own directories."""


class Kind(Enum):
    """Whether a unit has a process while it is active, and how its digest is told."""

    DAEMON = "daemon"
    ONESHOT = "oneshot"
    RELOADED = "reloaded"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit before its digest is known; `service` and `section` are lines of [Service] and [Unit].

    `reads` is read once at start; `rereads` is read again by the program itself, or has no effect
    on a running one; `reloads` is taken in by a reload, for units of that kind.
    """

    name: str
    description: str
    tier: Tier
    service: tuple[str, ...]
    section: tuple[str, ...] = ()
    reads: tuple[Resource, ...] = ()
    rereads: tuple[Resource, ...] = ()
    reloads: tuple[Resource, ...] = ()
    kind: Kind = Kind.DAEMON

    @property
    def unit(self) -> str:
        """The unit's full name."""
        return f"{self.name}.service"


def install(unit: Unit) -> tuple[File, Service]:
    """Return the unit's file, and the wish that it runs as written."""
    digest = digest_of("\n".join(_lines(unit, ())), unit.reads)
    reload_digest = digest_of("", unit.reloads) if unit.kind is Kind.RELOADED else None
    environment = [f"Environment={DIGEST}={digest}"]
    if reload_digest is not None:
        environment.append(f"Environment={RELOAD_DIGEST}={reload_digest}")
    text = "\n".join(_lines(unit, environment)) + "\n"
    file = File(f"{UNITS}/{unit.unit}", Text(text), mode=MODE)
    service = Service(
        unit.unit,
        digest,
        unit.tier,
        reads=_keys(file, *unit.reads, *unit.rereads, *unit.reloads),
        reload_digest=reload_digest,
        oneshot=unit.kind is Kind.ONESHOT,
    )
    return file, service


def digest_of(text: str, reads: Sequence[Resource]) -> str:
    """Return the SHA-256 over a text and the contents of resources, in hexadecimal."""
    total = sha256(text.encode())
    for resource in sorted(reads, key=lambda resource: resource.key):
        total.update(f"\n{resource.key} {_content_digest(resource)}".encode())
    return total.hexdigest()


def _content_digest(resource: Resource) -> str:
    """Return the digest of the bytes; TypeError for what has none before it is made."""
    if isinstance(resource, Binary):
        return resource.artefact.digest
    if isinstance(resource, File) and (digest := getattr(resource.content, "digest", None)):
        return str(digest)
    if isinstance(resource, File):
        return ""
    message = f"{resource.key} has no digest of its own"
    raise TypeError(message)


def _keys(*resources: Resource) -> tuple[Key, ...]:
    return tuple(dict.fromkeys(resource.key for resource in resources))


def _lines(unit: Unit, environment: Sequence[str]) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description={unit.description}"
    yield from unit.section
    yield "StartLimitIntervalSec=0"
    yield ""
    yield "[Service]"
    yield from environment
    yield from unit.service
    yield from _recording(unit)
    yield ""
    yield "[Install]"
    yield "WantedBy=multi-user.target"


def _recording(unit: Unit) -> Iterator[str]:
    """Yield what tells a digest that no process carries: after a start, and after a reload.

    It stands last, so that nothing is recorded that was not done.
    """
    if unit.kind is Kind.DAEMON:
        return
    variable = RELOAD_DIGEST if unit.kind is Kind.RELOADED else DIGEST
    record = f"+/bin/sh -c 'mkdir -p /run/backstay && echo ${{{variable}}} >/run/backstay/%n'"
    yield f"ExecStartPost={record}"
    if unit.kind is Kind.RELOADED:
        yield f"ExecReload={record}"
