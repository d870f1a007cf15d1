"""Who is what by now is what was found and what the machines said since."""

from __future__ import annotations

import pytest
from fault_values import ROLES

from backstay.drill.faults.now import roles_now
from backstay.drill.faults.targets import lost
from backstay.drill.history import Kind, Mark

ELECTED = Mark(5, Kind.LEADER, "cp-3", "cp-1")
NOBODY = Mark(4, Kind.LEADER, "cp-3", "")
TAKEN = Mark(7, Kind.VIP, "cp-3", "holds")
GIVEN = Mark(6, Kind.VIP, "cp-2", "fault")
ACQUIRED = Mark(3, Kind.LEASE, "kube-scheduler", "cp-1", "acquired")


def test_the_last_word_counts_whenever_it_was_heard() -> None:
    """Journals of several machines come in as they like; moments are the machines' own."""
    now = roles_now(ROLES, [TAKEN, ELECTED, NOBODY, GIVEN, ACQUIRED])
    assert (now.etcd_leader, now.vip_holder) == ("cp-1", "cp-3")
    assert now.leases == {"kube-controller-manager": "cp-1", "kube-scheduler": "cp-1"}


def test_who_hears_of_no_leader_does_not_unseat_it() -> None:
    """A member that lost its leader says nothing about the others."""
    assert roles_now(ROLES, [NOBODY]).etcd_leader == "cp-2"


def test_an_address_that_was_given_up_is_nobodys() -> None:
    """Unless it was another who said that it has it no more."""
    assert roles_now(ROLES, [GIVEN]).vip_holder is None
    assert roles_now(ROLES, [Mark(6, Kind.VIP, "cp-1", "backup")]).vip_holder == "cp-2"


@pytest.mark.parametrize(
    ("target", "hosts", "moved", "parts"),
    [
        ("etcd-leader", ("cp-2",), (), ()),
        ("etcd-leader", ("cp-2",), (ELECTED,), ("etcd-leader",)),
        ("etcd-follower", ("cp-3",), (ELECTED,), ()),
        ("etcd-follower", ("cp-1",), (ELECTED,), ("etcd-follower",)),
        ("vip-holder+etcd-leader", ("cp-2",), (TAKEN,), ("vip-holder+etcd-leader",)),
        ("etcd-leader, vip-holder", ("cp-2",), (TAKEN,), ("vip-holder",)),
        ("all-members", ("cp-2", "cp-1", "cp-3"), (ELECTED, TAKEN), ()),
        ("host:w-1", ("w-1",), (ELECTED, TAKEN), ()),
    ],
)
def test_who_was_chosen_for_a_role_may_have_lost_it(
    target: str, hosts: tuple[str, ...], moved: tuple[Mark, ...], parts: tuple[str, ...]
) -> None:
    """Then it is told which part of the target is another machine now."""
    assert lost(target, hosts, roles_now(ROLES, moved)) == parts
