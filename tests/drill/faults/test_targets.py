"""Roles that move about become hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fault_values import PLANES, ROLES, SITE
from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.faults.targets import ROLES as NAMES
from backstay.drill.faults.targets import Roles, Scattered, resolve, scattered, site_of
from backstay.errors import PreflightError, UsageError
from backstay.spec.parse import parse

CLUSTER = """\
name: drilled
endpoint: {vip: 10.0.0.100, port: 9443}
ssh: {port: 2222}
hosts:
- {name: b, address: 192.0.2.2, privateAddress: 10.0.0.2, roles: [control-plane]}
- {name: a, address: 192.0.2.1, privateAddress: 10.0.0.1, roles: [control-plane], port: 22}
- {name: c, address: 10.0.0.3, roles: [control-plane]}
- {name: w, address: 10.0.0.4, roles: [worker]}
"""


def test_a_site_is_what_the_specification_says() -> None:
    """Machines know each other by their private addresses; the port of sshd is each one's own."""
    site = site_of(parse(CLUSTER))
    assert site.members == site.planes == site.balancers == ("a", "b", "c")
    assert site.workers == ("w",)
    assert dict(site.addresses) == {c: f"10.0.0.{n}" for n, c in enumerate("abcw", start=1)}
    assert dict(site.ssh) == {"a": 22, "b": 2222, "c": 2222, "w": 2222}
    assert (site.vip, site.endpoint_port) == ("10.0.0.100", 9443)


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        ("etcd-leader", ("cp-2",)),
        ("vip-holder", ("cp-2",)),
        ("controller-manager-holder", ("cp-1",)),
        ("scheduler-holder", ("cp-3",)),
        ("vip-holder+etcd-leader", ("cp-2",)),
        ("scheduler-holder+vip-backup", ("cp-3",)),
        ("etcd-leader,scheduler-holder", ("cp-2", "cp-3")),
        ("etcd-leader,vip-holder", ("cp-2",)),
        ("all-members", ("cp-2", "cp-1", "cp-3")),
        ("all-nodes", (*PLANES, "w-1", "w-2")),
        ("host:w-2", ("w-2",)),
        ("host:cp-1, host:cp-2", ("cp-1", "cp-2")),
    ],
)
def test_a_target_means_the_hosts_that_have_the_role_now(
    target: str, hosts: tuple[str, ...]
) -> None:
    """One machine for a plus, each of them for a comma, everybody for `all-`."""
    assert resolve(target, ROLES, seed=0) == hosts


@given(st.sampled_from(sorted(NAMES)), st.integers(min_value=0))
def test_whom_a_role_means_has_it(target: str, seed: int) -> None:
    """By any seed it is one of those who have the role; the same seed means the same one."""
    hosts = resolve(target, ROLES, seed=seed)
    assert set(hosts) <= set(NAMES[target](ROLES))
    assert len(hosts) == 1 or target.startswith("all-")
    assert hosts == resolve(target, ROLES, seed=seed)


def test_seeds_reach_everybody_who_has_the_role() -> None:
    """Who drills often enough has drilled all of them."""
    assert {resolve("worker", ROLES, seed=seed) for seed in range(2)} == {("w-1",), ("w-2",)}


@pytest.mark.parametrize(
    ("target", "roles"),
    [
        ("etcd-leader", replace(ROLES, etcd_leader=None)),
        ("etcd-follower", replace(ROLES, etcd_leader=None)),
        ("vip-holder", Roles(SITE)),
        ("scheduler-holder", Roles(SITE)),
        ("etcd-leader+scheduler-holder", ROLES),
        ("worker", Roles(replace(SITE, workers=()))),
    ],
)
def test_a_role_that_nobody_has_is_an_error_that_says_who_is_what(
    target: str, roles: Roles
) -> None:
    """Nobody is hit in place of somebody."""
    with pytest.raises(PreflightError) as error:
        resolve(target, roles, seed=1)
    assert target.split("+", maxsplit=1)[0] in error.value.what
    assert "etcd-leader: " in error.value.why


@pytest.mark.parametrize("target", ["", "leader", "host:", "host:cp-9", "etcd-leader+", "worker,"])
def test_words_that_are_no_target_are_refused_with_those_that_are(target: str) -> None:
    """A wrong word hits nobody."""
    with pytest.raises(UsageError) as error:
        resolve(target, ROLES, seed=0)
    assert "etcd-leader" in error.value.next_move
    assert "host:w-1" in error.value.next_move


ALL_IN_ONE = "vip-holder+etcd-leader+controller-manager-holder+scheduler-holder"


def test_roles_are_gathered_where_the_virtual_address_is() -> None:
    """One after the other, until the target is somebody; then nothing is left to move."""
    roles, moves = replace(ROLES, etcd_leader="cp-1"), []
    while one := scattered(ALL_IN_ONE, roles):
        moves.append(one)
        if one.role == "etcd-leader":
            roles = replace(roles, etcd_leader=one.wanted)
        else:
            lease = f"kube-{one.role.removesuffix('-holder')}"
            roles = replace(roles, leases={**roles.leases, lease: one.wanted})
    assert moves == [
        Scattered("etcd-leader", "cp-1", "cp-2"),
        Scattered("controller-manager-holder", "cp-1", "cp-2"),
        Scattered("scheduler-holder", "cp-3", "cp-2"),
    ]
    assert resolve(ALL_IN_ONE, roles, seed=0) == ("cp-2",)


@pytest.mark.parametrize(
    "target", ["vip-holder", "etcd-leader,vip-holder", "vip-holder+worker", "any-plane+etcd-leader"]
)
def test_what_cannot_or_need_not_be_gathered_is_left_alone(target: str) -> None:
    """Nobody becomes a worker by being asked to."""
    assert scattered(target, replace(ROLES, etcd_leader="cp-1")) is None


@pytest.mark.parametrize(
    ("target", "role"),
    [
        (ALL_IN_ONE, "etcd-leader"),
        ("vip-holder+scheduler-holder", "scheduler-holder"),
        ("worker+etcd-leader", "etcd-leader"),
    ],
)
def test_a_role_is_not_moved_where_it_cannot_be(target: str, role: str) -> None:
    """A balancer of its own becomes no member of etcd, however often the leader gives up."""
    apart = replace(SITE, balancers=("lb-1",), addresses={**SITE.addresses, "lb-1": "10.0.0.21"})
    with pytest.raises(PreflightError) as error:
        scattered(target, replace(ROLES, site=apart, vip_holder="lb-1"))
    assert error.value.what.startswith(f"{role} cannot be given to ")
    assert "cp-1, cp-2, cp-3" in error.value.why
