"""Rules about the ranges of pods and Services."""

from __future__ import annotations

import pytest

from fakes.cluster_texts import cluster, machines, told, told_one

V6_HOSTS = machines(1, prefix="fd00::1")


def network(written: str) -> str:
    return cluster(hosts=machines(1), network=written)


def network_6(written: str) -> str:
    return cluster(hosts=V6_HOSTS, network=written)


@pytest.mark.parametrize(
    ("services", "good"),
    [("10.96.0.0/29", False), ("10.96.0.0/28", True), ("10.96.0.0", False), ("10.96.0.0/12", True)],
)
def test_services_have_room_for_dns(services: str, good: bool) -> None:  # noqa: FBT001
    """The tenth address is DNS's: without it nothing could be planned."""
    found = told(network(f"{{services: {services}}}"))
    assert [path for path, _ in found] == ([] if good else ["network.services"])


@pytest.mark.parametrize("special", ["127.0.0.0/16", "224.0.0.0/16", "169.254.0.0/16", "0.0.0.0/0"])
def test_ranges_are_of_ordinary_addresses(special: str) -> None:
    """I3: what the kernel keeps for itself, or sends to many, is nobody's."""
    found = told(network(f"{{pods: {special}}}"))
    assert ("network.pods", f"{special} is not for machines: see RFC 6890") in found


@pytest.mark.parametrize(("prefix", "most"), [(24, 253), (25, 125), (26, 61), (29, 5), (32, -2)])
def test_a_nodes_range_has_room_for_its_pods(prefix: int, most: int) -> None:
    """Else pods wait for an address that never comes, on the fullest node first."""
    pods = max(most, 1)
    text = cluster(
        hosts=machines(1),
        network=f"{{podsPerNodePrefix: {prefix}}}",
        kubelet=f"{{maxPods: {pods}}}",
    )
    assert told(text) == (
        []
        if most > 0
        else [
            (
                "network.podsPerNodePrefix",
                "a /32 has -2 addresses for pods, and kubelet.maxPods is 1",
            )
        ]
    )
    path, _ = told_one(text.replace(f"maxPods: {pods}", f"maxPods: {pods + 1}"))
    assert path == "network.podsPerNodePrefix"


def test_there_is_a_range_for_every_node() -> None:
    """I3: three nodes need more than two."""
    text = cluster(
        hosts=machines(3),
        endpoint="{vip: 10.0.0.100}",
        network="{pods: 10.244.0.0/23}",
    )
    assert told_one(text) == (
        "network.podsPerNodePrefix",
        "10.244.0.0/23 has 2 ranges of /24, and there are 3 nodes",
    )


def test_the_prefix_that_suits_ipv6_is_suggested() -> None:
    """The default is for IPv4, so whoever changes the range alone is told what else to write."""
    path, message = told_one(network_6('{pods: "fd01::/48", services: "fd02::/112"}'))
    assert path == "network.podsPerNodePrefix"
    assert message == "a /24 is no part of fd01::/48; write podsPerNodePrefix: 64"


@pytest.mark.parametrize(("cni", "good"), [("bridge", True), ("none", False)])
def test_the_controller_manager_gives_parts_of_sixteen_bits(cni: str, good: bool) -> None:  # noqa: FBT001
    """It refuses to start beyond; with our bridge it is not asked to give any."""
    written = f'{{pods: "fd01::/40", services: "fd02::/112", podsPerNodePrefix: 64, cni: {cni}}}'
    assert (told(network_6(written)) == []) is good
