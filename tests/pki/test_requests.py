"""Which certificates hosts need, and exactly what is in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address

import pytest

from backstay.errors import ConfigError, UsageError
from backstay.pki.request import (
    AuthorityName,
    CertificateRequest,
    Profile,
    RenewedBy,
    admin_request,
)
from backstay.pki.requests import requests
from backstay.spec.model import (
    ClusterSpec,
    Endpoint,
    Host,
    KeyKind,
    NetworkRanges,
    Pki,
    Role,
)

MakeSpec = Callable[..., ClusterSpec]

MEMBER = ["etcd/server", "etcd/peer", "etcd/healthcheck-client"]
PLANE = [
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "controller-manager",
    "scheduler",
    "super-admin",
    "admin",
]
NODE = ["kubelet-client", "kubelet-server", "proxy"]


def by_name(spec: ClusterSpec, host: str) -> dict[str, CertificateRequest]:
    """Return a host's requests by name."""
    return {one.name: one for one in requests(spec)[host]}


def line(request: CertificateRequest) -> str:
    """Return what matters of a request on one line."""
    return (
        f"{request.name} {request.authority} {request.profile} [{request.subject}] {request.owner}"
    )


@pytest.mark.parametrize("planes", [1, 3, 5])
def test_hosts_of_each_role_need_exactly_these(make_spec: MakeSpec, planes: int) -> None:
    """A control plane is also a member of etcd and a node; a worker is only a node."""
    wanted = requests(make_spec(planes, 2))
    names = {host: [one.name for one in found] for host, found in wanted.items()}
    expected = {f"m{i}": MEMBER + PLANE + NODE for i in range(1, planes + 1)}
    assert names == expected | {"w1": NODE, "w2": NODE}


def test_every_request_of_a_control_plane(make_spec: MakeSpec) -> None:
    """Authority, profile, subject and owner of every certificate."""
    assert [line(one) for one in requests(make_spec(1))["m1"]] == [
        "etcd/server etcd server [CN=m1] etcd:etcd",
        "etcd/peer etcd-peer peer [CN=m1] etcd:etcd",
        "etcd/healthcheck-client etcd client [CN=kube-etcd-healthcheck-client] root:root",
        "apiserver kubernetes server [CN=kube-apiserver] root:root",
        "apiserver-etcd-client etcd client [CN=kube-apiserver-etcd-client] root:root",
        "apiserver-kubelet-client kubernetes client [CN=kube-apiserver-kubelet-client] root:root",
        "front-proxy-client front-proxy client [CN=front-proxy-client] root:root",
        "controller-manager kubernetes client [CN=system:kube-controller-manager] root:root",
        "scheduler kubernetes client [CN=system:kube-scheduler] root:root",
        "super-admin kubernetes client [O=system:masters, CN=kubernetes-super-admin] root:root",
        "admin kubernetes client [O=backstay:cluster-admins, CN=kubernetes-admin] root:root",
        "kubelet-client kubernetes client [O=system:nodes, CN=system:node:m1] root:root",
        "kubelet-server kubernetes server [O=system:nodes, CN=system:node:m1] root:root",
        "proxy kubernetes client [CN=system:kube-proxy] root:root",
    ]


@pytest.mark.parametrize("planes", [1, 3, 5])
def test_the_names_of_every_server(make_spec: MakeSpec, planes: int) -> None:
    """Every name and address by which a server is called, and none besides."""
    spec = make_spec(planes)
    for number in range(1, planes + 1):
        found = by_name(spec, f"m{number}")
        named = {name: one.names for name, one in found.items() if one.names}
        assert named == {
            "etcd/server": (
                "DNS:localhost",
                f"DNS:m{number}",
                f"IP:10.0.0.{number}",
                "IP:127.0.0.1",
            ),
            "etcd/peer": (f"DNS:m{number}", f"IP:10.0.0.{number}"),
            "apiserver": tuple(
                sorted(
                    (
                        "DNS:kubernetes",
                        "DNS:kubernetes.default",
                        "DNS:kubernetes.default.svc",
                        "DNS:kubernetes.default.svc.cluster.local",
                        "DNS:localhost",
                        f"DNS:m{number}",
                        f"IP:10.0.0.{number}",
                        "IP:10.0.0.100",
                        "IP:10.96.0.1",
                        "IP:127.0.0.1",
                    )
                )
            ),
            "kubelet-server": (f"DNS:m{number}", f"IP:10.0.0.{number}"),
        }


def test_private_and_public_addresses_are_all_named(make_spec: MakeSpec) -> None:
    """A member has its name, private and public address in both its certificates."""
    host = Host(
        name="m1",
        address="192.0.2.1",
        private_address="10.0.0.1",
        public_address="198.51.100.1",
        roles=frozenset({Role.CONTROL_PLANE}),
    )
    found = by_name(make_spec(0, hosts=(host,)), "m1")
    everywhere = [ip_address(text) for text in ("10.0.0.1", "192.0.2.1", "198.51.100.1")]
    for name in ("etcd/server", "etcd/peer", "apiserver", "kubelet-server"):
        assert list(found[name].addresses[:3]) == everywhere, name
    assert ip_address("127.0.0.1") in found["etcd/server"].addresses
    assert ip_address("127.0.0.1") not in found["etcd/peer"].addresses


