"""An authority and what it signs, for servers on loopback and their clients."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from backstay.drill.load.access import Credentials
from backstay.pki.authority import Authority, create
from backstay.pki.issue import Pair, issue
from backstay.pki.request import AuthorityName, CertificateRequest, Profile

NAME = "kubernetes.default.svc"
DAY = timedelta(days=1)


@cache
def authority() -> Authority:
    """The authority of this process."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    return create(AuthorityName.KUBERNETES, key=key, serial=1, now=now, lifetime=DAY)


@cache
def pair(profile: Profile, serial: int) -> Pair:
    """A certificate for NAME, or for a client."""
    request = CertificateRequest(
        name="somebody",
        stem="",
        authority=AuthorityName.KUBERNETES,
        profile=profile,
        common_name="somebody",
        lifetime=DAY,
        renew_before=timedelta(0),
        dns_names=(NAME,) if profile is Profile.SERVER else (),
    )
    key = ec.generate_private_key(ec.SECP256R1())
    return issue(request, authority(), key=key, serial=serial, now=datetime.now(UTC))


def credentials() -> Credentials:
    """What a client that the servers trust has."""
    own = pair(Profile.CLIENT, 2)
    return Credentials(authority().certificate, own.certificate, own.key)


def server_pem() -> tuple[bytes, bytes]:
    """The server's certificate and its key."""
    own = pair(Profile.SERVER, 3)
    return own.certificate, own.key.reveal()


@cache
def server_context(protocol: str = "h2") -> ssl.SSLContext:
    """A server's side of HTTP/2, or of another protocol, over TLS; it wants to know its clients."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cadata=authority().certificate.decode()
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([protocol])
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(server_pem()))
        file.flush()
        context.load_cert_chain(file.name)
    return context
