"""Rules about how clients and machines find each other: addresses, ports, the endpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType

from backstay.spec.model import APISERVER_PORT, ClusterSpec, Host, IPAddress
from backstay.spec.violation import Violation

CONTROL_PLANE_PORTS: Mapping[int, str] = MappingProxyType(
    {
        APISERVER_PORT: "kube-apiserver",
        10257: "kube-controller-manager",
        10259: "kube-scheduler",
    }
)
ETCD_PORTS: Mapping[int, str] = MappingProxyType(dict.fromkeys((2379, 2380, 2381), "etcd"))
NODE_PORTS: Mapping[int, str] = MappingProxyType(
    {10248: "kubelet", 10249: "kube-proxy", 10250: "kubelet", 10256: "kube-proxy"}
)
# kube-apiserver's own default of --service-node-port-range.
FOR_SERVICES = range(30000, 32768)
V4 = 4
USUAL_PREFIX = MappingProxyType({4: 24, 6: 64})


def families(spec: ClusterSpec) -> Iterator[Violation]:
    """Ask for one family of addresses: components are given one address each."""
    found = {host.internal.version for host in spec.hosts}
    found |= {spec.network.pods.version, spec.network.services.version}
    if len(found) > 1:
        message = "hosts, pods and services must all be IPv4 or all be IPv6"
        yield Violation(message, ("network",) if "network" in spec.model_fields_set else ("hosts",))


def apart(spec: ClusterSpec) -> Iterator[Violation]:
    """Refuse an address that two machines have."""
    seen: dict[IPAddress, str] = {}
    for index, host in enumerate(spec.hosts):
        where = _written_at(host)
        for address in host.addresses:
            if address in seen:
                message = f"the address {address} is also {seen[address]}'s"
                yield Violation(message, ("hosts", index, where[address]))
            seen.setdefault(address, host.name)


def _written_at(host: Host) -> Mapping[IPAddress | None, str]:
    """Return the key under which each address of the host stands, the plainest if several."""
    return {
        host.public_address: "publicAddress",
        host.private_address: "privateAddress",
        host.address: "address",
    }


def ports(spec: ClusterSpec) -> Iterator[Violation]:
    """Refuse a port of the endpoint that something else has on a balancer."""
    port, holders = spec.endpoint.port, dict[str, list[str]]()
    others = [({host.name for host in hosts}, user) for hosts, user in _users_of(port, spec)]
    for host in spec.load_balancers:
        if port == (host.port or spec.ssh.port):
            holders.setdefault("SSH", []).append(host.name)
        for names, user in others:
            if host.name in names:
                holders.setdefault(user, []).append(host.name)
    for user, hosts in holders.items():
        message = f"port {port} is {user}'s on {', '.join(hosts)}: choose another, such as 8443"
        yield Violation(message, ("endpoint", "port"))


def _users_of(port: int, spec: ClusterSpec) -> Iterator[tuple[Sequence[Host], str]]:
    """Yield the hosts on which a component of ours listens there, and which it is."""
    if port in CONTROL_PLANE_PORTS:
        yield spec.control_planes, CONTROL_PLANE_PORTS[port]
    if port in ETCD_PORTS:
        yield spec.etcd_members, ETCD_PORTS[port]
    if port in NODE_PORTS:
        yield spec.nodes, NODE_PORTS[port]
    if port in FOR_SERVICES:
        yield spec.nodes, "some Service"


def balanced(spec: ClusterSpec) -> Iterator[Violation]:
    """Refuse an endpoint that is one of several apiservers: with it all would be lost."""
    several = spec.endpoint.vip is not None or len(spec.control_planes) > 1
    if several and not spec.is_balanced:
        message = f"{spec.endpoint.name}:{APISERVER_PORT} is one control plane's own apiserver"
        yield Violation(f"{message}: with it the API would be lost", ("endpoint", "name"))


def vip_is_free(spec: ClusterSpec) -> Iterator[Violation]:
    """Refuse a virtual address that somebody has, or may be given."""
    path, vip = ("endpoint", "vip"), spec.endpoint.vip
    if vip is None:
        return
    for host in spec.hosts:
        if vip in host.addresses:
            yield Violation(f"the vip {vip} is the address of {host.name}", path)
    for name, network in (("pods", spec.network.pods), ("services", spec.network.services)):
        if vip in network:
            yield Violation(f"the vip {vip} lies in the range of {name}, {network}", path)


def vip_is_near(spec: ClusterSpec) -> Iterator[Violation]:
    """Refuse a virtual address that cannot stand on the balancers' network."""
    vip = spec.endpoint.vip
    if vip is None:
        return
    prefix = spec.endpoint.prefix or USUAL_PREFIX[vip.version]
    if prefix > vip.max_prefixlen:
        yield Violation(f"/{prefix} is longer than the address {vip}", ("endpoint", "prefix"))
        return
    network = ip_network(f"{vip}/{prefix}", strict=False)
    strangers = [host.name for host in spec.load_balancers if host.internal not in network]
    if strangers:
        message = (
            f"the vip {vip} is not in the network of {', '.join(strangers)} "
            f"(taken as /{prefix}; endpoint.prefix says otherwise)"
        )
        yield Violation(message, ("endpoint", "vip"))
    if vip in _ends(network):
        message = f"the vip {vip} is the first or the last of {network}, which no machine can have"
        yield Violation(message, ("endpoint", "vip"))


def _ends(network: IPv4Network | IPv6Network) -> tuple[object, ...]:
    """Return the address of the network itself and that of all in it; in short ones, none."""
    if network.version != V4 or network.prefixlen > network.max_prefixlen - 2:
        return ()
    return network.network_address, network.broadcast_address
