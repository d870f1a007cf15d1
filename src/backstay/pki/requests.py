"""Which leaf certificates each host needs, and what is in them; paths are kubeadm's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypedDict, Unpack

from backstay.errors import ConfigError
from backstay.pki.request import (
    ADMINISTRATORS,
    LONGEST_COMMON_NAME,
    AuthorityName,
    CertificateRequest,
    Profile,
    RenewedBy,
    ecdsa,
)
from backstay.spec.model import ClusterSpec, Host, IPAddress, KeyKind
from backstay.spec.ranges import kubernetes_service

DIRECTORY = "/etc/kubernetes/pki"
LOOPBACK = IPv4Address("127.0.0.1")
LOOPBACK_V6 = IPv6Address("::1")
SUPER_ADMINISTRATORS = "system:masters"
NODES = "system:nodes"


class Particulars(TypedDict, total=False):
    """What a request may say beside its name, authority, profile and common name."""

    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[IPAddress, ...]
    key: KeyKind
    owner: str
    renewed_by: RenewedBy


def requests(spec: ClusterSpec) -> Mapping[str, tuple[CertificateRequest, ...]]:
    """Return the requests of every host, by host name; none for a host that only balances.

    ConfigError if a host's name is too long to stand in a certificate's subject.
    """
    write = _Writer(spec)
    writers = (
        (_of_member, spec.etcd_members),
        (_of_control_plane, spec.control_planes),
        (_of_node, spec.nodes),
    )
    found: dict[str, list[CertificateRequest]] = {
        name: [] for name in sorted(host.name for host in spec.hosts)
    }
    for of_host, hosts in writers:
        for host in hosts:
            found[host.name] += of_host(write, host)
    return {name: tuple(wanted) for name, wanted in found.items()}


@dataclass(frozen=True, slots=True)
class _Writer:
    """Fills in what is the same for all certificates of a cluster."""

    spec: ClusterSpec

    def __call__(
        self,
        name: str,
        authority: AuthorityName,
        profile: Profile,
        common_name: str,
        **particulars: Unpack[Particulars],
    ) -> CertificateRequest:
        if len(common_name) > LONGEST_COMMON_NAME:
            raise ConfigError(
                f"{common_name!r} is too long for a certificate's subject",
                why=f"a common name has at most {LONGEST_COMMON_NAME} characters (RFC 5280)",
                next_move="shorten the host's name",
            )
        pki = self.spec.pki
        particulars.setdefault("key", pki.key)
        return CertificateRequest(
            name,
            f"{DIRECTORY}/{name}",
            authority,
            profile,
            common_name,
            pki.certificate_lifetime,
            pki.renew_before,
            **particulars,
        )


def _of_member(write: _Writer, host: Host) -> Iterator[CertificateRequest]:
    yield write(
        "etcd/server",
        AuthorityName.ETCD,
        Profile.SERVER,
        host.name,
        dns_names=(host.name, "localhost"),
        addresses=(*host.addresses, *_loopbacks(host)),
        owner="etcd:etcd",
    )
    yield write(
        "etcd/peer",
        AuthorityName.ETCD_PEER,
        Profile.PEER,
        host.name,
        dns_names=(host.name,),
        addresses=host.addresses,
        owner="etcd:etcd",
    )
    yield write(
        "etcd/healthcheck-client",
        AuthorityName.ETCD,
        Profile.CLIENT,
        "kube-etcd-healthcheck-client",
        key=ecdsa(write.spec.pki.key),
    )


def _of_control_plane(write: _Writer, host: Host) -> Iterator[CertificateRequest]:
    yield from _of_apiserver(write, host)
    yield from _of_controllers(write)
    yield from _of_administrators(write)


def _of_apiserver(write: _Writer, host: Host) -> Iterator[CertificateRequest]:
    dns_names, addresses = _apiserver_names(write.spec, host)
    yield write(
        "apiserver",
        AuthorityName.KUBERNETES,
        Profile.SERVER,
        "kube-apiserver",
        dns_names=dns_names,
        addresses=addresses,
    )
    yield write(
        "apiserver-etcd-client",
        AuthorityName.ETCD,
        Profile.CLIENT,
        "kube-apiserver-etcd-client",
        key=ecdsa(write.spec.pki.key),
    )
    yield write(
        "apiserver-kubelet-client",
        AuthorityName.KUBERNETES,
        Profile.CLIENT,
        "kube-apiserver-kubelet-client",
    )
    yield write(
        "front-proxy-client", AuthorityName.FRONT_PROXY, Profile.CLIENT, "front-proxy-client"
    )


def _of_controllers(write: _Writer) -> Iterator[CertificateRequest]:
    for name in ("controller-manager", "scheduler"):
        yield write(name, AuthorityName.KUBERNETES, Profile.CLIENT, f"system:kube-{name}")


def _of_administrators(write: _Writer) -> Iterator[CertificateRequest]:
    groups = {"super-admin": SUPER_ADMINISTRATORS, "admin": ADMINISTRATORS}
    for name, group in groups.items():
        yield write(
            name,
            AuthorityName.KUBERNETES,
            Profile.CLIENT,
            f"kubernetes-{name}",
            organizations=(group,),
        )


def _of_node(write: _Writer, host: Host) -> Iterator[CertificateRequest]:
    user = f"system:node:{host.name}"
    yield write(
        "kubelet-client",
        AuthorityName.KUBERNETES,
        Profile.CLIENT,
        user,
        organizations=(NODES,),
        renewed_by=RenewedBy.KUBELET,
    )
    yield write(
        "kubelet-server",
        AuthorityName.KUBERNETES,
        Profile.SERVER,
        user,
        organizations=(NODES,),
        dns_names=(host.name,),
        addresses=host.addresses,
    )
    yield write("proxy", AuthorityName.KUBERNETES, Profile.CLIENT, "system:kube-proxy")


def _apiserver_names(
    spec: ClusterSpec, host: Host
) -> tuple[tuple[str, ...], tuple[IPAddress, ...]]:
    service = ("kubernetes", "default", "svc", spec.dns.domain)
    spellings = [".".join(service[:count]) for count in range(1, len(service) + 1)]
    dns_names = [host.name, *spellings, "localhost"]
    service_address = kubernetes_service(spec)
    addresses: list[IPAddress] = [*host.addresses, *_loopbacks(host), service_address]
    if spec.endpoint.vip is not None:
        addresses.append(spec.endpoint.vip)
    if spec.endpoint.name is not None:
        _add_name(spec.endpoint.name, dns_names, addresses)
    return tuple(dict.fromkeys(dns_names)), tuple(dict.fromkeys(addresses))


def _add_name(name: str, dns_names: list[str], addresses: list[IPAddress]) -> None:
    """Put a name where clients look for it: an address written as a name is an address."""
    try:
        addresses.append(ip_address(name))
    except ValueError:
        dns_names.append(name)


def _loopbacks(host: Host) -> tuple[IPAddress, ...]:
    return (LOOPBACK, LOOPBACK_V6) if host.internal.version == 6 else (LOOPBACK,)  # noqa: PLR2004
