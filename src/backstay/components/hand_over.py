"""An address that moves in an orderly way takes no connection with it: who leaves serves them on.

A connection ends at the balancer of the machine that had the address when it was made. That
machine keeps the address, unannounced; the next holder sends it what belongs to none of its own
connections, and answers go straight back (docs/decisions/hand-over.md).
"""

from __future__ import annotations

from backstay.components.addresses import V6
from backstay.components.endpoint_ring import KEPT_SECONDS, Ring, passing_on
from backstay.components.place import LIBRARY, SETTINGS, Place
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.resources.kernel import Sysctl
from backstay.resources.resource import Resource
from backstay.spec.model import Host, IPAddress

RULES = f"{SETTINGS}/hand-over.nft"
SCRIPT = f"{LIBRARY}/keep-endpoint"
KEEP, FORGET, HELD, END, LOST = (
    f"/bin/sh {SCRIPT} {word}" for word in ("keep", "forget", "held", "end", "lost")
)
_METRIC = 1000
"""Behind the kernel's own routes to its addresses, which have 0."""

_UNANNOUNCED = {"net.ipv4.conf.all.arp_announce": "2", "net.ipv4.conf.all.arp_ignore": "1"}
"""An address that is kept is neither told of nor asked for, as on the real servers of LVS."""


def is_handed_over(place: Place) -> bool:
    """Tell whether the machine is one of several that pass an IPv4 address around."""
    vip = place.spec.endpoint.vip
    return vip is not None and vip.version != V6 and place.is_balancer and _ring(place).others != []


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
    rules = passing_on(
        _ring(place),
        vip=vip,
        port=place.spec.endpoint.port,
        router=place.spec.endpoint.virtual_router_id,
        device=interface_of(place),
        advert=place.spec.load_balancer.advert_interval_milliseconds,
    )
    return (
        File(SCRIPT, Text(_script(place, vip)), mode="755"),
        File(RULES, Text(rules), mode="600"),
    )


def interface_of(place: Place) -> str:
    """Return the interface that the address is on."""
    return place.spec.endpoint.interface or place.around.interface


def peers(place: Place) -> tuple[Host, ...]:
    """Return the other balancers."""
    return tuple(host for host in place.ground.balancers if host.name != place.host.name)


def _ring(place: Place) -> Ring:
    """Return the balancers that can pass on IPv4 packets, in the order of the description."""
    found = [host for host in place.ground.balancers if host.internal.version != V6]
    here = next((at for at, host in enumerate(found) if host.name == place.host.name), len(found))
    return Ring(tuple(str(host.internal) for host in found), here)


def _script(place: Place, vip: IPAddress) -> str:
    """Return what keeps the address for a while, or forgets it, as when nothing here serves it.

    A holder has no memory of connections that are closed (TIME_WAIT, for a minute): a client that
    has such a one's port, and was served by another, would be answered with its numbers for ever.
    A route of our own, not an address: one that is on the interface goes before it, so that
    nothing has to be taken away in the moment in which this machine becomes the holder again. Once
    it is, the route goes: the others forget that it left, and pass nothing on to it any more.
    Who lost the address and keeps nothing ends its connections: it cannot even tell their clients,
    and once it is the holder again would take another's packets for theirs. Whose haproxy does
    not answer serves nobody on, whatever it kept before.
    """
    return f"""\
#!/bin/sh
route="local {vip}/32 dev lo table local metric {_METRIC}"
timer=backstay-forget-endpoint
ours="src {vip} sport = :{place.spec.endpoint.port}"
case $1 in
keep)
    ip -o address show dev {interface_of(place)} to {vip}/32 | grep -q . || exit 0
    systemctl --quiet is-active haproxy.service || exit 0
    # shellcheck disable=SC2086
    ip route replace $route || exit 1
    systemctl --quiet stop $timer.timer 2>/dev/null
    exec systemd-run --quiet --unit=$timer --collect --on-active={KEPT_SECONDS} "$0" forget
    ;;
forget)
    # shellcheck disable=SC2086
    ip route del $route 2>/dev/null || :
    ;;
held)
    ip -o address show dev {interface_of(place)} to {vip}/32 | grep -q . || exit 0
    /bin/sh "$0" forget
    # shellcheck disable=SC2086
    exec ss --kill --tcp state time-wait $ours >/dev/null
    ;;
end)
    ip -o address show dev {interface_of(place)} to {vip}/32 | grep -q . && exit 0
    ip route show table local {vip}/32 metric {_METRIC} | grep -q . && exit 0
    # shellcheck disable=SC2086
    exec ss --kill --tcp state connected $ours >/dev/null
    ;;
lost)
    /bin/sh "$0" forget
    exec /bin/sh "$0" end
    ;;
esac
"""
