"""A certificate and its key on a host, as a resource."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backstay.pki.assess import reasons
from backstay.pki.request import CertificateRequest
from backstay.resources.content import Issued
from backstay.resources.resource import Command, Diff, Facts, Key, Probe

CERTIFICATE_MODE = "644"
CERTIFICATE_OWNER = "root:root"
KEY_MODE = "600"
CERTIFICATE_RIGHTS = "certificate rights"
KEY_RIGHTS = "key rights"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The wish that a request is fulfilled: both files there, belonging together, and in time.

    `authority` is the PEM of the one that signs, None when that is about to be made.
    """

    request: CertificateRequest
    authority: bytes | None
    now: datetime

    @property
    def key(self) -> Key:
        """The path of both files, without suffix."""
        return Key("certificate", self.request.stem)

    @property
    def paths(self) -> tuple[str, str]:
        """The paths of the certificate and of its key."""
        return f"{self.request.stem}.crt", f"{self.request.stem}.key"

    def probe(self) -> Probe:
        """Ask for the certificate, the digest of the key, and the rights of both."""
        return Probe("certificate", self.request.stem)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Return every reason to issue anew, and else what is wrong with the files' rights."""
        have = {} if facts is None else facts
        found = reasons(
            self.request,
            certificate=_decoded(have.get("certificate")),
            key_digest=have.get("key_digest"),
            authority=self.authority,
            now=self.now,
        )
        if found:
            return tuple(Diff(reason.ground, reason.want, reason.have) for reason in found)
        return tuple(
            Diff(f"{half} rights", want, rights)
            for half, want in self._rights().items()
            if (rights := f"{have.get(f'{half}_mode')} {have.get(f'{half}_owner')}") != want
        )

    def _rights(self) -> dict[str, str]:
        return {
            "certificate": f"{CERTIFICATE_MODE} {CERTIFICATE_OWNER}",
            "key": f"{KEY_MODE} {self.request.owner}",
        }

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Correct the rights if that is all, else place both halves of a new certificate."""
        fields = {diff.field for diff in diffs}
        certificate, key = self.paths
        rights = {
            CERTIFICATE_RIGHTS: (certificate, CERTIFICATE_MODE, CERTIFICATE_OWNER),
            KEY_RIGHTS: (key, KEY_MODE, self.request.owner),
        }
        if fields <= rights.keys():
            return tuple(Command(("adjust", *rights[field])) for field in rights if field in fields)
        return tuple(
            Command(("place", *words), Issued(self.request.stem, part))
            for words, part in zip(rights.values(), ("certificate", "key"), strict=True)
        )


def _decoded(text: str | None) -> bytes | None:
    """Return the file's bytes; what is not base64 comes out as bytes that are no certificate."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
