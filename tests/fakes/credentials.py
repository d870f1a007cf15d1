"""Keys and certificates that are made once, so that laws can be tried on many clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from backstay.pki.authority import Authority, create
from backstay.pki.encryption import encryption_config
from backstay.pki.issue import Pair, issue
from backstay.pki.kept import PAIR_OF, KeptName
from backstay.pki.keys import PrivateKey, serialize_key, serialize_public_key
from backstay.pki.request import AuthorityName, CertificateRequest
from backstay.pki.trust import Trust, halves
from backstay.resources.content import Content, Issued, Kept, Text
from backstay.secret import Secret

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEN_YEARS = timedelta(days=3650)


def _key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def made(generation: int) -> Mapping[KeptName, bytes | Secret]:
    """Everything that a cluster keeps; another generation has other keys."""
    found: dict[KeptName, bytes | Secret] = {}
    for number, name in enumerate(AuthorityName):
        serial = 100 * generation + number + 1
        found |= halves(create(name, key=_key(), serial=serial, now=NOW, lifetime=TEN_YEARS))
    key = _key()
    found[KeptName.SERVICE_ACCOUNT_KEY] = serialize_key(key)
    found[KeptName.SERVICE_ACCOUNT_PUBLIC] = serialize_public_key(key)
    found[KeptName.ENCRYPTION] = encryption_config(sha256(b"%d" % generation).digest())
    return found


@cache
def _pair(request: CertificateRequest, generation: int) -> Pair:
    kept = made(generation)
    names = PAIR_OF[request.authority]
    public, key = kept[names.public], kept[names.key]
    assert isinstance(public, bytes)
    assert isinstance(key, Secret)
    authority = Authority(request.authority, public, key)
    return issue(request, authority, key=_key(), serial=7, now=NOW)


@dataclass(slots=True)
class Credentials:
    """Turns named contents into bytes, as fleet/keyring.py does; `shown` is all that it gave."""

    requests: Mapping[tuple[str, str], CertificateRequest]
    generations: int = 3
    shown: list[bytes] = field(default_factory=list)
    trust: Trust = field(default_factory=Trust)

    async def bytes_of(self, content: Content, *, host: str) -> bytes:
        """Return the bytes of a content for a host."""
        match content:
            case Text(text):
                return text.encode()
            case Kept(name, digest):
                found = self._kept(KeptName(name), digest)
            case Issued(stem, part):
                pair = _pair(self.requests[host, stem], self._generation(host, stem))
                found = pair.certificate if part == "certificate" else pair.key.reveal()
                if part == "certificate":
                    return found
            case _:
                return b""
        self.shown.append(found)
        return found

    def _kept(self, name: KeptName, digest: str) -> bytes:
        return next(value for value in self._all(name) if sha256(value).hexdigest() == digest)

    def _all(self, name: KeptName) -> Iterator[bytes]:
        for generation in range(self.generations):
            value = made(generation)[name]
            yield value.reveal() if isinstance(value, Secret) else value

    def _generation(self, host: str, stem: str) -> int:
        """Return whose authority the cluster trusts now: that one signs."""
        name = PAIR_OF[self.requests[host, stem].authority].public
        return list(self._all(name)).index(self.trust.public[name])
