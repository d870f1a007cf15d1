"""Links that break where packets arrive: the text of one nft table of our own for one machine.

What is dropped on its way out is reported to its sender (EPERM), and breaks nothing silently.
The table goes with a reboot, and never touches what comes to the machine's sshd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import assert_never

from backstay.components.addresses import Port
from backstay.drill.faults.kinds import (
    BlindBalancer,
    BlockNames,
    BlockVrrp,
    Cut,
    Link,
    Lose,
    Ring,
    Silence,
    Way,
)
from backstay.drill.faults.targets import Site

TABLE = "inet backstay_drill"
PEER_PORT = 2380
"""Where members of etcd meet."""
VRRP = 112
"""The protocol's number; its name is not known on every machine."""
MARK = "0xb5"
"""On connections of the balancer to apiserver, ours alone in this table."""
SMALLEST_CLOSED_RING = 4
"""Of three in a circle each sees both others: nothing would be cut."""


def tables(link: Link, hosts: Sequence[str], site: Site) -> Mapping[str, str]:
    """Return the table of each machine that takes part, in the form of `nft -f`.

    `$ports` in it is the machine's own ports of its connections to the endpoint.
    """
    match link:
        case Cut(way, port):
            return _tables(_cut(way, port, hosts, site), site)
        case Ring():
            pairs = _strangers(hosts)
            both = (*pairs, *((second, first) for first, second in pairs))
            return _tables(((host, _from(site, (other,))) for host, other in both), site)
        case Lose(percent):
            rest = f"numgen random mod 100 < {percent} "
            found = ((host, _from(site, _others(site.hosts, (host,)), rest)) for host in hosts)
            return _tables(found, site)
        case Silence():
            rule = f"tcp sport {site.endpoint_port} tcp dport {{ $ports }} drop"
            return _tables(((host, (rule,)) for host in hosts), site)
        case BlockVrrp():
            return _tables(((host, (f"meta l4proto {VRRP} drop",)) for host in hosts), site)
        case BlockNames():
            return {host: _table(site.ssh[host], _NAMES) for host in hosts}
        case BlindBalancer():
            return dict.fromkeys(hosts, BLIND)
        case _:
            assert_never(link)


_NAMES = ("meta l4proto { tcp, udp } th sport 53 fib daddr type local drop",)
"""Answers to the machine itself, from a resolver of its own too. Pods ask on."""

BLIND = f"""\
table {TABLE} {{
    chain leaving {{
        type filter hook output priority filter
        meta skuid haproxy tcp dport {Port.APISERVER} ct mark set {MARK}
    }}
    chain arriving {{
        type filter hook prerouting priority mangle
        ct mark {MARK} drop
    }}
}}
"""
"""A balancer's table: it hears no apiserver, and its check fails once it has noticed."""


def _cut(
    way: Way, port: int | None, hosts: Sequence[str], site: Site
) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield who drops what; several targets are one island."""
    others = _others(site.members if port == PEER_PORT else site.hosts, hosts)
    if way is not Way.OUT:
        # Answers of the endpoint come from the virtual address, whoever holds it.
        vip = (site.vip,) if port is None and site.vip else ()
        yield from ((host, _of_ports(port, site, others, vip)) for host in hosts)
    if way is not Way.IN:
        yield from ((other, _of_ports(port, site, hosts)) for other in others)


def _of_ports(
    port: int | None, site: Site, others: Sequence[str], more: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield rules for all packets, or for those of connections to a port in either direction."""
    ends = ("",) if port is None else (f"tcp dport {port} ", f"tcp sport {port} ")
    for end in ends:
        yield from _from(site, others, end, more=more)


def _from(
    site: Site, others: Sequence[str], rest: str = "", *, more: tuple[str, ...] = ()
) -> Iterator[str]:
    addresses = [*(site.addresses[host] for host in others), *more]
    for family, found in (
        ("ip", [address for address in addresses if ":" not in address]),
        ("ip6", [address for address in addresses if ":" in address]),
    ):
        if found:
            yield f"{family} saddr {{ {', '.join(found)} }} {rest}drop"


def _others(hosts: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    return tuple(host for host in hosts if host not in without)


def _strangers(hosts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs that do not see each other: with three, the two ends of a line."""
    if len(hosts) < SMALLEST_CLOSED_RING:
        return ((hosts[0], hosts[-1]),)
    last = len(hosts) - 1
    places = combinations(range(len(hosts)), 2)
    return tuple((hosts[one], hosts[two]) for one, two in places if 1 < two - one < last)


def _tables(parts: Iterable[tuple[str, Iterable[str]]], site: Site) -> Mapping[str, str]:
    rules: dict[str, list[str]] = {}
    for host, lines in parts:
        rules.setdefault(host, []).extend(lines)
    return {
        host: _table(site.ssh[host], ("iif lo accept", *found)) for host, found in rules.items()
    }


def _table(ssh: int, rules: Iterable[str]) -> str:
    lines = "\n".join(f"        {line}" for line in (f"tcp dport {ssh} accept", *rules))
    return f"""\
table {TABLE} {{
    chain arriving {{
        type filter hook prerouting priority raw
{lines}
    }}
}}
"""
