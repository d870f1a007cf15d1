"""Issue one leaf certificate: request, authority, key, serial number and time in, files out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from backstay.errors import RefusedError
from backstay.pki.authority import BACKDATED, Authority, key_usage
from backstay.pki.keys import PrivateKey, digest, kind_of, serialize_key
from backstay.pki.reading import declare, read_certificate
from backstay.pki.request import CertificateRequest, Profile
from backstay.secret import Secret


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of an issued certificate."""

    certificate: bytes
    key: Secret


def issue(
    request: CertificateRequest,
    authority: Authority,
    *,
    key: PrivateKey,
    serial: int,
    now: datetime,
) -> Pair:
    """Return a certificate for the key, signed by the authority, and the key's file.

    It never outlives the authority: then its life is cut, and its file says so. `serial` is a
    positive number of at most 159 bits. RefusedError if the authority has ended or cannot sign.
    """
    _check(request, authority, key, now)
    until = min(now + request.lifetime, authority.ends)
    certificate = _build(request, authority, key, serial, (now - BACKDATED, until))
    secret = serialize_key(key)
    notes = f"until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    if until < now + request.lifetime:
        notes += f" (cut: the {authority.name} authority ends then)"
    pem = certificate.public_bytes(Encoding.PEM)
    return Pair(declare(certificate, pem, key_digest=digest(secret), notes=notes), secret)


def _check(
    request: CertificateRequest, authority: Authority, key: PrivateKey, now: datetime
) -> None:
    if (kind := kind_of(key)) is not request.key:
        message = f"{request.name} asks for a key of {request.key}, and was given one of {kind}"
        raise ValueError(message)
    if authority.name is not request.authority:
        message = f"{request.name} is to be signed by {request.authority}, not {authority.name}"
        raise ValueError(message)
    if authority.ends <= now:
        raise RefusedError(
            "a certificate authority has ended",
            where=f"the {authority.name} certificate authority",
            why=f"it was valid until {authority.ends:%Y-%m-%d %H:%M:%S} UTC",
            next_move="replace the authority: nothing it signs is accepted any more",
        )


def _build(
    request: CertificateRequest,
    authority: Authority,
    key: PrivateKey,
    serial: int,
    life: tuple[datetime, datetime],
) -> x509.Certificate:
    issuer = read_certificate(authority.certificate)
    start, end = (moment.replace(microsecond=0) for moment in life)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(request))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(encrypts_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages(request.profile)), critical=False)
        .add_extension(_issuer_identifier(issuer), critical=False)
    )
    if names := _names(request):
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.signer(), hashes.SHA256())


def usages(profile: Profile) -> tuple[ObjectIdentifier, ...]:
    """Return the extended key usages of a profile."""
    both = (
        (profile.serves, ExtendedKeyUsageOID.SERVER_AUTH),
        (profile.calls, ExtendedKeyUsageOID.CLIENT_AUTH),
    )
    return tuple(usage for wanted, usage in both if wanted)


def _subject(request: CertificateRequest) -> x509.Name:
    organizations = sorted(request.organizations)
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, request.common_name),
        ]
    )


def _names(request: CertificateRequest) -> tuple[x509.GeneralName, ...]:
    domains = (x509.DNSName(name) for name in request.dns_names)
    return (*domains, *(x509.IPAddress(address) for address in request.addresses))


def _issuer_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
