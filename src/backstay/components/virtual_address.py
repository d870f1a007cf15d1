"""keepalived: the virtual address is where a balancer answers, and moves when it does not.

The program comes from the distribution; preflight looks that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from backstay.components import hand_over
from backstay.components.addresses import V6
from backstay.components.endpoint_ring import VRRP
from backstay.components.loadbalancer import MONITOR, MONITORED
from backstay.components.place import LIBRARY, SETTINGS, Place
from backstay.components.units import FIRST, FOREVER, SEALED, Kind, Unit, install
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import IPAddress
from backstay.spec.rules import RUN_MILLISECONDS

CONFIG = "/etc/keepalived/keepalived.conf"
PROGRAM = "/usr/sbin/keepalived"
CHECK = f"{LIBRARY}/check-endpoint"
RULES = f"{SETTINGS}/vrrp.nft"
HIGHEST_PRIORITY = 250

APART = 100
"""Between two priorities, if all have room: 0.4 of an advert's interval, in which the next hears
the first claim. Of two that are 1 apart, both claimed in three of twelve walks, and who yields
is taken for a holder that never left (docs/decisions/hand-over.md)."""

NEXT_PRIORITY = HIGHEST_PRIORITY - APART
"""What the next holder has at least when one balancer is lost."""

_UNPRIVILEGED = "/usr/bin/setpriv --reuid=haproxy --regid=haproxy --clear-groups --no-new-privs"
_PROCESS_FILES = "--pid=/run/keepalived/keepalived.pid --vrrp_pid=/run/keepalived/vrrp.pid"
_CAPABILITIES = (
    # Addresses and packets; its priority; and the check's fall from root.
    "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BROADCAST CAP_SYS_NICE CAP_SETUID CAP_SETGID CAP_KILL"
)


def virtual_address(place: Place) -> tuple[Resource, ...]:
    """Return keepalived, its check and its firewall; nothing where no address is ours to move."""
    vip = place.spec.endpoint.vip
    if not place.is_balancer or vip is None:
        return ()
    lines = "\n".join(configuration(place, vip)) + "\n"
    config = File(CONFIG, Text(lines), mode="600", check=(PROGRAM, "-t", "-f", "{}"))
    rules = File(RULES, Text(_rules(place)), mode="600", check=("/usr/sbin/nft", "-c", "-f", "{}"))
    check = File(CHECK, Text(_check(place)), mode="755")
    return (
        Directory("/etc/keepalived"),
        check,
        rules,
        config,
        *install(_unit(place, config, rules, check)),
    )


def _unit(place: Place, config: File, rules: File, check: File) -> Unit:
    kept = hand_over.programs(place)
    firewall = (
        f"+/usr/sbin/nft -f {RULES}",
        # A kernel without such rules cuts connections when the address moves, and that is all.
        *((f"-+/usr/sbin/nft -f {hand_over.RULES}",) if kept else ()),
    )
    return Unit(
        "keepalived",
        "Virtual address of the Kubernetes API",
        Tier.BALANCER,
        # Stopped before haproxy, it hands the address over while that still serves.
        section=("Wants=network-online.target", "After=network-online.target haproxy.service"),
        service=(
            "Type=notify",
            # Both of its processes speak to systemd.
            "NotifyAccess=all",
            *(f"ExecStartPre={line}" for line in firewall),
            f"ExecStart={PROGRAM} --dont-fork --vrrp --use-file={CONFIG} {_PROCESS_FILES}",
            *(f"ExecReload={line}" for line in firewall),
            "ExecReload=/bin/kill -HUP $MAINPID",
            *((f"ExecStop=-{hand_over.KEEP}",) if kept else ()),
            *FOREVER,
            # A check that is running may not be ended with it: failed by a signal, it would be
            # told as lost, and what `keep` has just kept would be cut.
            "KillMode=mixed",
            # Killed, it is started again only once its group is known to be empty, which systemd
            # may learn on cgroup v1 by waiting alone; an orderly stop takes a tenth of this.
            "TimeoutStopSec=2s",
            "OOMScoreAdjust=-900",
            # Of the check, which its late answer would fail; keepalived itself goes before that.
            FIRST,
            "RuntimeDirectory=keepalived",
            *(line for line in SEALED if not line.startswith("RestrictRealtime")),
            "ProtectKernelTunables=yes",
            f"CapabilityBoundingSet={_CAPABILITIES}",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_UNIX",
        ),
        rereads=(check,),
        reloads=(config, rules, *kept),
        kind=Kind.RELOADED,
    )


def configuration(place: Place, vip: IPAddress) -> Iterator[str]:
    """Yield the lines of keepalived.conf (keepalived.conf(5), 2.2).

    No instance preempts, so all begin as BACKUP. The script is named through `sh` since the test
    of a new configuration wants its program to be there already.
    """
    endpoint = place.spec.endpoint
    interface = hand_over.interface_of(place)
    length = 128 if vip.version == V6 else 32
    yield from (
        "global_defs {",
        f"    router_id {place.host.name}",
        "    vrrp_version 3",
        "    enable_script_security",
        "    script_user root",
        "    vrrp_priority -20",
        # Of two holders, as after a partition, who yields says so once more, and the other tells
        # the network anew whose the address is. Unheard, as where a partition ends one way first,
        # the other's next announcement mends it.
        "    vrrp_garp_master_refresh 3",
        "    vrrp_higher_prio_send_advert true",
        "}",
        "",
        *_script(place),
        "",
        "vrrp_instance kubernetes {",
        "    state BACKUP",
        "    nopreempt",
        f"    interface {interface}",
        f"    virtual_router_id {endpoint.virtual_router_id}",
        f"    priority {_priority(place)}",
        f"    advert_int {place.spec.load_balancer.advert_interval_milliseconds / 1000:g}",
        *_unicast(place),
        "    virtual_ipaddress {",
        f"        {vip}/{length} dev {interface}",
        "    }",
        "    track_script {",
        "        endpoint",
        "    }",
        *_notices(place),
        "}",
    )


def _notices(place: Place) -> Iterator[str]:
    """Yield what is run when this machine is the holder, is not, or is not any more."""
    if hand_over.programs(place):
        yield f'    notify_master "{hand_over.HELD}"'
        yield f'    notify_backup "{hand_over.END}"'
        yield f'    notify_fault "{hand_over.LOST}"'


def _script(place: Place) -> Iterator[str]:
    """Yield how the check is run: as haproxy's own user, who may use its socket.

    Not by keepalived's `user`: 2.2.7 ends itself by SIGTERM when it tests such a file (notify.c
    compares the parent's PID with that of a main process, which there is none of).
    """
    timers = place.spec.load_balancer
    waits = timers.address_check_interval_milliseconds + timers.address_check_timeout_milliseconds
    yield from (
        "vrrp_script endpoint {",
        f'    script "{_UNPRIVILEGED} /bin/sh {CHECK}"',
        f"    interval {RUN_MILLISECONDS // 1000}",
        # The script ends by itself, unless it cannot.
        f"    timeout {ceil((RUN_MILLISECONDS + waits) / 1000) + 1}",
        # It has asked long enough itself before it fails.
        "    fall 1",
        # Coming back moves nothing, since no instance preempts: once is enough.
        "    rise 1",
        "}",
    )


def priorities(balancers: int) -> list[int]:
    """Return one for each, in order, all different: no two of them claim at once.

    Of more than 250 balancers the last ones share the lowest.
    """
    apart = min(APART, max((HIGHEST_PRIORITY - 1) // max(balancers - 1, 1), 1))
    return [max(HIGHEST_PRIORITY - place * apart, 1) for place in range(balancers)]


def _priority(place: Place) -> int:
    names = [host.name for host in place.ground.balancers]
    return priorities(len(names))[names.index(place.host.name)]


def _unicast(place: Place) -> Iterator[str]:
    """Yield the peers by address; a lone balancer has none and its adverts reach nobody."""
    if not (peers := hand_over.peers(place)):
        return
    yield f"    unicast_src_ip {place.host.internal}"
    yield "    unicast_peer {"
    yield from (f"        {host.internal}" for host in peers)
    yield "    }"
    yield "    unicast_fault_no_peer"


def _check(place: Place) -> str:
    """Return the check: it asks several times in its second, since keepalived counts in whole ones.

    Asking haproxy itself, and not an apiserver through it, tells a frozen balancer from a frozen
    apiserver, which must not move the address. Refused (7) is what a balancer does for a moment
    that is started again.
    """
    timers = place.spec.load_balancer
    interval = timers.address_check_interval_milliseconds
    pause = f"{interval / 1000:g}"
    pauses = (pause,) * (RUN_MILLISECONDS // interval - 1)
    return f"""\
