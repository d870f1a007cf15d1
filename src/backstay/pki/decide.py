"""From what was seen of the kept files on all machines, one trust, or a refusal."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from cryptography import x509

from backstay.errors import RefusedError
from backstay.pki.kept import PAIRS, KeptName, KeptPair
from backstay.pki.reading import read_whole
from backstay.pki.trust import Trust
from backstay.resources.resource import Facts, Seen, Unknown
from backstay.spec.model import ClusterSpec

_BEGIN = "-----BEGIN"
_OF_MEMBERS = frozenset({KeptName.ETCD_CERTIFICATE, KeptName.ETCD_PEER_CERTIFICATE})


class Cluster(Enum):
    """Whether some member of etcd has data: then nothing that it depends on is made afresh."""

    EMPTY = "empty"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class _Sighting:
    """One kept file on all the hosts that have it: who has which, who lacks it, who is silent."""

    name: KeptName
    by_digest: Mapping[str, tuple[str, ...]]
    contents: Mapping[str, bytes]
    unknown: Mapping[str, str]

    @property
    def present(self) -> bool:
        return bool(self.by_digest)

    @property
    def digest(self) -> str:
        """The one digest; only of a file that is present and the same everywhere."""
        return next(iter(self.by_digest))


def decide(spec: ClusterSpec, seen: Mapping[str, Mapping[str, Seen]], *, cluster: Cluster) -> Trust:
    """Return what the cluster keeps, and what must be made because no machine has it.

    `seen` maps host names to what was seen of each path; what is not in it is unknown.
    RefusedError, with every problem in it, when hosts disagree (naming them), when half of a pair
    is lost, and when something that might exist on a silent host would have to be made.
    """
    sightings = {name: _look(spec, name, seen, cluster) for name in KeptName}
    missing = frozenset(_missing(sightings))
    problems = [
        *_different(sightings),
        *(problem for pair in PAIRS for problem in _broken(pair, sightings, missing)),
        *_undecided(sightings, missing),
        *(_silent_members(spec, seen) if missing else ()),
        *(_lost(sightings, missing) if cluster is Cluster.ALIVE else ()),
    ]
    if problems:
        raise RefusedError(
            "what the cluster keeps is not the same, or not complete, on its machines",
            where=", ".join(sorted({host for problem in problems for host in problem.hosts})),
            why="; ".join(problem.text for problem in problems),
            next_move="put back the files of the cluster that shall live, from a control plane or"
            " a backup; to start anew, reset these hosts",
        )
    return _trust(sightings, missing)


@dataclass(frozen=True, slots=True)
class _Problem:
    text: str
    hosts: tuple[str, ...] = ()


def _look(
    spec: ClusterSpec, name: KeptName, seen: Mapping[str, Mapping[str, Seen]], cluster: Cluster
) -> _Sighting:
    """Gather one file from the hosts whose word counts."""
    by_digest: dict[str, tuple[str, ...]] = {}
    contents: dict[str, bytes] = {}
    unknown: dict[str, str] = {}
    for host in _witnesses(spec, name, cluster):
        match _seen(seen, host, name):
            case Unknown(why=why):
                unknown[host] = why
            case None:
                pass
            case facts if cluster is Cluster.EMPTY and _is_remnant(seen, host, name):
                del facts
            case facts:
                digest = facts["sha256"]
                by_digest[digest] = (*by_digest.get(digest, ()), host)
                contents[digest] = _content(facts)
    return _Sighting(name, by_digest, contents, unknown)


def _witnesses(spec: ClusterSpec, name: KeptName, cluster: Cluster) -> tuple[str, ...]:
    """Return whose copies count: control planes, and members of a living etcd for its authorities.

    Other machines only ever receive copies: theirs are corrected. Before etcd has data, so are
    those of its members: a run that was cut short may have left them without their key.
    """
    hosts = {host.name for host in spec.control_planes}
    if cluster is Cluster.ALIVE and name in _OF_MEMBERS:
        hosts |= {host.name for host in spec.etcd_members}
    return tuple(sorted(hosts))


def _is_remnant(seen: Mapping[str, Mapping[str, Seen]], host: str, name: KeptName) -> bool:
    """Tell whether a key stands there alone: keys are written first, so a run was cut short."""
    return any(pair.key is name and _seen(seen, host, pair.public) is None for pair in PAIRS)


def _seen(seen: Mapping[str, Mapping[str, Seen]], host: str, name: KeptName) -> Seen:
    found = seen.get(host, {}).get(name.value, Unknown("it was not asked"))
    if isinstance(found, Unknown) or found is None or "sha256" in found:
        return found
    return Unknown(f"what is at {name.value} could not be read")


def _content(facts: Facts) -> bytes:
    """Return the bytes of a public file, told as text or in base64; empty for a secret one."""
    text = facts.get("content", "")
    try:
        return text.encode() if _BEGIN in text else base64.b64decode(text)
    except binascii.Error:
        return text.encode()


def _missing(sightings: Mapping[KeptName, _Sighting]) -> Iterator[KeptName]:
    """Yield what must be made: whole pairs, of which no public half is known anywhere."""
    for pair in PAIRS:
        if not sightings[pair.public].present:
            yield from (pair.key, pair.public)
    if not sightings[KeptName.ENCRYPTION].present:
        yield KeptName.ENCRYPTION


def _different(sightings: Mapping[KeptName, _Sighting]) -> Iterator[_Problem]:
    for sighting in sightings.values():
        if len(sighting.by_digest) > 1:
            groups = sighting.by_digest.items()
            told = ", ".join(f"{digest[:12]}… on {' '.join(hosts)}" for digest, hosts in groups)
            hosts = tuple(host for _, group in groups for host in group)
            yield _Problem(f"{sighting.name.value} differs: {told}", hosts)


def _broken(
    pair: KeptPair, sightings: Mapping[KeptName, _Sighting], missing: frozenset[KeptName]
) -> Iterator[_Problem]:
    public, key = sightings[pair.public], sightings[pair.key]
    if pair.public in missing:
        return
    for digest, hosts in public.by_digest.items():
        if why := _unfit(pair, digest, public.contents[digest]):
            yield _Problem(f"{pair.public.value} {why}", hosts)
    if pair.authority is None and not key.present:
        hosts = public.by_digest[public.digest]
        yield _Problem(
            f"{pair.key.value} was seen on no host, though {pair.public.value} was", hosts
        )


def _unfit(pair: KeptPair, digest: str, content: bytes) -> str:
    """Say why a public half cannot be used; empty when it can."""
    if sha256(content).hexdigest() != digest:
        return "could not be read whole"
    if pair.authority is None:
        return "" if content.startswith(b"-----BEGIN PUBLIC KEY") else "is not a public key in PEM"
    try:
        basics = read_whole(content).extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, x509.ExtensionNotFound):
        return "is not the certificate of an authority"
    return "" if basics.value.ca else "is not the certificate of an authority"


def _undecided(
    sightings: Mapping[KeptName, _Sighting], missing: frozenset[KeptName]
) -> Iterator[_Problem]:
    silent: dict[str, str] = {}
    for name in sorted(missing):
        silent |= sightings[name].unknown
    for host, why in sorted(silent.items()):
        text = f"nobody else has all keys of the cluster, and {host} may have them ({why})"
        yield _Problem(text, (host,))


def _silent_members(
    spec: ClusterSpec, seen: Mapping[str, Mapping[str, Seen]]
) -> Iterator[_Problem]:
    """Yield members of etcd that are nothing else and do not answer: their data may be alive."""
    planes = {host.name for host in spec.control_planes}
    for host in spec.etcd_members:
        found = _seen(seen, host.name, KeptName.ETCD_CERTIFICATE)
        if host.name not in planes and isinstance(found, Unknown):
            text = f"no control plane has all keys, and {host.name} may have data ({found.why})"
            yield _Problem(text, (host.name,))


def _lost(
    sightings: Mapping[KeptName, _Sighting], missing: frozenset[KeptName]
) -> Iterator[_Problem]:
    for name in sorted(missing):
        if not sightings[name].unknown:
            yield _Problem(f"etcd has data, and {name.value}, made with it, is on no control plane")


def _trust(sightings: Mapping[KeptName, _Sighting], missing: frozenset[KeptName]) -> Trust:
    found = {n: s for n, s in sightings.items() if s.present and n not in missing}
    return Trust(
        public={n: s.contents[s.digest] for n, s in found.items() if n.public},
        digests={n: s.digest for n, s in found.items()},
        found_on={n: s.by_digest[s.digest] for n, s in found.items()},
        missing=missing,
    )
