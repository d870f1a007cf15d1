"""What the cluster trusts: its authorities, service-account keys and encryption key, as one value.

The machines are the only place where these are kept. Looking at all of them either gives one
answer, or a refusal that names the hosts: two authorities of one name are never chosen between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from backstay.pki.authority import Authority
from backstay.pki.kept import PAIR_OF, KeptName, kept_on
from backstay.pki.request import AuthorityName
from backstay.resources.content import Kept, Text
from backstay.resources.files import File
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec

SECRET_MODE = "600"  # noqa: S105  # rights of a file
PUBLIC_MODE = "644"


@dataclass(frozen=True, slots=True)
class Trust:
    """The kept files of a cluster, as far as they may be known without their secrets.

    `public` holds the bytes of certificates and public keys, `digests` the SHA-256 of every kept
    file, `found_on` where each was seen, `missing` what is nowhere and must be made, `new` what
    was made in this run and is on no machine yet.
    """

    public: Mapping[KeptName, bytes] = field(default_factory=dict)
    digests: Mapping[KeptName, str] = field(default_factory=dict)
    found_on: Mapping[KeptName, tuple[str, ...]] = field(default_factory=dict)
    missing: frozenset[KeptName] = frozenset()
    new: frozenset[KeptName] = frozenset()

    def authority(self, name: AuthorityName) -> bytes | None:
        """Return the authority's certificate in PEM; None while it is yet to be made."""
        return self.public.get(PAIR_OF[name].public)

    @property
    def missing_authorities(self) -> tuple[AuthorityName, ...]:
        """The authorities that must be made."""
        return tuple(name for name, pair in PAIR_OF.items() if pair.public in self.missing)

    @property
    def external(self) -> frozenset[AuthorityName]:
        """The authorities whose key is on no control plane: only their owner can sign."""
        return frozenset(
            name
            for name, pair in PAIR_OF.items()
            if pair.public in self.public and pair.key not in self.digests
        )


UNSEEN = Trust()
"""Nothing known yet: for asking the machines, where only paths matter."""


def complete(trust: Trust, created: Mapping[KeptName, bytes | Secret]) -> Trust:
    """Return the trust with what was made for it; ValueError unless that is what was missing."""
    if set(created) != set(trust.missing):
        message = f"missing are {_list(trust.missing)}, but made were {_list(created)}"
        raise ValueError(message)
    made = {name: _bytes(value) for name, value in created.items()}
    return replace(
        trust,
        public={**trust.public, **{n: value for n, value in made.items() if n.public}},
        digests={**trust.digests, **{n: sha256(v).hexdigest() for n, v in made.items()}},
        missing=frozenset(),
        new=frozenset(made),
    )


def halves(authority: Authority) -> Mapping[KeptName, bytes | Secret]:
    """Return the kept files of an authority that was just made, for `complete`."""
    pair = PAIR_OF[authority.name]
    if authority.key is None:
        message = f"the {authority.name} authority was made without a key"
        raise ValueError(message)
    return {pair.key: authority.key, pair.public: authority.certificate}


def kept_files(spec: ClusterSpec, trust: Trust) -> Mapping[str, tuple[File, ...]]:
    """Return the kept files of every host, as wishes; with `UNSEEN`, what to ask about.

    The key of an external authority is no wish: it is not there, and shall not be.
    """
    absent = frozenset(PAIR_OF[name].key for name in trust.external)
    return {
        host: tuple(_file(name, trust) for name in names if name not in absent)
        for host, names in kept_on(spec)
    }


def _file(name: KeptName, trust: Trust) -> File:
    if name.public:
        text = trust.public.get(name, b"").decode()
        return File(name.value, Text(text), PUBLIC_MODE)
    return File(name.value, Kept(name.value, trust.digests.get(name, "")), SECRET_MODE)


def _bytes(value: bytes | Secret) -> bytes:
    return value.reveal() if isinstance(value, Secret) else value


def _list(names: Iterable[KeptName]) -> str:
    return ", ".join(sorted(names)) or "none"
