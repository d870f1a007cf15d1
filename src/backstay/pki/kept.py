"""The files that the cluster keeps and its control planes share, and who has them: one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from backstay.pki.request import AuthorityName
from backstay.spec.model import ClusterSpec


class KeptName(StrEnum):
    """Every kept file; the value is its path on every machine that has it."""

    KUBERNETES_KEY = "/etc/kubernetes/pki/ca.key"
    KUBERNETES_CERTIFICATE = "/etc/kubernetes/pki/ca.crt"
    ETCD_KEY = "/etc/kubernetes/pki/etcd/ca.key"
    ETCD_CERTIFICATE = "/etc/kubernetes/pki/etcd/ca.crt"
    ETCD_PEER_KEY = "/etc/kubernetes/pki/etcd/peer-ca.key"
    ETCD_PEER_CERTIFICATE = "/etc/kubernetes/pki/etcd/peer-ca.crt"
    FRONT_PROXY_KEY = "/etc/kubernetes/pki/front-proxy-ca.key"
    FRONT_PROXY_CERTIFICATE = "/etc/kubernetes/pki/front-proxy-ca.crt"
    SERVICE_ACCOUNT_KEY = "/etc/kubernetes/pki/sa.key"
    SERVICE_ACCOUNT_PUBLIC = "/etc/kubernetes/pki/sa.pub"
    ENCRYPTION = "/etc/kubernetes/encryption.yaml"

    @property
    def public(self) -> bool:
        """Whether anyone may read it."""
        return self.value.endswith((".crt", ".pub"))


@dataclass(frozen=True, slots=True)
class KeptPair:
    """A key and the public half that belongs to it; neither is of use without the other."""

    what: str
    key: KeptName
    public: KeptName
    authority: AuthorityName | None = None


PAIRS = (
    KeptPair(
        "the certificate authority of kubernetes",
        KeptName.KUBERNETES_KEY,
        KeptName.KUBERNETES_CERTIFICATE,
        AuthorityName.KUBERNETES,
    ),
    KeptPair(
        "the certificate authority of etcd",
        KeptName.ETCD_KEY,
        KeptName.ETCD_CERTIFICATE,
        AuthorityName.ETCD,
    ),
    KeptPair(
        "the certificate authority of etcd's peers",
        KeptName.ETCD_PEER_KEY,
        KeptName.ETCD_PEER_CERTIFICATE,
        AuthorityName.ETCD_PEER,
    ),
    KeptPair(
        "the certificate authority of the front proxy",
        KeptName.FRONT_PROXY_KEY,
        KeptName.FRONT_PROXY_CERTIFICATE,
        AuthorityName.FRONT_PROXY,
    ),
    KeptPair(
        "the key pair of service accounts",
        KeptName.SERVICE_ACCOUNT_KEY,
        KeptName.SERVICE_ACCOUNT_PUBLIC,
    ),
)
PAIR_OF = {pair.authority: pair for pair in PAIRS if pair.authority is not None}


def holders(spec: ClusterSpec) -> Mapping[KeptName, frozenset[str]]:
    """Return which hosts have each kept file; keys are on control planes and nowhere else."""
    planes = frozenset(host.name for host in spec.control_planes)
    members = frozenset(host.name for host in spec.etcd_members)
    nodes = frozenset(host.name for host in (*spec.nodes, *spec.load_balancers))
    wider = {
        KeptName.KUBERNETES_CERTIFICATE: nodes,
        KeptName.ETCD_CERTIFICATE: members,
        KeptName.ETCD_PEER_CERTIFICATE: members,
    }
    return {name: planes | wider.get(name, frozenset()) for name in KeptName}


def kept_on(spec: ClusterSpec) -> Iterator[tuple[str, tuple[KeptName, ...]]]:
    """Yield each host with its kept files, keys before what is signed with them.

    A key that nobody trusts yet is harmless when a run is cut short; a trusted certificate whose
    key was never written would be an authority that can sign nothing any more.
    """
    table = holders(spec)
    for host in sorted(spec.hosts, key=lambda host: host.name):
        yield host.name, tuple(name for name in KeptName if host.name in table[name])
