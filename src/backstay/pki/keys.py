"""Private keys as values: which kind one is, its file, and reading that file again.

Making one draws randomness and so happens elsewhere.
"""

from __future__ import annotations

from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from backstay.errors import RefusedError
from backstay.secret import Secret
from backstay.spec.model import KeyKind

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES = {"secp256r1": KeyKind.ECDSA_P256, "secp384r1": KeyKind.ECDSA_P384}
_SIZES = {2048: KeyKind.RSA_2048, 4096: KeyKind.RSA_4096}


def kind_of(key: object) -> KeyKind | None:
    """Return the kind of a private or public key; None if it is none of ours."""
    match key:
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            return _CURVES.get(key.curve.name)
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return _SIZES.get(key.key_size)
        case _:
            return None


def serialize_key(key: PrivateKey) -> Secret:
    """Return the key's file: PKCS #8 in PEM, not encrypted."""
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def serialize_public_key(key: PrivateKey) -> bytes:
    """Return the file of the key's public half: SubjectPublicKeyInfo in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def digest(secret: Secret) -> str:
    """Return the SHA-256 of a key's file, in hexadecimal."""
    return sha256(secret.reveal()).hexdigest()


def load_key(secret: Secret, *, where: str) -> PrivateKey:
    """Read a key's file; RefusedError, naming `where`, if it is encrypted or not a key of ours."""
    try:
        # Proving the primes of an RSA key takes 0.3 s each time; what reads keys here compares
        # them with a certificate, and OpenSSL checks its own signatures before it lets them out.
        key = load_pem_private_key(
            secret.reveal(), password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:
        raise _refusal(where, "it is encrypted, and components cannot ask for a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refusal(where, "it is not a private key in PEM") from None
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return key
    raise _refusal(where, "it is neither an RSA nor an elliptic-curve key")


def _refusal(where: str, why: str) -> RefusedError:
    return RefusedError(
        "a private key cannot be used",
        where=where,
        why=why,
        next_move="put back the key that belongs to the certificate beside it",
    )
