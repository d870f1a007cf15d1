"""Certificate files: comment lines for people and for the probe, then one certificate in PEM."""

from __future__ import annotations

import re
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from backstay.pki.request import subject_text

_BEGIN = b"-----BEGIN "
_DECLARED = re.compile(rb"^# key sha256: ([0-9a-f]{64})$", re.MULTILINE)


@lru_cache(maxsize=64)
def read_certificate(pem: bytes) -> x509.Certificate:
    """Return the first certificate of a file; ValueError if there is none."""
    return x509.load_pem_x509_certificate(pem)


def read_whole(pem: bytes) -> x509.Certificate:
    """Return a file's certificate, every part of which can be read; ValueError if one cannot."""
    try:
        certificate = read_certificate(pem)
        _ = certificate.extensions, certificate.subject, certificate.issuer
        _ = certificate.public_key()
    except (
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise ValueError(str(error)) from error
    return certificate


def declared_digest(text: bytes) -> str | None:
    """Return the SHA-256 of the key's file that the comment lines tell; None if they do not."""
    found = _DECLARED.search(text.partition(_BEGIN)[0])
    return None if found is None else found.group(1).decode()


def declare(certificate: x509.Certificate, pem: bytes, *, key_digest: str, notes: str) -> bytes:
    """Return the file's bytes: who it is for, until when, of which key; then the PEM.

    OpenSSL and Go skip what stands before BEGIN.
    """
    told = "; ".join((subject_of(certificate), *(names_of(certificate)), notes))
    line = "".join(letter if letter.isprintable() else "?" for letter in told)
    line = line.encode("ascii", "replace").decode().replace("-----", "?")
    return f"# backstay: {line}\n# key sha256: {key_digest}\n".encode() + pem


def subject_of(certificate: x509.Certificate) -> str:
    """Return the subject on one line; attributes that we never write are shown as they are."""
    subject = certificate.subject
    ours = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    if len(subject.get_attributes_for_oid(ours[0])) != 1 or any(a.oid not in ours for a in subject):
        return subject.rfc4514_string()
    common_name = str(subject.get_attributes_for_oid(ours[0])[0].value)
    organizations = tuple(str(a.value) for a in subject.get_attributes_for_oid(ours[1]))
    return subject_text(common_name, organizations)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return every alternative name, `DNS:`, `IP:` or its kind before it, sorted."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(sorted(_name_text(name) for name in names))


def _name_text(name: x509.GeneralName) -> str:
    match name:
        case x509.DNSName():
            return f"DNS:{name.value}"
        case x509.IPAddress():
            return f"IP:{name.value}"
        case _:
            return f"{type(name).__name__}:{name.value}"
