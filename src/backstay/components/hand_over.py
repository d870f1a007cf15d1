"""An address that moves in an orderly way takes no connection with it: who leaves serves them on.

A connection ends at the balancer of the machine that had the address when it was made. That
machine keeps the address, unannounced; the next holder sends it what belongs to none of its own
connections, and answers go straight back (docs/decisions/hand-over.md).
"""

from __future__ import annotations

from backstay.components.addresses import V6
from backstay.components.place import LIBRARY, SETTINGS, Place
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.resources.kernel import Sysctl
from backstay.resources.resource import Resource
from backstay.spec.model import Host, IPAddress

RULES = f"{SETTINGS}/hand-over.nft"
SCRIPT = f"{LIBRARY}/keep-endpoint"
KEEP, FORGET = (f"/bin/sh {SCRIPT} {word}" for word in ("keep", "forget"))
VRRP = 112
"""The protocol's number; its name is not known on every machine."""

_KEPT_SECONDS = 4 * 3600
"""As long as a balancer lets an idle connection be."""

_METRIC = 1000
"""Behind the kernel's own routes to its addresses, which have 0."""

_ONCE, _TWICE = 43, 47
"""How often a packet was sent on; code points that RFC 2474 leaves to everybody's own use."""

_UNANNOUNCED = {"net.ipv4.conf.all.arp_announce": "2", "net.ipv4.conf.all.arp_ignore": "1"}
"""An address that is kept is neither told of nor asked for, as on the real servers of LVS."""


def is_handed_over(place: Place) -> bool:
    """Tell whether the machine is one of several that pass an IPv4 address around."""
    vip = place.spec.endpoint.vip
    return vip is not None and vip.version != V6 and place.is_balancer and bool(_kin(place))


def hand_over(place: Place) -> tuple[Resource, ...]:
    """Return what lets connections outlive an orderly move; nothing where nobody could help."""
    if not is_handed_over(place):
        return ()
    lines = Text("".join(f"{name} = {value}\n" for name, value in _UNANNOUNCED.items()))
    return (
        File("/etc/sysctl.d/91-backstay-endpoint.conf", lines),
        *(Sysctl(name, value) for name, value in _UNANNOUNCED.items()),
        *programs(place),
    )


def programs(place: Place) -> tuple[File, ...]:
    """Return the script that keeps or forgets the address, and the rules that pass packets on."""
    vip = place.spec.endpoint.vip
    if vip is None or not is_handed_over(place):
        return ()
    return (
        File(SCRIPT, Text(_script(place, vip)), mode="755"),
        File(RULES, Text(_rules(place, vip)), mode="600"),
    )


def interface_of(place: Place) -> str:
    """Return the interface that the address is on."""
    return place.spec.endpoint.interface or place.around.interface


def peers(place: Place) -> tuple[Host, ...]:
    """Return the other balancers."""
    return tuple(host for host in place.ground.balancers if host.name != place.host.name)


def _kin(place: Place) -> list[str]:
    """Return the IPv4 addresses of the other balancers."""
    return [str(host.internal) for host in peers(place) if host.internal.version != V6]


def _script(place: Place, vip: IPAddress) -> str:
    """Return what keeps the address for a while, or forgets it, as when nothing here serves it.

    A route of our own, not an address: one that is on the interface goes before it, so that
    nothing has to be taken away in the moment in which this machine becomes the holder again.
    """
    return f"""\
#!/bin/sh
route="local {vip}/32 dev lo table local metric {_METRIC}"
timer=backstay-forget-endpoint
case $1 in
keep)
    ip -o address show dev {interface_of(place)} to {vip}/32 | grep -q . || exit 0
    systemctl --quiet is-active haproxy.service || exit 0
    # shellcheck disable=SC2086
    ip route replace $route || exit 1
    systemctl --quiet stop $timer.timer 2>/dev/null
    exec systemd-run --quiet --unit=$timer --collect --on-active={_KEPT_SECONDS} "$0" forget
    ;;
forget)
    # shellcheck disable=SC2086
    ip route del $route 2>/dev/null || :
    ;;
esac
"""


def _rules(place: Place, vip: IPAddress) -> str:
    """Return rules that learn who left (RFC 5798: priority 0) and send on what is unknown here.

    An update would keep whom the map has already; a flush keeps the map, so that a reload forgets
    nobody. A copy passes no connection tracking, which would see one direction only and call it
    invalid. It is marked: from the one who left last it goes on to the one before, and no further.
    A machine that neither holds nor keeps the address refuses, so that a client knows at once.
    """
    device, endpoint = interface_of(place), place.spec.endpoint
    kept = f"ip daddr {vip} tcp dport {endpoint.port} tcp flags & syn == 0"
    return f"""\
table ip backstay_endpoint {{
    map former {{
        type ipv4_addr : ipv4_addr
        flags dynamic, timeout
        timeout {_KEPT_SECONDS}s
        size 16
    }}
}}
flush table ip backstay_endpoint
table ip backstay_endpoint {{
    chain learn {{
        type filter hook input priority filter - 11; policy accept;
        ip saddr {{ {", ".join(_kin(place))} }} ip ttl 255 meta l4proto {VRRP} \\
            @th,8,8 {endpoint.virtual_router_id} @th,16,8 0 \\
            delete @former {{ {vip} : ip saddr }} add @former {{ {vip} : ip saddr }}
    }}
    chain pass_on {{
        type filter hook prerouting priority raw; policy accept;
        {kept} ip ttl > 1 socket wildcard 1 jump once_more
    }}
    chain once_more {{
        ip dscp {_TWICE} return
        ip dscp {_ONCE} ip dscp set {_TWICE} dup to ip daddr map @former drop
        ip dscp != {_TWICE} ip dscp set {_ONCE} dup to ip daddr map @former drop
    }}
    chain refuse {{
        type filter hook forward priority filter - 11; policy accept;
        iifname "{device}" oifname "{device}" {kept} reject with tcp reset
    }}
}}
"""
