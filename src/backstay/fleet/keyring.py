"""Secrets while they are in the operator's memory: new ones, fetched ones, and what they sign.

The pure rooms name secrets; here they become bytes, at the moment when they are written to the
standard input of a machine. Keys are generated with the operating system's randomness.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from backstay.errors import GateTimeoutError, RejectedError, StepFailedError, UnreachableError
from backstay.fleet.world import World
from backstay.pki.authority import Authority, create
from backstay.pki.encryption import KEY_BYTES, encryption_config
from backstay.pki.issue import Pair, issue
from backstay.pki.kept import PAIR_OF, KeptName
from backstay.pki.keys import PrivateKey, digest, serialize_key, serialize_public_key
from backstay.pki.request import AuthorityName, CertificateRequest
from backstay.pki.trust import Trust, halves
from backstay.resources.content import Artefact, Content, Issued, Kept, Text
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec, KeyKind

FETCH_SECONDS = 20.0


def generate_key(kind: KeyKind) -> PrivateKey:
    """Return a new private key of the kind."""
    match kind:
        case KeyKind.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.RSA_2048:
            return rsa.generate_private_key(65537, 2048)
        case KeyKind.RSA_4096:
            return rsa.generate_private_key(65537, 4096)
        case _:
            assert_never(kind)


def make_missing(
    spec: ClusterSpec, trust: Trust, *, now: datetime
) -> Mapping[KeptName, bytes | Secret]:
    """Make what the cluster keeps and no machine has: authorities, keys, in memory only."""
    made: dict[KeptName, bytes | Secret] = {}
    for name in trust.missing_authorities:
        authority = create(
            name,
            key=generate_key(spec.pki.key),
            serial=x509.random_serial_number(),
            now=now,
            lifetime=spec.pki.authority_lifetime,
        )
        made |= halves(authority)
    if KeptName.SERVICE_ACCOUNT_PUBLIC in trust.missing:
        # RSA: tokens are checked by libraries of all ages, and RS256 is what all of them know.
        key = generate_key(KeyKind.RSA_2048)
        made[KeptName.SERVICE_ACCOUNT_KEY] = serialize_key(key)
        made[KeptName.SERVICE_ACCOUNT_PUBLIC] = serialize_public_key(key)
    if KeptName.ENCRYPTION in trust.missing:
        made[KeptName.ENCRYPTION] = encryption_config(secrets.token_bytes(KEY_BYTES))
    return made


@dataclass(slots=True)
class Keyring:
    """Turns named contents into bytes.

    `created` is what this run made and no machine had; `requests` is keyed by host and stem.
    """

    world: World
    trust: Trust
    created: Mapping[KeptName, bytes | Secret]
    requests: Mapping[tuple[str, str], CertificateRequest]
    _fetched: dict[KeptName, asyncio.Task[Secret]] = field(default_factory=dict)
    _pairs: dict[tuple[str, str], asyncio.Task[Pair]] = field(default_factory=dict)

    async def bytes_of(self, content: Content, *, host: str) -> bytes:
        """Return the bytes of a content for a host; each is made or fetched once."""
        match content:
            case Text(text):
                return text.encode()
            case Kept(name, _):
                return (await self.secret(KeptName(name))).reveal()
            case Issued(stem, part):
                pair = await self._pair(host, stem)
                return pair.certificate if part == "certificate" else pair.key.reveal()
            case Artefact(name):
                message = f"{name} travels as a file, not in a script"
                raise TypeError(message)
            case _:
                assert_never(content)

    async def secret(self, name: KeptName) -> Secret:
        """Return a kept secret: made in this run, or read from a machine that has it."""
        made = self.created.get(name)
        if made is not None:
            return made if isinstance(made, Secret) else Secret(made)
        if name not in self._fetched:
            self._fetched[name] = asyncio.create_task(self._fetch(name))
        return await self._fetched[name]

    async def _fetch(self, name: KeptName) -> Secret:
        reasons = []
        for host in self.trust.found_on.get(name, ()):
            try:
                machine = self.world.machine(host)
                done = await machine.run(f"cat {name.value}\n", deadline=FETCH_SECONDS)
            except (GateTimeoutError, UnreachableError) as error:
                reasons.append(f"{host}: {error.what}")
                continue
            if done.status != 0:
                reasons.append(f"{host}: status {done.status}")
                continue
            found = Secret(done.stdout.encode())
            if digest(found) == self.trust.digests[name]:
                return found
            reasons.append(f"{host}: it is not what it was when we looked")
        raise StepFailedError(
            f"{name.value} could not be read from any machine",
            why="; ".join(reasons) or "no machine has it",
            next_move="backstay status",
        )

    async def _pair(self, host: str, stem: str) -> Pair:
        key = (host, stem)
        if key not in self._pairs:
            self._pairs[key] = asyncio.create_task(self.issue(self.requests[key]))
        return await self._pairs[key]

    async def issue(self, request: CertificateRequest) -> Pair:
        """Issue a certificate in memory with a new key."""
        return issue(
            request,
            await self.authority(request.authority),
            key=generate_key(request.key),
            serial=x509.random_serial_number(),
            now=self.world.now(),
        )

    async def authority(self, name: AuthorityName) -> Authority:
        """Return the authority with its key, so that it can sign."""
        certificate = self.trust.authority(name)
        if certificate is None:
            raise RejectedError(f"the cluster has no authority {name}")
        if name in self.trust.external:
            return Authority(name, certificate, None)
        return Authority(name, certificate, await self.secret(PAIR_OF[name].key))