#!/bin/sh
# Succeeds while the balancer of this machine answers and knows an apiserver that is ready.
ask() {{
    curl --silent --fail --output /dev/null --noproxy '*' \\
        --max-time {timers.address_check_timeout_milliseconds / 1000:g} \\
        --unix-socket {MONITOR} http://balancer{MONITORED}
}}
serves() {{
    ask && return
    [ $? -eq 7 ] && sleep {pause} && ask
}}
for pause in {" ".join((*pauses, "0"))}; do
    sleep "$pause" &
    serves || exit 1
    wait
done
"""


def _rules(place: Place) -> str:
    """Return rules that let VRRP in from the other balancers only; its own words prove nothing."""
    addresses = [host.internal for host in hand_over.peers(place)]
    lines = [
        f"        {family} saddr {{ {', '.join(found)} }} meta l4proto {VRRP} accept"
        for family, version in (("ip", 4), ("ip6", V6))
        if (found := [str(address) for address in addresses if address.version == version])
    ]
    body = "\n".join((*lines, f"        meta l4proto {VRRP} drop"))
    return f"""\
table inet backstay_vrrp
delete table inet backstay_vrrp
table inet backstay_vrrp {{
    chain input {{
        type filter hook input priority filter - 10; policy accept;
{body}
    }}
}}
"""
