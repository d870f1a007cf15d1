"""The pods' network by a bridge on every node, and a route from each node to every other's pods.

Routes lead straight to the other node, so nodes must share a network segment. They vanish when a
link goes down, so a small process puts them back when it comes up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network

from backstay.components.addresses import V6
from backstay.components.containerd import CNI_CONFIG, CNI_PROGRAMS
from backstay.components.place import LIBRARY, SETTINGS, Place
from backstay.components.units import FOREVER, SEALED, Unit, install
from backstay.errors import RejectedError
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import ClusterSpec, Cni, ProxyMode

Subnet = IPv4Network | IPv6Network

CONFLIST = f"{CNI_CONFIG}/10-backstay.conflist"
PLUGINS = ("bridge", "host-local", "loopback", "portmap")
ROUTES = f"{SETTINGS}/routes"
RULES = f"{SETTINGS}/pods.nft"
SCRIPT = f"{LIBRARY}/pod-routes"
ROUTE_PROTOCOL = 66
"""Marks the routes as ours in the kernel's table; the number is nobody else's."""


def subnets(spec: ClusterSpec, observed: Mapping[str, Subnet]) -> Mapping[str, Subnet]:
    """Return each node's range of pods: what it has, else the lowest that is free, by name.

    RejectedError if a node has a range that cannot be its own, or there are not enough of them.
    """
    network, names = spec.network, [host.name for host in spec.nodes]
    kept = {name: observed[name] for name in names if name in observed}
    _require_fit(spec, kept)
    taken = set(kept.values())
    free = (
        subnet
        for subnet in network.pods.subnets(new_prefix=network.pods_per_node_prefix)
        if subnet not in taken
    )
    given = {name: kept[name] if name in kept else next(free, None) for name in names}
    if short := [name for name, subnet in given.items() if subnet is None]:
        raise RejectedError(
            f"the pods' range is too small for {len(names)} nodes",
            where=f"network.pods: {network.pods}, a /{network.pods_per_node_prefix} for each node",
            why=f"nothing is left for {', '.join(short)}",
            next_move="give network.pods a shorter prefix, or podsPerNodePrefix a longer one",
        )
    return {name: subnet for name, subnet in given.items() if subnet is not None}


def _require_fit(spec: ClusterSpec, kept: Mapping[str, Subnet]) -> None:
    network = spec.network
    owners: dict[Subnet, str] = {}
    for name, subnet in sorted(kept.items()):
        inside = subnet.version == network.pods.version and subnet.subnet_of(network.pods)  # type: ignore[arg-type]
        if not inside or subnet.prefixlen != network.pods_per_node_prefix:
            raise _misfit(
                name, f"{subnet} is not a /{network.pods_per_node_prefix} of {network.pods}"
            )
        if subnet in owners:
            raise _misfit(name, f"{subnet} belongs to {owners[subnet]} too")
        owners[subnet] = name


def _misfit(host: str, why: str) -> RejectedError:
    return RejectedError(
        "the pods of a node have addresses that cannot stay",
        where=f"{host}: {CONFLIST}",
        why=why,
        next_move="put network.pods and podsPerNodePrefix back, or make the node anew",
    )


def network(place: Place) -> tuple[Resource, ...]:
    """Return the plugins, and with a bridge by us its configuration and routes."""
    if not place.is_node:
        return ()
    directories = (Directory("/opt/cni"), Directory(CNI_PROGRAMS), Directory("/etc/cni"))
    plugins = tuple(place.program(name, CNI_PROGRAMS) for name in PLUGINS)
    shared: tuple[Resource, ...] = (*directories, Directory(CNI_CONFIG, "700"), *plugins)
    if place.spec.network.cni is Cni.NONE:
        return shared
    conflist = File(CONFLIST, Text(json.dumps(_conflist(place), indent=2) + "\n"), mode="600")
    return (*shared, conflist, *_routes(place))


def _conflist(place: Place) -> Mapping[str, object]:
    subnet = place.ground.site.subnets[place.host.name]
    backend = "nftables" if place.spec.proxy.mode is ProxyMode.NFTABLES else "iptables"
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "isDefaultGateway": True,
        "forceAddress": True,
        # A pod may reach itself through a Service.
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(subnet)}]],
            # After a boot no pod of before has its address any more.
            "dataDir": "/run/cni/networks",
        },
    }
    portmap = {
        "type": "portmap",
        "backend": backend,
        "snat": True,
        "capabilities": {"portMappings": True},
    }
    return {"cniVersion": "1.0.0", "name": "backstay", "plugins": [bridge, portmap]}


def _routes(place: Place) -> Iterator[Resource]:
    subnet = place.ground.site.subnets[place.host.name]
    routes = File(ROUTES, place.ground.routes)
    rules = File(RULES, Text(_rules(place.spec)), check=("/usr/sbin/nft", "-c", "-f", "{}"))
    script = File(SCRIPT, Text(_SCRIPT), mode="755")
    call = f"/bin/sh {SCRIPT}"
    unit = Unit(
        "backstay-network",
        "Routes between the pods of different machines",
        Tier.RUNTIME,
        section=("Wants=network-online.target", "After=network-online.target"),
        service=(
            f"ExecStartPre={call} once {subnet}",
            f"ExecStart={call} watch {subnet} {place.around.interface}",
            *FOREVER,
            # It has nothing to finish.
            "TimeoutStopSec=1s",
            *SEALED,
            "ProtectKernelTunables=yes",
            "CapabilityBoundingSet=CAP_NET_ADMIN",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
        ),
        reads=(routes, rules, script),
    )
    yield from (routes, rules, script, *install(unit))


def _rules(spec: ClusterSpec) -> str:
    """Return rules that give what pods send out of their network the node's address."""
    family = "ip6" if spec.network.pods.version == V6 else "ip"
    multicast = "ff00::/8" if family == "ip6" else "224.0.0.0/4"
    pods = spec.network.pods
    return f"""\
table {family} backstay_pods
delete table {family} backstay_pods
table {family} backstay_pods {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        {family} saddr {pods} {family} daddr != {{ {pods}, {multicast} }} masquerade
    }}
}}
"""


_SCRIPT = f"""\
#!/bin/sh
# pod-routes once|watch OWN-SUBNET [INTERFACE]
# Makes the routes of {ROUTES} and no others of their kind; `watch` does so again
# whenever something happens to the interface. Can be run as often as one likes.
set -eu
own=$2

apply() {{
    awk -v own="$own" '
        $1 != own {{ print "route replace", $1, "via", $2, "proto {ROUTE_PROTOCOL}" }}
    ' {ROUTES} | ip -batch - || return 1
    for family in -4 -6; do
        ip "$family" route show proto {ROUTE_PROTOCOL} | while read -r subnet rest; do
            grep -q "^$subnet " {ROUTES} || ip "$family" route del "$subnet" proto {ROUTE_PROTOCOL}
        done || return 1
    done
}}

case $1 in
once)
    nft -f {RULES}
    apply
    ;;
watch)
    ip -o monitor link address | while read -r event; do
        case "$event " in
        # While the link is down there is no way: end, and be started again until there is one.
        *" $3@"* | *" $3: "* | *" $3 "*) apply || kill "$$" ;;
        esac
    done
    ;;
esac
"""
