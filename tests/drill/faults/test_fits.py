"""What cannot be done to a machine, or would be nothing, is refused in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fault_values import PLANES, ROLES, SITE

from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.faults.fits import require_fitting
from backstay.drill.faults.kinds import (
    BlindBalancer,
    BreakUnit,
    Cut,
    Fault,
    Harm,
    Lose,
    MoveLeader,
    MoveVip,
    Restart,
    Ring,
    Slow,
    StallDisk,
    Unit,
)
from backstay.drill.faults.targets import resolve
from backstay.errors import PreflightError


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_fits_its_own_target(name: str) -> None:
    """Nobody has to say whom to hit."""
    one = SCENARIOS[name]
    roles = replace(ROLES, leases=dict.fromkeys(ROLES.leases, "cp-2"))
    require_fitting(one.fault, resolve(one.target, roles, seed=0), roles)


@pytest.mark.parametrize(
    ("fault", "hosts", "why"),
    [
        (MoveLeader(), ("w-1",), "the leader of etcd is cp-2"),
        (MoveLeader(), ("cp-1",), "the leader of etcd is cp-2"),
        (MoveLeader("w-1"), ("cp-2",), "members of etcd: cp-1, cp-2, cp-3"),
        (MoveVip(), ("cp-1",), "held by cp-2"),
        (MoveVip(), PLANES, "held by cp-2"),
        (Ring(), ("cp-1",), "at least 3"),
        (Ring(), ("cp-1", "cp-2"), "at least 3"),
        (Cut(), SITE.hosts, "cut off from nobody"),
        (Cut(port=2380), PLANES, "cut off from nobody"),
        (Cut(port=2380), ("w-1",), "members of etcd"),
        (BreakUnit(Unit.ETCD, Harm.KILL), ("w-1",), "run etcd"),
        (BreakUnit(Unit.SCHEDULER, Harm.KILL), ("cp-1", "w-1"), "run kube-scheduler"),
        (Restart(Unit.BALANCER), ("w-2",), "run haproxy"),
        (StallDisk(), ("w-1",), "members of etcd"),
        (BlindBalancer(), ("w-1",), "balancers"),
    ],
    ids=repr,
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    fault: Fault, hosts: tuple[str, ...], why: str
) -> None:
    """Before anything is touched, and with whom it could be done to."""
    with pytest.raises(PreflightError) as caught:
        require_fitting(fault, hosts, ROLES)
    assert why in caught.value.why
    assert hosts[0] in caught.value.what


@pytest.mark.parametrize("fault", [Slow(1000), Lose(5), MoveLeader(), Cut(), Cut(port=2380)])
def test_a_machine_that_is_alone_has_no_links(fault: Fault) -> None:
    """Nothing comes from nobody, and there is no heir."""
    alone = replace(SITE, members=("a",), planes=("a",), workers=(), addresses={"a": "10.0.0.1"})
    with pytest.raises(PreflightError):
        require_fitting(fault, ("a",), replace(ROLES, site=alone, etcd_leader="a"))


@pytest.mark.parametrize(
    ("fault", "hosts"),
    [
        (MoveLeader("cp-3"), ("cp-2",)),
        (MoveVip(), ("cp-2",)),
        (Ring(), PLANES),
        (Cut(), PLANES),
        (Cut(port=2380), ("cp-1", "cp-2")),
        (BreakUnit(Unit.KUBELET, Harm.STOP), ("w-1", "cp-1")),
    ],
    ids=repr,
)
def test_what_can_be_done_is_not_refused(fault: Fault, hosts: tuple[str, ...]) -> None:
    """Also to others than those that a scenario means."""
    require_fitting(fault, hosts, ROLES)
