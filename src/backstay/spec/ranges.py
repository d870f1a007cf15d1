"""Ranges of pods and Services: how large, where, apart from all else; and the API among them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from backstay.spec.model import ClusterSpec, Cni, IPAddress
from backstay.spec.violation import Violation

# kube-apiserver refuses more than 20 bits of Service addresses (options/validation.go).
MOST_SERVICE_BITS = 20
# DNS has the tenth address of them, and the first is kubernetes.default's.
LEAST_SERVICE_BITS = 4
# Of a node's range none of a pod's: the network itself, the bridge, and (IPv4) everybody.
NOT_FOR_PODS = 3
# kube-controller-manager refuses more bits between the range and a node's part (cidr_set.go).
MOST_NODE_BITS_V6 = 16
V6 = 6
SERVICE_PORT = 443
"""Where the Service `kubernetes` listens: apiservers make it so."""


def kubernetes_service(spec: ClusterSpec) -> IPAddress:
    """Return where pods find the API: the first address, which apiservers take for themselves."""
    return spec.network.services[1]


def ranges(spec: ClusterSpec) -> Iterator[Violation]:
    """Ask for ranges of ordinary addresses that touch neither each other nor a machine."""
    pods, services = spec.network.pods, spec.network.services
    if pods.version == services.version and pods.overlaps(services):
        yield Violation(f"pods {pods} and services {services} overlap", ("network",))
    for name, network in (("pods", pods), ("services", services)):
        path = ("network", name)
        if not _is_ordinary(network):
            yield Violation(f"{network} is not for machines: see RFC 6890", path)
        for host in spec.hosts:
            if any(address in network for address in host.addresses):
                message = f"{host.name} has an address in the range of {name}, {network}"
                yield Violation(message, path)


def _is_ordinary(network: IPv4Network | IPv6Network) -> bool:
    return not (
        network.is_loopback
        or network.is_link_local
        or network.is_multicast
        or network.is_unspecified
        or network.prefixlen == 0
    )


def services(spec: ClusterSpec) -> Iterator[Violation]:
    """Ask for as many addresses of Services as the apiserver takes and DNS needs."""
    path, network = ("network", "services"), spec.network.services
    bits = network.max_prefixlen - network.prefixlen
    if bits > MOST_SERVICE_BITS:
        most = network.max_prefixlen - MOST_SERVICE_BITS
        yield Violation(f"{network} is too large: the apiserver takes /{most} at most", path)
    if bits < LEAST_SERVICE_BITS:
        least = network.max_prefixlen - LEAST_SERVICE_BITS
        message = f"{network} is too small: DNS has the tenth address, so /{least} is the least"
        yield Violation(message, path)


def pods(spec: ClusterSpec) -> Iterator[Violation]:
    """Ask for a part of the pods' range for every node, with room for its pods."""
    network, prefix = spec.network.pods, spec.network.pods_per_node_prefix
    path = ("network", "podsPerNodePrefix")
    if not network.prefixlen <= prefix <= network.max_prefixlen:
        message = f"a /{prefix} is no part of {network}"
        hint = "; write podsPerNodePrefix: 64" if network.version == V6 else ""
        yield Violation(message + hint, path)
        return
    parts = prefix - network.prefixlen
    if 2**parts < len(spec.nodes):
        message = f"{network} has {2**parts} ranges of /{prefix}, and there are {len(spec.nodes)}"
        yield Violation(f"{message} nodes", path)
    room = 2 ** (network.max_prefixlen - prefix) - NOT_FOR_PODS
    if room < spec.kubelet.max_pods:
        message = f"a /{prefix} has {room} addresses for pods, and kubelet.maxPods is"
        yield Violation(f"{message} {spec.kubelet.max_pods}", path)
    if network.version == V6 and spec.network.cni is Cni.NONE and parts > MOST_NODE_BITS_V6:
        longest = network.prefixlen + MOST_NODE_BITS_V6
        message = f"kube-controller-manager gives parts of {network} of /{longest} at most"
        yield Violation(message, path)
