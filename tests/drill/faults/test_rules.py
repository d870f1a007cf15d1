"""Tables that cut links: who hears whom, worked out from the text that nft gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from fault_values import PLANES, SITE
from hypothesis import given
from hypothesis import strategies as st

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
from backstay.drill.faults.rules import tables
from backstay.drill.faults.targets import Site

LINKS = (
    *(Cut(way, port) for way in Way for port in (None, 2380)),
    *(Ring(), Lose(10), Silence(), BlockVrrp(), BlockNames()),
)


def deaf(found: Mapping[str, str], site: Site) -> set[tuple[str, str]]:
    """Return the pairs of which the first drops what the second sends."""
    names = {address: host for host, address in site.addresses.items()}
    return {
        (host, names[address])
        for host, table in found.items()
        for addresses in re.findall(r"saddr \{ ([^}]*) \}", table)
        for address in addresses.split(", ")
        if address in names
    }


def ring(count: int) -> tuple[Site, tuple[str, ...]]:
    """Return a site of so many members, and their names."""
    hosts = tuple(f"m-{number:02}" for number in range(count))
    addresses = {host: f"10.1.0.{number}" for number, host in enumerate(hosts, start=1)}
    site = replace(
        SITE,
        members=hosts,
        planes=hosts,
        workers=(),
        addresses=addresses,
        ssh=dict.fromkeys(hosts, 22),
    )
    return site, hosts


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_nothing_that_comes_to_sshd_is_dropped(link: Link) -> None:
    """Whoever broke it must be able to come and mend it: the first word is an accept."""
    site = replace(SITE, ssh=dict.fromkeys(SITE.ssh, 2222))
    for table in tables(link, PLANES[:1], site).values():
        rules = [line.strip() for line in table.splitlines()[3:-2]]
        assert rules[0] == "tcp dport 2222 accept"
        assert rules[-1].endswith("drop")


@pytest.mark.parametrize("link", LINKS, ids=repr)
def test_a_machine_never_drops_what_it_says_to_itself(link: Link) -> None:
    """Except for names, whose server may be on the machine itself."""
    for table in tables(link, PLANES[:1], SITE).values():
        assert ("iif lo accept" in table) is not isinstance(link, BlockNames)


def test_a_cut_both_ways_is_deafness_on_both_sides() -> None:
    """The target hears none of the others, and each of them hears not the target."""
    found = tables(Cut(), ("cp-1",), SITE)
    others = set(SITE.hosts) - {"cp-1"}
    assert deaf(found, SITE) == {("cp-1", o) for o in others} | {(o, "cp-1") for o in others}
    assert SITE.vip in found["cp-1"]
    assert SITE.vip not in found["cp-2"]


def test_a_cut_of_one_way_touches_one_side() -> None:
    """What comes in is dropped by the target, what goes out by those who would hear it."""
    incoming = tables(Cut(Way.IN, 2380), ("cp-1",), SITE)
    outgoing = tables(Cut(Way.OUT, 2380), ("cp-1",), SITE)
    assert deaf(incoming, SITE) == {("cp-1", "cp-2"), ("cp-1", "cp-3")}
    assert deaf(outgoing, SITE) == {("cp-2", "cp-1"), ("cp-3", "cp-1")}


def test_a_cut_by_port_drops_both_kinds_of_connection_and_nothing_else() -> None:
    """Those that the target opened, and those opened to it; between members only."""
    found = tables(Cut(Way.BOTH, 2380), ("cp-1",), SITE)
    assert set(found) == set(PLANES)
    for table in found.values():
        drops = [line for line in table.splitlines() if line.endswith("drop")]
        assert sorted(re.findall(r"tcp (\w+) 2380 drop", table)) == ["dport", "sport"]
        assert len(drops) == 2


def test_targets_of_one_cut_are_an_island() -> None:
    """They hear each other, and nobody else."""
    found = deaf(tables(Cut(), ("cp-1", "cp-2"), SITE), SITE)
    assert not found & {("cp-1", "cp-2"), ("cp-2", "cp-1")}
    assert ("cp-1", "cp-3") in found


@given(st.integers(min_value=4, max_value=9))
def test_in_a_ring_each_hears_its_two_neighbours(count: int) -> None:
    """And is heard by them; nobody else."""
    site, hosts = ring(count)
    silent = deaf(tables(Ring(), hosts, site), site)
    for place, host in enumerate(hosts):
        heard = {other for other in hosts if other != host and (host, other) not in silent}
        assert heard == {hosts[place - 1], hosts[(place + 1) % count]}
    assert silent == {(second, first) for first, second in silent}


def test_a_ring_of_three_is_open_between_the_first_and_the_last() -> None:
    """Who stands in the middle hears both ends."""
    hosts = ("cp-2", "cp-1", "cp-3")
    assert deaf(tables(Ring(), hosts, SITE), SITE) == {("cp-2", "cp-3"), ("cp-3", "cp-2")}


def test_addresses_of_both_families_are_dropped() -> None:
    """In the words that nft has for each."""
    site = replace(SITE, addresses={**SITE.addresses, "cp-3": "fd00::3"})
    table = tables(Cut(Way.IN), ("cp-1",), site)["cp-1"]
    assert "ip saddr { 10.0.0.2, 10.0.0.11, 10.0.0.12, 10.0.0.100 } drop" in table
    assert "ip6 saddr { fd00::3 } drop" in table


def test_a_blind_balancer_is_the_only_one_who_sees_nothing() -> None:
    """What haproxy sends is marked on its way, and the answers die; others there go on."""
    (table,) = tables(BlindBalancer(), ("cp-1",), SITE).values()
    assert "meta skuid haproxy tcp dport 6443 ct mark set 0xb5" in table
    assert "ct mark 0xb5 drop" in table
    assert table.count("drop\n") == 1
