"""Rules about the machines of a cluster and what they are for."""

from __future__ import annotations

import pytest

from backstay.spec.rules import LONGEST_HOST_NAME
from fakes.cluster_texts import cluster, machines, told, told_one

VIP = "{vip: 10.0.0.100}"


@pytest.mark.parametrize("count", [2, 4, 6])
def test_an_even_number_of_members_is_refused(count: int) -> None:
    """M11: it tolerates no more failures than one less, and has more to fail."""
    path, message = told_one(cluster(hosts=machines(count), endpoint=VIP))
    assert path == "hosts"
    assert f"{count} etcd members tolerate {count // 2 - 1} failures" in message
    assert f"use {count - 1} or {count + 1}" in message


@pytest.mark.parametrize("count", [8, 9])
def test_more_than_seven_members_are_refused(count: int) -> None:
    """M11: every write waits for a majority of them."""
    assert told_one(cluster(hosts=machines(count), endpoint=VIP)) == (
        "hosts",
        f"{count} etcd members: beyond 7 writes only get slower",
    )


@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_an_odd_number_of_members_up_to_seven_is_good(count: int) -> None:
    """M11: as the handbook of etcd wants it."""
    assert told(cluster(hosts=machines(count), endpoint=VIP)) == []


def test_members_are_counted_where_they_are() -> None:
    """M11: four control planes may have three members elsewhere, and three may not have two."""
    apart = machines(3, roles="etcd", prefix="10.0.0.2")
    assert told(cluster(hosts=machines(4) | apart, endpoint=VIP)) == []
    apart.popitem()
    path, message = told_one(cluster(hosts=machines(3) | apart, endpoint=VIP))
    assert (path, message[:14]) == ("hosts", "2 etcd members")


def test_an_address_that_is_also_another_machines_is_shown_where_it_is_written() -> None:
    """I3: not at the address of SSH, when it is another that is the same."""
    hosts = machines(3)
    hosts["control-plane-2"] += ", privateAddress: 10.0.0.11"
    hosts["control-plane-3"] += ", publicAddress: 10.0.0.12"
    assert told(cluster(hosts=hosts, endpoint="{name: api.example}")) == [
        ("hosts.1.privateAddress", "the address 10.0.0.11 is also control-plane-1's"),
        ("hosts.2.publicAddress", "the address 10.0.0.12 is also control-plane-2's"),
    ]


def test_the_longest_name_of_a_host_is_what_a_certificate_takes() -> None:
    """A common name has 64 characters (RFC 5280), 12 of which are `system:node:`."""
    assert LONGEST_HOST_NAME == 64 - 12


@pytest.mark.parametrize(
    ("part", "value", "path"),
    [
        ("artefacts", "{sources: [build, build]}", "artefacts.sources"),
        ("dns", f"{{cpuLimit: '{'1' * 40}'}}", "dns.cpuLimit"),
        ("pki", "{renewBefore: ٣h}", "pki.renewBefore"),
    ],
)
def test_values_that_only_look_right_are_refused(part: str, value: str, path: str) -> None:
    """I2: the same twice, numbers beyond all machines, digits that few can read."""
    assert told_one(cluster(hosts=machines(1), **{part: value}))[0] == path


def test_a_role_stands_once() -> None:
    """I3: who writes it twice meant another."""
    path, message = told_one(cluster(hosts=machines(1, roles="control-plane, control-plane")))
    assert path == "hosts.0.roles"
    assert message == "'control-plane' stands here twice"


def test_a_number_outside_its_bounds_is_told_the_bound() -> None:
    """I2: not what is wrong with it, but what would be right."""
    text = cluster(hosts=machines(1), ssh="{port: 0}", dns="{replicas: 101}")
    assert told(text) == [("ssh.port", "1 at least"), ("dns.replicas", "100 at most")]
