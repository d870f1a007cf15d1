"""The API as pods find it: a node leads the Service `kubernetes` to the virtual address.

kube-proxy asks nobody whether an apiserver is alive; balancers do. Endpoints stay as apiservers
arrange them, and where these rules are not, kube-proxy's apply (docs/decisions/in-cluster.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.components.addresses import V6
from backstay.components.place import SETTINGS, Place
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.spec.model import ClusterSpec, IPAddress, KubernetesService

RULES = f"{SETTINGS}/kubernetes-service.nft"
LOAD = f"ExecStartPre=-+/usr/sbin/nft -f {RULES}"
"""What kube-proxy's unit runs first: one that cannot lead there goes without, as others do."""

FIRST = 1
"""Which address of the Services' range is the API's, by custom."""
_PORT = 443
_BEFORE_PROXY = (-105, 95)
"""Priorities of rules for destinations and for sources: kube-proxy's, and the pods', are -100 and
100 (nft(8)), and whoever comes first has chosen."""


def rules(place: Place) -> File:
    """Return the rules of a node; without any they still take away what an earlier wish left."""
    vip = place.spec.endpoint.vip
    family = "ip6" if place.spec.network.services.version == V6 else "ip"
    lines = [f"table {family} backstay_service", f"delete table {family} backstay_service"]
    if vip is not None and _leads(place, vip):
        lines += _table(place.spec, vip, family)
    check = ("/usr/sbin/nft", "-c", "-f", "{}")
    return File(RULES, Text("\n".join(lines) + "\n"), mode="600", check=check)


def _leads(place: Place, vip: IPAddress) -> bool:
    """Tell whether the node does: as long as it never becomes the holder itself.

    A new holder's own connections do not outlive a hand-over (docs/decisions/hand-over.md).
    """
    wished = place.spec.proxy.kubernetes_service is KubernetesService.ENDPOINT
    return wished and not place.is_balancer and vip.version == place.spec.network.services.version


def _table(spec: ClusterSpec, vip: IPAddress, family: str) -> Iterator[str]:
    service, endpoint = spec.network.services[FIRST], spec.endpoint
    target = f"[{vip}]" if family == "ip6" else vip
    lead = f"{family} daddr {service} tcp dport {_PORT} dnat to {target}:{endpoint.port}"
    before, after = _BEFORE_PROXY
    led = f"ct original {family} daddr {service} ct original proto-dst {_PORT}"
    yield f"table {family} backstay_service {{"
    for hook in ("prerouting", "output"):
        yield from _chain(hook, before, lead)
    # As kube-proxy does it: answers to others than pods have to come back this way.
    strangers = f"meta l4proto tcp {led} {family} saddr != {spec.network.pods} masquerade"
    yield from _chain("postrouting", after, strangers)
    yield "}"


def _chain(hook: str, priority: int, rule: str) -> Iterator[str]:
    yield f"    chain {hook} {{"
    yield f"        type nat hook {hook} priority {priority}; policy accept;"
    yield f"        {rule}"
    yield "    }"
