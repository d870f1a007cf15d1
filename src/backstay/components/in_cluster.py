"""The API as pods find it: a node leads the Service `kubernetes` to the virtual address.

kube-proxy asks nobody whether an apiserver is alive; balancers do. Endpoints stay as apiservers
arrange them, and where these rules are not, kube-proxy's apply (docs/decisions/in-cluster.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.components.addresses import V6, socket_text
from backstay.components.place import SETTINGS, Place
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.spec.model import ClusterSpec, IPAddress, KubernetesService
from backstay.spec.ranges import SERVICE_PORT, kubernetes_service

RULES = f"{SETTINGS}/kubernetes-service.nft"
LOAD = f"ExecStartPre=-+/usr/sbin/nft -f {RULES}"
"""What kube-proxy's unit runs first: a kernel without such rules leaves it to kube-proxy."""

_DESTINATIONS, _SOURCES = -105, 95
"""Priorities: kube-proxy's rules, and the pods', have -100 and 100 (nft(8)), and whoever comes
first has chosen."""


def rules(place: Place) -> File:
    """Return the rules of a node; without any they still take away what an earlier wish left."""
    vip = place.spec.endpoint.vip
    family = "ip6" if place.spec.network.services.version == V6 else "ip"
    lines = [f"table {family} backstay_service", f"delete table {family} backstay_service"]
    if vip is not None and _leads(place):
        lines += _table(place.spec, vip, family)
    return File(RULES, Text("\n".join(lines) + "\n"), mode="600")


def _leads(place: Place) -> bool:
    """Tell whether the node does: who may become the holder does not.

    A new holder's own connections do not outlive a hand-over (docs/decisions/hand-over.md).
    """
    wished = place.spec.proxy.kubernetes_service is KubernetesService.ENDPOINT
    return wished and not place.is_balancer


def _table(spec: ClusterSpec, vip: IPAddress, family: str) -> Iterator[str]:
    service = kubernetes_service(spec)
    lead = (
        f"{family} daddr {service} tcp dport {SERVICE_PORT}"
        f" dnat to {socket_text(vip, spec.endpoint.port)}"
    )
    # A balancer that is no node knows no way back to pods.
    own = (
        f"meta l4proto tcp ct original {family} daddr {service}"
        f" ct original proto-dst {SERVICE_PORT} masquerade fully-random"
    )
    yield f"table {family} backstay_service {{"
    yield from _chain("prerouting", _DESTINATIONS, lead)
    yield from _chain("output", _DESTINATIONS, lead)
    yield from _chain("postrouting", _SOURCES, own)
    yield "}"


def _chain(hook: str, priority: int, rule: str) -> Iterator[str]:
    yield f"    chain {hook} {{"
    yield f"        type nat hook {hook} priority {priority}; policy accept;"
    yield f"        {rule}"
    yield "    }"
