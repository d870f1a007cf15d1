"""Certificate authorities: made once per cluster, trusted for one purpose each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from backstay.errors import RefusedError
from backstay.pki.keys import PrivateKey, load_key, serialize_key
from backstay.pki.reading import read_certificate
from backstay.pki.request import AuthorityName
from backstay.secret import Secret

BACKDATED = timedelta(minutes=5)
"""How much before its issue a certificate begins, for hosts whose clock is behind."""

COMMON_NAMES = {
    AuthorityName.KUBERNETES: "kubernetes",
    AuthorityName.ETCD: "etcd-ca",
    AuthorityName.ETCD_PEER: "etcd-peer-ca",
    AuthorityName.FRONT_PROXY: "front-proxy-ca",
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: its certificate in PEM, and its key unless that is not ours."""

    name: AuthorityName
    certificate: bytes
    key: Secret | None

    @property
    def ends(self) -> datetime:
        """When the certificate ends."""
        return read_certificate(self.certificate).not_valid_after_utc

    def signer(self) -> PrivateKey:
        """Return the key to sign with; RefusedError if there is none, or it is another's."""
        where = f"the {self.name} certificate authority"
        if self.key is None:
            raise RefusedError(
                "a certificate is due, and no control plane that answers has the authority's key",
                where=where,
                why="an authority whose key is kept elsewhere can only be used from there",
                next_move="place the certificates yourself, or put the key on a control plane",
            )
        key = load_key(self.key, where=where)
        if not _same_key(key, read_certificate(self.certificate)):
            raise RefusedError(
                "the key of a certificate authority does not belong to its certificate",
                where=where,
                why="their public keys differ",
                next_move="put back the pair that belongs together on the control planes",
            )
        return key


def create(
    name: AuthorityName, *, key: PrivateKey, serial: int, now: datetime, lifetime: timedelta
) -> Authority:
    """Make an authority that signs leaves only (path length 0)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAMES[name])])
    now = now.replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(name, certificate.public_bytes(Encoding.PEM), serialize_key(key))


def key_usage(*, signs_certificates: bool = False, encrypts_keys: bool = False) -> x509.KeyUsage:
    """Return key usages: digital signature, and what is asked for."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=encrypts_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of the certificate itself (DER), in hexadecimal."""
    return sha256(read_certificate(certificate).public_bytes(Encoding.DER)).hexdigest()


def _same_key(key: PrivateKey, certificate: x509.Certificate) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
