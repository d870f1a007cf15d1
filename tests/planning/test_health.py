"""The judgement on a cluster: healthy, degraded or down, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backstay.planning.health import (
    ClusterHealth,
    HostHealth,
    Lease,
    Member,
    Node,
    Readiness,
    Verdict,
    Voter,
)
from backstay.resources.resource import Unknown

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
READY = Readiness(ready=True, milliseconds=9.0)


OURS = tuple(Voter(f"cp-{number}", (f"10.0.0.{number}",)) for number in (1, 2, 3))
OLD = Voter("cp-2", ("10.0.0.99",))


def host(name: str, *, leader: bool = False) -> HostHealth:
    """Return a control plane where all is well."""
    return HostHealth(
        name,
        ("control-plane", "etcd"),
        f"10.0.0.{name[-1]}",
        member=Member(
            answers=True, leader=leader, version="3.7.3", database_bytes=1024, knows=OURS
        ),
        apiserver=READY,
        units={"etcd.service": "active"},
        certificates={"/etc/kubernetes/pki/apiserver": NOW + timedelta(days=300)},
        load=0.1,
        holds_vip=leader,
    )


HOSTS = (host("cp-1", leader=True), host("cp-2"), host("cp-3"))
WELL = ClusterHealth(
    name="prod",
    kubernetes="1.37.2",
    endpoint="10.0.0.10:8443",
    now=NOW,
    hosts=HOSTS,
    serving=READY,
    nodes={one.name: Node(ready=True, kubelet="v1.37.2") for one in HOSTS},
    leases={"kube-scheduler": Lease("cp-2", NOW - timedelta(seconds=2))},
    is_node=frozenset(one.name for one in HOSTS),
)


def changed(**fields: object) -> ClusterHealth:
    """Return the healthy cluster with its third host changed."""
    return replace(WELL, hosts=(*HOSTS[:2], replace(HOSTS[2], **fields)))


def test_a_healthy_cluster_says_what_it_tolerates() -> None:
    """Three of three members answer: one may fail."""
    assert (WELL.verdict, WELL.findings, WELL.tolerates) == (Verdict.HEALTHY, (), 1)
    assert WELL.etcd_version == "3.7.3"
    assert WELL.vip_holders == ("cp-1",)


@pytest.mark.parametrize(
    ("health", "finding"),
    [
        (changed(silent="no answer on SSH", member=None, units={}), "could not be asked"),
        (changed(member=Unknown("context deadline exceeded")), "does not answer"),
        (changed(member=replace(HOSTS[2].member, answers=False)), "no linearizable read"),
        (changed(member=replace(HOSTS[2].member, knows=())), "does not tell which voters"),
        (
            changed(member=replace(HOSTS[2].member, knows=(OLD,))),
            "etcd counts a voter that is no member in cluster.yaml: cp-2 at 10.0.0.99",
        ),
        (
            changed(member=replace(HOSTS[2].member, knows=(replace(OLD, name=""),))),
            "etcd counts a voter that is no member in cluster.yaml: 10.0.0.99",
        ),
        (changed(apiserver=Readiness(ready=False, milliseconds=0, said="etcd")), "not ready: etcd"),
        (changed(units={"etcd.service": "failed"}), "etcd.service on cp-3 is failed"),
        (changed(units={"etcd.service": ""}), "is not there"),
        (changed(certificates={"/x": NOW + timedelta(days=3)}), "in 3 days"),
        (changed(holds_vip=True), "several hosts carry the virtual address: cp-1, cp-3"),
        (replace(WELL, nodes={}), "not registered"),
        (
            replace(WELL, nodes={"cp-3": Node(ready=False, kubelet="", why="no CNI")}),
            "the node cp-3 is not Ready: no CNI",
        ),
        (
            replace(WELL, leases={"kube-scheduler": Lease("cp-2", NOW - timedelta(minutes=1))}),
            "nobody holds the lease kube-scheduler",
        ),
        (replace(WELL, leases={"kube-scheduler": Lease("", NOW)}), "nobody holds the lease"),
    ],
)
def test_whatever_is_not_well_is_a_finding_and_degrades(
    health: ClusterHealth, finding: str
) -> None:
    """Each trouble is one sentence; the cluster still serves."""
    assert health.verdict is Verdict.DEGRADED
    assert any(finding in one for one in health.findings)


def test_a_lost_quorum_is_down_even_when_the_endpoint_answers() -> None:
    """Reads may still be served: writes are not."""
    lost = tuple(replace(one, member=Unknown("no leader")) for one in HOSTS[1:])
    health = replace(WELL, hosts=(HOSTS[0], *lost))
    assert (health.verdict, health.tolerates) == (Verdict.DOWN, -1)
    assert health.findings[0] == "etcd has no quorum: 1 of 3 members answer"


@pytest.mark.parametrize(
    "serving", [Unknown("nothing was made here yet"), Readiness(ready=False, milliseconds=0.0)]
)
def test_an_endpoint_that_does_not_serve_is_down(serving: Readiness | Unknown) -> None:
    """What is not known to serve does not serve."""
    assert replace(WELL, serving=serving).verdict is Verdict.DOWN


def test_what_the_api_did_not_tell_is_not_guessed() -> None:
    """Unknown nodes and leases are no findings of their own: the silent API is."""
    health = replace(WELL, nodes=Unknown("no answer"), leases=Unknown("no answer"))
    assert health.findings == ()


def test_a_member_is_no_longer_counted_when_its_host_is_silent() -> None:
    """Two of three are left: no more may fail."""
    assert changed(silent="no answer on SSH", member=None).tolerates == 0


def test_a_voter_that_nobody_knows_of_counts_for_the_quorum() -> None:
    """Four voters need three: with one forgotten, none of the other three may fail.

    Whoever answers a linearizable read has its quorum, whoever is in it.
    """
    found = changed(member=replace(HOSTS[2].member, knows=(*OURS, OLD)))
    assert (found.strangers, found.tolerates) == ((OLD,), 0)
    others = (OLD, replace(OLD, addresses=("10.0.0.98",)))
    one = replace(HOSTS[0], member=replace(HOSTS[0].member, knows=(OURS[0], *others)))
    assert replace(WELL, hosts=(one,)).tolerates == 0


def test_a_member_that_is_to_start_yet_is_known_by_its_address() -> None:
    """Removed and added anew, it has no name before it has started."""
    anew = (*OURS[:2], replace(OURS[2], name=""))
    told = tuple(replace(one, member=replace(one.member, knows=anew)) for one in HOSTS[:2])
    silent = replace(HOSTS[2], member=Unknown("it was removed"))
    found = replace(WELL, hosts=(*told, silent))
    assert (found.strangers, found.tolerates) == ((), 0)