def test_an_endpoint_by_name_and_another_domain(make_spec: MakeSpec) -> None:
    """The endpoint's name is there; with a name only, there is no virtual address."""
    spec = make_spec(1, endpoint=Endpoint(name="api.example.org"))
    names = by_name(spec, "m1")["apiserver"].names
    assert "DNS:api.example.org" in names
    assert "IP:10.0.0.100" not in names


def test_an_endpoint_whose_name_is_an_address(make_spec: MakeSpec) -> None:
    """Clients look for an address among the addresses, whatever key it was written under."""
    spec = make_spec(1, endpoint=Endpoint(name="203.0.113.9"))
    names = by_name(spec, "m1")["apiserver"].names
    assert "IP:203.0.113.9" in names
    assert "DNS:203.0.113.9" not in names


def test_a_cluster_on_ipv6(make_spec: MakeSpec) -> None:
    """The other loopback is named too, and the first address of the IPv6 service range."""
    host = Host(name="m1", address="fd00::1", roles=frozenset({Role.CONTROL_PLANE}))
    network = NetworkRanges(pods="fd01::/48", services="fd02::/112")
    spec = make_spec(0, hosts=(host,), network=network, endpoint=Endpoint(vip="fd00::100"))
    names = set(by_name(spec, "m1")["apiserver"].names)
    assert {"IP:fd00::1", "IP:fd00::100", "IP:fd02::1", "IP:::1", "IP:127.0.0.1"} <= names


def test_dedicated_members_and_balancers(make_spec: MakeSpec) -> None:
    """A member of etcd that is nothing else has etcd's three; a balancer needs none."""
    roles = {"m1": Role.CONTROL_PLANE, "e1": Role.ETCD, "lb": Role.LOAD_BALANCER}
    hosts = tuple(
        Host(name=name, address=f"10.0.0.{i}", roles=frozenset({role}))
        for i, (name, role) in enumerate(roles.items(), start=1)
    )
    found = requests(make_spec(0, hosts=hosts))
    assert {host: [one.name for one in wanted] for host, wanted in found.items()} == {
        "e1": MEMBER,
        "lb": [],
        "m1": PLANE + NODE,
    }


def test_order_of_hosts_is_of_no_account(make_spec: MakeSpec) -> None:
    """Shuffling the hosts changes nothing."""
    spec = make_spec(3, 2)
    turned = spec.model_copy(update={"hosts": tuple(reversed(spec.hosts))})
    assert list(requests(spec).items()) == list(requests(turned).items())


def test_names_and_paths_are_unique_on_each_host(make_spec: MakeSpec) -> None:
    """One owner per path."""
    for found in requests(make_spec(3, 1)).values():
        assert len({one.stem for one in found}) == len({one.name for one in found}) == len(found)


def test_what_the_spec_says_of_lifetimes_and_keys(make_spec: MakeSpec) -> None:
    """43800h can be asked for; clients of etcd stay ECDSA when everything else is RSA."""
    pki = Pki(certificate_lifetime="43800h", renew_before="20d", key=KeyKind.RSA_2048)
    found = by_name(make_spec(1, pki=pki), "m1")
    lives = {(one.lifetime, one.renew_before) for one in found.values()}
    assert lives == {(timedelta(hours=43800), timedelta(days=20))}
    elliptic = {name for name, one in found.items() if one.key is KeyKind.ECDSA_P256}
    assert elliptic == {"apiserver-etcd-client", "etcd/healthcheck-client"}


def test_only_the_kubelets_client_certificate_is_renewed_by_itself(make_spec: MakeSpec) -> None:
    """All others are ours to renew."""
    found = by_name(make_spec(1), "m1")
    assert [n for n, one in found.items() if one.renewed_by is RenewedBy.KUBELET] == [
        "kubelet-client"
    ]


def test_peers_have_an_authority_of_their_own(make_spec: MakeSpec) -> None:
    """So that no peer certificate is a client certificate, nor the other way round."""
    found = by_name(make_spec(1), "m1").values()
    assert [one.name for one in found if one.authority is AuthorityName.ETCD_PEER] == ["etcd/peer"]
    assert [one.name for one in found if one.profile is Profile.PEER] == ["etcd/peer"]


def test_a_host_name_that_no_certificate_can_hold(make_spec: MakeSpec) -> None:
    """A node's user name has at most 64 characters, 12 of which are not the host's."""
    host = Host(name="h" * 53, address="10.0.0.1", roles=frozenset({Role.WORKER}))
    with pytest.raises(ConfigError, match="too long"):
        requests(make_spec(1, hosts=(host,)))
    requests(make_spec(1, hosts=(host.model_copy(update={"name": "h" * 52}),)))


def test_an_administrators_request(make_spec: MakeSpec) -> None:
    """A person is in our group, for as long as was asked, and on no machine."""
    request = admin_request(make_spec(1), "ada", timedelta(hours=2))
    assert request.subject == "O=backstay:cluster-admins, CN=ada"
    assert (request.lifetime, request.profile) == (timedelta(hours=2), Profile.CLIENT)
    assert request.stem == ""


@pytest.mark.parametrize("user", ["", "a" * 65, "a\nb", "system:masters", "system:node:m1"])
def test_who_cannot_be_an_administrator(make_spec: MakeSpec, user: str) -> None:
    """Names that are Kubernetes' own, or no names, are refused."""
    with pytest.raises(UsageError):
        admin_request(make_spec(1), user, timedelta(hours=2))
