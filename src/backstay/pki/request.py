"""What a leaf certificate must be: a value to issue from, and to compare a certificate with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from backstay.errors import UsageError
from backstay.spec.model import ClusterSpec, IPAddress, KeyKind

ADMINISTRATORS = "backstay:cluster-admins"
LONGEST_COMMON_NAME = 64
"""Characters (ub-common-name, RFC 5280 appendix A.1)."""


class AuthorityName(StrEnum):
    """The cluster's own certificate authorities; each is trusted for one purpose only."""

    KUBERNETES = "kubernetes"
    ETCD = "etcd"
    ETCD_PEER = "etcd-peer"
    FRONT_PROXY = "front-proxy"


class Profile(StrEnum):
    """What a certificate may prove: that it serves, that it is a client, or both to its peers."""

    SERVER = "server"
    CLIENT = "client"
    PEER = "peer"

    @property
    def serves(self) -> bool:
        """Whether it has serverAuth among its extended key usages."""
        return self is not Profile.CLIENT

    @property
    def calls(self) -> bool:
        """Whether it has clientAuth among its extended key usages."""
        return self is not Profile.SERVER


class RenewedBy(StrEnum):
    """Who replaces a certificate before it ends."""

    BACKSTAY = "backstay"
    KUBELET = "kubelet"


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """One certificate and its key on one host.

    `name` is unique on the host; `stem` is the absolute path without `.crt` and `.key`; `owner` is
    the key's, as user:group. Lifetimes count from the moment of issue.
    """

    name: str
    stem: str
    authority: AuthorityName
    profile: Profile
    common_name: str
    lifetime: timedelta
    renew_before: timedelta
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPAddress, ...] = ()
    key: KeyKind = KeyKind.ECDSA_P256
    owner: str = "root:root"
    renewed_by: RenewedBy = RenewedBy.BACKSTAY

    @property
    def subject(self) -> str:
        """The subject as people write it, organisations first."""
        return subject_text(self.common_name, self.organizations)

    @property
    def names(self) -> tuple[str, ...]:
        """Every alternative name, `DNS:` or `IP:` before it, sorted."""
        domains = (f"DNS:{name}" for name in self.dns_names)
        return tuple(sorted((*domains, *(f"IP:{address}" for address in self.addresses))))


def subject_text(common_name: str, organizations: tuple[str, ...]) -> str:
    """Return a subject on one line, such as `O=system:nodes, CN=system:node:n1`."""
    return ", ".join((*(f"O={name}" for name in sorted(organizations)), f"CN={common_name}"))


def admin_request(spec: ClusterSpec, user: str, lifetime: timedelta) -> CertificateRequest:
    """Return the request for a person's client certificate, which is on no machine.

    UsageError if `user` cannot be a common name, or would be one of Kubernetes' own.
    """
    if not user.isprintable() or not 1 <= len(user) <= LONGEST_COMMON_NAME:
        raise UsageError(f"a user name has 1 to {LONGEST_COMMON_NAME} printable characters")
    if user.startswith("system:"):
        raise UsageError(
            f"the user name {user} is one of Kubernetes' own",
            why="names that begin with system: are bound to rights of components",
            next_move="choose another name",
        )
    return CertificateRequest(
        name=f"user/{user}",
        stem="",
        authority=AuthorityName.KUBERNETES,
        profile=Profile.CLIENT,
        common_name=user,
        organizations=(ADMINISTRATORS,),
        lifetime=lifetime,
        renew_before=timedelta(0),
        key=ecdsa(spec.pki.key),
    )


def ecdsa(kind: KeyKind) -> KeyKind:
    """Return the kind if it is an elliptic one, else P-256: some clients are always ECDSA."""
    return kind if kind.value.startswith("ecdsa") else KeyKind.ECDSA_P256
