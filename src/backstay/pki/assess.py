"""Why a certificate must be issued anew: a table of checks, each of which can say a reason.

Nothing is re-issued without one, and the reason is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from backstay.pki.issue import usages
from backstay.pki.keys import kind_of
from backstay.pki.reading import declared_digest, names_of, read_certificate, read_whole, subject_of
from backstay.pki.request import CertificateRequest, RenewedBy
from backstay.spec.durations import format_duration


class Ground(StrEnum):
    """What is wrong with a certificate."""

    PRESENCE = "certificate"
    FORM = "form"
    KEY = "key"
    AUTHORITY = "authority"
    START = "start"
    END = "end"
    SUBJECT = "subject"
    NAMES = "names"
    USAGES = "usages"
    KEY_KIND = "key kind"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to issue anew; `have` is None when there is nothing at all."""

    ground: Ground
    want: str
    have: str | None

    def __str__(self) -> str:
        return f"{self.ground}: {'absent' if self.have is None else self.have}, want {self.want}"


@dataclass(frozen=True, slots=True)
class _Case:
    request: CertificateRequest
    text: bytes
    certificate: x509.Certificate
    key_digest: str | None
    authority: x509.Certificate | None
    now: datetime


_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "server",
    ExtendedKeyUsageOID.CLIENT_AUTH: "client",
}
_Check = Callable[[_Case], Reason | None]


def reasons(
    request: CertificateRequest,
    *,
    certificate: bytes | None,
    key_digest: str | None,
    authority: bytes | None,
    now: datetime,
) -> tuple[Reason, ...]:
    """Return every reason to issue the certificate anew; none when all is well.

    `certificate` is the file's bytes, `key_digest` the SHA-256 of the key's file, each None when
    absent; `authority` is the PEM of the one that must have signed, None when that is yet to be.
    """
    if certificate is None:
        return (Reason(Ground.PRESENCE, request.subject, None),)
    try:
        read = read_whole(certificate)
    except ValueError:
        return (Reason(Ground.FORM, "a certificate in PEM", "something else"),)
    signer = None if authority is None else read_certificate(authority)
    case = _Case(request, certificate, read, key_digest, signer, now)
    return tuple(reason for check in _CHECKS[request.renewed_by] if (reason := check(case)))


def _key(case: _Case) -> Reason | None:
    declared = declared_digest(case.text)
    if case.key_digest is None:
        return Reason(Ground.KEY, "the key of the certificate", None)
    if declared is None:
        return Reason(Ground.KEY, "named in the certificate's file", "not named there")
    if declared != case.key_digest:
        return Reason(Ground.KEY, f"sha256 {declared[:12]}…", f"sha256 {case.key_digest[:12]}…")
    return None


def _key_presence(case: _Case) -> Reason | None:
    return _key(case) if case.key_digest is None else None


def _authority(case: _Case) -> Reason | None:
    want = f"signed by the {case.request.authority} authority"
    if case.authority is None:
        return Reason(Ground.AUTHORITY, f"{want}, which is new", "signed by another")
    try:
        case.certificate.verify_directly_issued_by(case.authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        issuer = case.certificate.issuer.rfc4514_string()
        return Reason(Ground.AUTHORITY, want, f"signed by another ({issuer})")
    return None


def _start(case: _Case) -> Reason | None:
    start = case.certificate.not_valid_before_utc
    if start <= case.now:
        return None
    return Reason(Ground.START, "valid now", f"not valid before {_moment(start)}")


def _end(case: _Case) -> Reason | None:
    end = case.certificate.not_valid_after_utc
    if end <= case.now:
        return Reason(Ground.END, "valid now", f"expired at {_moment(end)}")
    margin = _margin(case.request)
    if end - case.now > margin or not _would_last_longer(case):
        return None
    want = f"more than {format_duration(margin)} left"
    return Reason(Ground.END, want, f"valid until {_moment(end)}")


def _margin(request: CertificateRequest) -> timedelta:
    """Return how long before its end a certificate is renewed: at most half its life.

    Otherwise a short life would mean a new certificate at every run.
    """
    return min(request.renew_before, request.lifetime / 2)


def _would_last_longer(case: _Case) -> bool:
    """Tell whether a new one would end later; near the authority's own end it would not."""
    if case.authority is None:
        return True
    new = min(case.now + case.request.lifetime, case.authority.not_valid_after_utc)
    return new > case.certificate.not_valid_after_utc


def _subject(case: _Case) -> Reason | None:
    return _differs(Ground.SUBJECT, case.request.subject, subject_of(case.certificate))


def _names(case: _Case) -> Reason | None:
    want, have = case.request.names, names_of(case.certificate)
    if set(want) == set(have):
        return None
    missing = sorted(set(want) - set(have))
    extra = sorted(set(have) - set(want))
    parts = [f"lacks {' '.join(missing)}"] if missing else []
    parts += [f"has {' '.join(extra)} too"] if extra else []
    return Reason(Ground.NAMES, " ".join(want) or "none", ", ".join(parts))


def _usages(case: _Case) -> Reason | None:
    want = " ".join(sorted(_USAGES[usage] for usage in usages(case.request.profile)))
    return _differs(Ground.USAGES, want, " ".join(sorted(_usages_of(case.certificate))))


def _usages_of(certificate: x509.Certificate) -> set[str]:
    found: set[str] = set()
    for extension in certificate.extensions:
        match extension.value:
            case x509.ExtendedKeyUsage() as extended:
                found |= {_USAGES.get(usage, usage.dotted_string) for usage in extended}
            case x509.BasicConstraints(ca=True):
                found.add("authority")
            case _:
                pass
    return found


def _key_kind(case: _Case) -> Reason | None:
    kind = kind_of(case.certificate.public_key())
    return _differs(Ground.KEY_KIND, case.request.key.value, "another" if kind is None else kind)


def _differs(ground: Ground, want: str, have: str) -> Reason | None:
    return None if want == have else Reason(ground, want, have or "none")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


_CHECKS: dict[RenewedBy, tuple[_Check, ...]] = {
    RenewedBy.BACKSTAY: (
        _key,
        _authority,
        _start,
        _end,
        _subject,
        _names,
        _usages,
        _key_kind,
    ),
    # The kubelet has long replaced it with one of its own, in its own directory: this file is
    # only how it gets its first one, and again after the authority was replaced.
    RenewedBy.KUBELET: (_key_presence, _authority),
}
