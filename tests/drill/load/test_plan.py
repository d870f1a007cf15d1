"""Which clients a drill has, and on how many keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.history import Path
from backstay.drill.load.plan import FEWEST_KEYS, OPERATIONS_PER_KEY, LoadPlan, Rates, load_plan

HOSTS = ("cp-1", "cp-2", "cp-3")


def plan(
    *, seconds: float = 30, scale: float = 1.0, service: bool = True, hosts: int = 3
) -> LoadPlan:
    names = HOSTS[:hosts]
    return load_plan(
        run="r1",
        seed=1,
        planes=names,
        members=names,
        service=service,
        seconds=seconds,
        scale=scale,
    )


@given(
    seconds=st.floats(1, 600),
    scale=st.floats(0.1, 5),
    service=st.booleans(),
    hosts=st.integers(1, 3),
)
def test_no_key_gets_more_than_can_be_judged(
    seconds: float, scale: float, *, service: bool, hosts: int
) -> None:
    """There are enough keys for each store's whole load, and never few."""
    found = plan(seconds=seconds, scale=scale, service=service, hosts=hosts)
    assert len(found.keys) == len(set(found.keys)) >= FEWEST_KEYS
    for etcd in (True, False):
        rate = sum(one.rate for one in found.workers if (one.client.path is Path.ETCD) is etcd)
        assert rate * seconds / len(found.keys) <= OPERATIONS_PER_KEY


def test_every_way_has_clients_and_every_host_its_own() -> None:
    """New and kept connections, each apiserver and member by itself, and watches of both stores."""
    clients = plan().clients
    assert len({one.name for one in clients}) == len(clients)
    assert {one.group for one in clients} == {
        *("vip new", "vip kept", "vip watch", "node kept", "node watch", "service kept"),
        *("etcd new", "etcd kept", "etcd watch"),
    }
    for group in ("node kept", "node watch", "etcd kept", "etcd new", "etcd watch"):
        assert {one.host for one in clients if one.group == group} == set(HOSTS)


def test_rates_are_a_group_s_and_scale_together() -> None:
    """However many hosts there are, the load is the same."""
    rates = Rates()
    whole = (
        rates.vip_kept
        + rates.vip_new
        + rates.node
        + rates.service
        + rates.etcd_kept
        + rates.etcd_new
    )
    assert abs(plan().rate - whole) < 1e-6
    assert abs(plan(hosts=1).rate - whole) < 1e-6
    assert abs(plan(scale=0.5).rate - whole / 2) < 1e-6
    assert abs(plan(service=False).rate - whole) < 1e-6


@pytest.mark.parametrize("service", [True, False])
def test_the_endpoint_is_asked_two_hundred_times_a_second(*, service: bool) -> None:
    """The failures of a drill are those of its users, who are promised few at that rate."""
    users = {Path.VIP, Path.SERVICE}
    asked = sum(one.rate for one in plan(service=service).workers if one.client.path in users)
    assert asked >= 200


def test_clients_of_a_group_begin_one_after_the_other_and_no_two_groups_together() -> None:
    """At even distances on the way from one write to the next."""
    groups: dict[str, list[float]] = {}
    for one in plan().workers:
        groups.setdefault(one.client.group, []).append(one.phase)
    for first, *others in groups.values():
        even = [first + number / (len(others) + 1) for number in range(1, len(others) + 1)]
        assert others == pytest.approx(even)
        assert all(0 <= one < 1 for one in (first, *others))
    assert len({first for first, *_ in groups.values()}) == len(groups)


def test_every_apiserver_likely_carries_a_watch_of_the_endpoint() -> None:
    """There are as many as apiservers usually are, each over a connection of its own."""
    watching = [one for one in plan().watches if one.path is Path.VIP]
    assert len(watching) == len(HOSTS)
