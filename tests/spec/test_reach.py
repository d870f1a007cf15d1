"""Rules about how clients and machines find each other."""

from __future__ import annotations

import pytest

from backstay.components.addresses import Port
from backstay.planning import preflight
from backstay.spec.reach import CONTROL_PLANE_PORTS, ETCD_PORTS, NODE_PORTS
from fakes.cluster_texts import cluster, machines, told, told_one


@pytest.mark.parametrize(
    ("port", "user"),
    [
        (22, "SSH"),
        (6443, "kube-apiserver"),
        (10259, "kube-scheduler"),
        (2380, "etcd"),
        (10250, "kubelet"),
        (10256, "kube-proxy"),
        (31000, "some Service"),
    ],
)
def test_the_port_of_the_endpoint_is_free_on_its_balancers(port: int, user: str) -> None:
    """A balancer that shares a machine cannot listen where another does."""
    endpoint = f"{{vip: 10.0.0.100, port: {port}}}"
    path, message = told_one(cluster(hosts=machines(3), endpoint=endpoint))
    assert path == "endpoint.port"
    assert message.startswith(f"port {port} is {user}'s on control-plane-1, control-plane-2")
    alone = machines(3) | machines(2, roles="load-balancer", prefix="10.0.0.2")
    found = told(cluster(hosts=alone, endpoint=endpoint))
    assert [path for path, _ in found] == (["endpoint.port"] if user == "SSH" else [])


def test_every_port_that_components_have_is_known() -> None:
    """What is added there must be added here: checked with the ports that preflight looks at."""
    known = {*CONTROL_PLANE_PORTS, *ETCD_PORTS, *NODE_PORTS}
    looked_at = {port for users in preflight._PORTS.values() for port, _ in users}
    assert set(map(int, Port)) | looked_at <= known


@pytest.mark.parametrize("endpoint", ["{name: 10.0.0.11, port: 6443}"])
def test_several_control_planes_need_more_than_one_of_them_as_endpoint(endpoint: str) -> None:
    """With that one all would be gone, which is what the others are for."""
    assert told_one(cluster(hosts=machines(3), endpoint=endpoint))[0] == "endpoint.name"
    assert told(cluster(hosts=machines(1), endpoint=endpoint)) == []


@pytest.mark.parametrize("last", ["0", "255"])
def test_the_vip_is_an_address_that_a_machine_can_have(last: str) -> None:
    """I3: neither the network itself nor everybody in it."""
    path, message = told_one(cluster(hosts=machines(3), endpoint=f"{{vip: 10.0.0.{last}}}"))
    assert path == "endpoint.vip"
    assert "which no machine can have" in message


def test_a_vip_of_ipv6_may_be_any_of_its_network() -> None:
    """IPv6 knows no address of everybody."""
    text = cluster(
        hosts=machines(3, prefix="fd00::1"),
        endpoint='{vip: "fd00::ffff:ffff:ffff:ffff", port: 8443}',
        network='{pods: "fd01::/48", services: "fd02::/112", podsPerNodePrefix: 64}',
    )
    assert told(text) == []
