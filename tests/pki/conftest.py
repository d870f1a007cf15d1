"""A small cluster, its authorities, and leaves issued from them; keys are made once per run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from backstay.pki.authority import Authority, create
from backstay.pki.issue import Pair, issue
from backstay.pki.keys import PrivateKey
from backstay.pki.request import AuthorityName, CertificateRequest
from backstay.pki.requests import requests
from backstay.spec.model import ClusterSpec, Endpoint, Host, KeyKind, Role

NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)


@cache
def key_of(kind: KeyKind, which: str = "") -> PrivateKey:
    """One key per kind and name: their bytes matter to no test."""
    del which
    match kind:
        case KeyKind.ECDSA_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.ECDSA_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.RSA_2048 | KeyKind.RSA_4096:
            return rsa.generate_private_key(65537, 2048 if kind is KeyKind.RSA_2048 else 4096)


def spec_of(planes: int, workers: int = 0, **more: object) -> ClusterSpec:
    """Return a cluster of m1, m2, … and w1, w2, … behind 10.0.0.100."""
    hosts = [
        Host(name=f"m{i}", address=f"10.0.0.{i}", roles=frozenset({Role.CONTROL_PLANE}))
        for i in range(1, planes + 1)
    ]
    hosts += [
        Host(name=f"w{i}", address=f"10.0.1.{i}", roles=frozenset({Role.WORKER}))
        for i in range(1, workers + 1)
    ]
    return ClusterSpec(
        **{
            "name": "one",
            "endpoint": Endpoint(vip="10.0.0.100"),
            "hosts": tuple(hosts),
            **more,
        }
    )


@dataclass
class Workshop:
    """Issues for a spec, at a moment that a test can choose."""

    spec: ClusterSpec
    authorities: dict[AuthorityName, Authority] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for serial, name in enumerate(AuthorityName, start=1):
            self.authorities[name] = self.authority(name, serial=serial)

    def authority(
        self,
        name: AuthorityName,
        *,
        which: str = "",
        serial: int = 1,
        lifetime: timedelta = timedelta(days=3650),
        kind: KeyKind = KeyKind.ECDSA_P256,
    ) -> Authority:
        """Return an authority that begins at NOW; another `which` has another key."""
        key = key_of(kind, f"{name}{which}")
        return create(name, key=key, serial=serial, now=NOW, lifetime=lifetime)

    def request(self, name: str, host: str = "m1", **changes: object) -> CertificateRequest:
        """Return a host's request of that name, changed."""
        found = {one.name: one for one in requests(self.spec)[host]}[name]
        return replace(found, **changes)

    def issue(
        self,
        request: CertificateRequest,
        *,
        now: datetime = NOW,
        authority: Authority | None = None,
        which: str = "",
    ) -> Pair:
        """Issue for a request, from its own authority unless told otherwise."""
        return issue(
            request,
            authority or self.authorities[request.authority],
            key=key_of(request.key, which),
            serial=7,
            now=now,
        )


@pytest.fixture(scope="session")
def now() -> datetime:
    """Return the moment at which everything happens unless a test says otherwise."""
    return NOW


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., ClusterSpec]:
    """Return `spec_of`."""
    return spec_of


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """Return a workshop for three control planes and a worker."""
    return Workshop(spec_of(3, 1))


@pytest.fixture(scope="session")
def make_key() -> Callable[..., PrivateKey]:
    """Return `key_of`."""
    return key_of
