"""kube-proxy: a unit on every node, at the balancer; flags only, so that the owner can add some.

With a configuration file it would ignore them.
"""

from __future__ import annotations

from backstay.components import in_cluster
from backstay.components.addresses import Port, endpoint_url, everywhere, socket_text
from backstay.components.controllers import QUICK_PINGS
from backstay.components.flags import Flags, command, merged
from backstay.components.kubeconfig import kubeconfig
from backstay.components.place import Place
from backstay.components.units import FOREVER, SEALED, Unit, install
from backstay.pki.kept import KeptName
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import Component


def proxy(place: Place) -> tuple[Resource, ...]:
    """Return kube-proxy, its kubeconfig and the rules before its own; nothing where no node is."""
    if not place.is_node:
        return ()
    program, pair = place.program("kube-proxy"), place.certificates["proxy"]
    rules = in_cluster.rules(place)
    access = kubeconfig("proxy", server=endpoint_url(place.spec), pair=pair)
    flags = {"kubeconfig": access.path, **_flags(place)}
    unit = Unit(
        "kube-proxy",
        "kube-proxy, which leads Services to pods",
        Tier.NODE,
        section=("Wants=network-online.target", "After=network-online.target"),
        service=(
            in_cluster.LOAD,
            command(program.path, merged(place.spec, Component.PROXY, flags)),
            *QUICK_PINGS,
            *FOREVER,
            "OOMScoreAdjust=-998",
            *SEALED,
            # The lock of iptables is in /run; parameters of conntrack are its own to set.
            "ReadWritePaths=/run",
            "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_RESOURCE",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
        ),
        reads=(program, access, rules, *place.kept(KeptName.KUBERNETES_CERTIFICATE)),
        rereads=(pair,),
    )
    return (program, access, rules, *install(unit))


def _flags(place: Place) -> Flags:
    """Return what it does; the size of conntrack is the machine's, a container may not set it."""
    network = place.spec.network
    return {
        "hostname-override": place.host.name,
        "proxy-mode": place.spec.proxy.mode.value,
        "cluster-cidr": str(network.pods),
        "detect-local-mode": "ClusterCIDR",
        "conntrack-max-per-core": "0",
        "iptables-localhost-nodeports": "false",
        "metrics-bind-address": socket_text("127.0.0.1", Port.PROXY_METRICS),
        "healthz-bind-address": socket_text(everywhere(place.host.internal), Port.PROXY_HEALTH),
        "profiling": "false",
    }
