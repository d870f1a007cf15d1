"""Laws of the wish: one owner, nothing by order, nothing read that is not wished for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import PurePosixPath

import pytest
from component_sites import (
    CASES,
    CATALOGUE,
    DEDICATED,
    STACKED,
    host,
    site_of,
    spec_of,
    trust,
    unit_of,
    unseen_site,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.components.assemble import build
from backstay.components.site import ControlGroups, Surroundings
from backstay.components.wish import Wish
from backstay.pki.certificate import Certificate
from backstay.pki.kept import KeptName
from backstay.resources.content import Artefact, Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.resource import Key, Resource
from backstay.resources.service import Service

SYSTEM_DIRECTORIES = frozenset(
    {
        "/etc",
        "/etc/modules-load.d",
        "/etc/sysctl.d",
        "/etc/systemd/system",
        "/usr/local/bin",
        "/usr/local/lib",
        "/opt",
        "/var/lib",
        "/var/lib/backstay",
    }
)


def services(resources: Mapping[Key, Resource]) -> list[Service]:
    """The units of a host."""
    return [each for each in resources.values() if isinstance(each, Service)]


def digests(wish: Wish) -> Mapping[tuple[str, str], tuple[str, str | None]]:
    """The digests of every unit of every host."""
    return {
        (name, service.unit): (service.digest, service.reload_digest)
        for name, resources in wish.hosts.items()
        for service in services(resources)
    }


def differing(before: Wish, after: Wish) -> set[tuple[str, str]]:
    """The units whose digests differ."""
    old, new = digests(before), digests(after)
    return {key for key in old if old[key] != new.get(key)}


def changed(before: Wish, after: Wish, name: str) -> set[str]:
    """The keys of a host whose wish differs."""
    old, new = before.hosts[name], after.hosts[name]
    return {str(key) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


@given(order=st.permutations(DEDICATED["hosts"]))
@settings(max_examples=25, deadline=None)
def test_the_order_of_hosts_means_nothing(order: list[Mapping[str, object]]) -> None:
    """Shuffling the hosts in cluster.yaml gives the same wish, to the order of its parts."""
    wish = build(site_of(spec_of({**DEDICATED, "hosts": order})))
    expected = build(site_of(spec_of("dedicated")))
    assert wish == expected
    assert list(wish.hosts) == list(expected.hosts)
    for name, resources in wish.hosts.items():
        assert list(resources) == list(expected.hosts[name])


@pytest.mark.parametrize("case", CASES)
def test_keys_follow_from_the_specification_alone(case: str) -> None:
    """What is asked of machines before anything is known of them is what is wished for later."""
    spec = spec_of(case)
    asked, wished = build(unseen_site(spec)), build(site_of(spec))
    assert {n: list(r) for n, r in asked.hosts.items()} == {
        n: list(r) for n, r in wished.hosts.items()
    }
    probes = [
        [resource.probe() for resources in wish.hosts.values() for resource in resources.values()]
        for wish in (asked, wished)
    ]
    assert probes[0] == probes[1]
    assert asked.objects == wished.objects


@pytest.mark.parametrize("case", CASES)
def test_units_read_only_what_is_made_before_them(case: str) -> None:
    """Every file that a unit reads is a wish for the same host, and stands before the unit."""
    for resources in build(site_of(spec_of(case))).hosts.values():
        position = {key: index for index, key in enumerate(resources)}
        for service in services(resources):
            assert service.reads
            for key in service.reads:
                assert position[key] < position[service.key], (service.unit, str(key))


@pytest.mark.parametrize("case", CASES)
def test_units_name_every_file_that_they_are_given(case: str) -> None:
    """A path in a unit that is a wish of the host is among the unit's reads."""
    for resources in build(site_of(spec_of(case))).hosts.values():
        paths = {
            path: resource.key
            for resource in resources.values()
            for path in (
                resource.paths if isinstance(resource, Certificate) else (resource.key.name,)
            )
            if isinstance(resource, Certificate | File | Binary)
        }
        for service in services(resources):
            text = unit_of(resources, service.unit.removesuffix(".service"))
            words = text.replace("=", " ").replace(",", " ").split()
            named = {paths[word] for word in words if word in paths}
            shared = {Key("binary", "/usr/local/bin/ctr"), Key("file", "/etc/haproxy/haproxy.cfg")}
            assert named - shared <= set(service.reads), service.unit


@pytest.mark.parametrize("case", CASES)
def test_a_unit_carries_its_own_digests(case: str) -> None:
    """What the running process will tell is what is wished for."""
    for resources in build(site_of(spec_of(case))).hosts.values():
        for service in services(resources):
            lines = unit_of(resources, service.unit.removesuffix(".service")).splitlines()
            assert lines.count(f"Environment=BACKSTAY_DIGEST={service.digest}") == 1
            reload_lines = [line for line in lines if "BACKSTAY_RELOAD_DIGEST=" in line]
            wanted = service.reload_digest
            assert reload_lines == (
                [] if wanted is None else [f"Environment=BACKSTAY_RELOAD_DIGEST={wanted}"]
            )


@pytest.mark.parametrize("case", CASES)
def test_directories_are_made_before_what_is_in_them(case: str) -> None:
    """No directory of ours comes about by chance, with whatever rights."""
    for resources in build(site_of(spec_of(case))).hosts.values():
        made = set(SYSTEM_DIRECTORIES)
        for resource in resources.values():
            if isinstance(resource, File | Binary | Directory):
                parent = str(PurePosixPath(resource.path).parent)
                assert parent in made, resource.key
            elif isinstance(resource, Certificate):
                assert str(PurePosixPath(resource.request.stem).parent) in made
            if isinstance(resource, Directory):
                made.add(resource.path)


@pytest.mark.parametrize("case", CASES)
def test_hosts_get_only_what_their_roles_need(case: str) -> None:
    """A balancer has no cluster programs, a worker no keys of the control plane."""
    spec = spec_of(case)
    wish = build(site_of(spec))
    for each in spec.hosts:
        resources = wish.hosts[each.name]
        names = {PurePosixPath(key.name).name for key in resources if key.kind == "binary"}
        assert ("etcd" in names) == (each in spec.etcd_members)
        assert ("etcdctl" in names) == (each in spec.etcd_members)
        assert ("kubectl" in names) == (each in spec.control_planes)
        assert ("kubelet" in names) == (each in spec.nodes)
        assert "kubeadm" not in names
        has_ca_key = Key("file", KeptName.KUBERNETES_KEY.value) in resources
        assert has_ca_key == (each in spec.control_planes)


def test_renewing_leaves_restarts_nothing() -> None:
    """Programs read key pairs again by themselves: the hour changes no digest."""
    site = site_of(spec_of("stacked"))
    later = replace(site, now=site.now + timedelta(days=360))
    assert differing(build(site), build(later)) == set()


def test_a_new_program_restarts_the_unit_that_runs_it() -> None:
    """A binary is part of its own unit's digest and of no other's."""
    site = site_of(spec_of("stacked"))
    newer = {**CATALOGUE, "etcd": Artefact("etcd", "f" * 64)}
    changed_units = differing(build(site), build(replace(site, catalogue=newer)))
    assert changed_units == {(f"cp-{i}", "etcd.service") for i in (1, 2, 3)}


def test_a_new_authority_restarts_all_that_read_it_once() -> None:
    """The bundle of etcd's authority is in the digests of etcd and of the apiserver."""
    site = site_of(spec_of("stacked"))
    known = trust()
    bundle = known.public[KeptName.ETCD_CERTIFICATE] * 2
    other = replace(known, public={**known.public, KeptName.ETCD_CERTIFICATE: bundle})
    assert differing(build(site), build(replace(site, trust=other))) == {
        (f"cp-{i}", f"{unit}.service") for i in (1, 2, 3) for unit in ("etcd", "kube-apiserver")
    }


def test_a_new_encryption_key_restarts_apiservers_only() -> None:
    """The secret is known by its digest, and only apiservers read it."""
    site = site_of(spec_of("stacked"))
    known = trust()
    other = replace(known, digests={**known.digests, KeptName.ENCRYPTION: "e" * 64})
    assert differing(build(site), build(replace(site, trust=other))) == {
        (f"cp-{i}", "kube-apiserver.service") for i in (1, 2, 3)
    }


def test_new_timers_of_the_balancer_reload_it() -> None:
    """The balancer takes them in without a restart; apiservers learn how long to wait for it."""
    faster = {**STACKED, "loadBalancer": {"checkFastIntervalMilliseconds": 200}}
    before, after = build(site_of(spec_of("stacked"))), build(site_of(spec_of(faster)))
    old, new = digests(before), digests(after)
    for name in ("cp-1", "cp-2", "cp-3"):
        key = (name, "haproxy.service")
        assert old[key][0] == new[key][0]
        assert old[key][1] != new[key][1]
    assert differing(before, after) == {(f"cp-{i}", "haproxy.service") for i in (1, 2, 3)}


def test_a_new_worker_changes_routes_on_the_others_and_nothing_else() -> None:
    """The cost of a change follows the change: no unit of the control plane is touched."""
    grown = {**STACKED, "hosts": [*STACKED["hosts"], host("w-2", "10.0.0.102", "worker")]}
    before, after = build(site_of(spec_of("stacked"))), build(site_of(spec_of(grown)))
    for name in before.hosts:
        assert changed(before, after, name) == {
            "file /etc/backstay/routes",
            "file /etc/systemd/system/backstay-network.service",
            "service backstay-network.service",
        }


def test_a_new_member_of_etcd_restarts_no_other() -> None:
    """What only a first start reads is in no digest."""
    hosts = [*STACKED["hosts"], host("cp-4", "10.0.0.14", "control-plane")]
    grown = {**STACKED, "hosts": hosts}
    before, after = build(site_of(spec_of("stacked"))), build(site_of(spec_of(grown)))
    assert ("cp-1", "etcd.service") not in differing(before, after)
    assert ("cp-1", "kube-apiserver.service") not in differing(before, after)
    assert "file /etc/etcd/bootstrap.env" in changed(before, after, "cp-1")


def test_two_makings_of_a_cluster_never_meet() -> None:
    """E16: the token of etcd is of this making; another with the same name has another."""
    before = site_of(spec_of("stacked"))
    after = replace(before, trust=_swapped(before.trust))
    tokens = {
        line
        for site in (before, after)
        for line in _text(build(site), "cp-1", "/etc/etcd/bootstrap.env").splitlines()
        if line.startswith("ETCD_INITIAL_CLUSTER_TOKEN=stacked-")
    }
    assert len(tokens) == 2


def _swapped(known):  # noqa: ANN001, ANN202
    """A trust with another etcd authority."""
    other = known.public[KeptName.FRONT_PROXY_CERTIFICATE]
    return replace(known, public={**known.public, KeptName.ETCD_CERTIFICATE: other})


def _text(wish: Wish, name: str, path: str) -> str:
    file = wish.hosts[name][Key("file", path)]
    assert isinstance(file, File)
    assert isinstance(file.content, Text)
    return file.content.text


def test_machines_decide_only_values() -> None:
    """Control groups, swap and resolvers change files of the node, and no key."""
    spec = spec_of("stacked")
    old = Surroundings(ControlGroups.V1, interface="eth9", swap=True, resolver="/run/resolv.conf")
    before, after = build(site_of(spec)), build(site_of(spec, surroundings=old))
    assert changed(before, after, "w-1") == {
        "file /etc/containerd/config.toml",
        "file /etc/kubernetes/kubelet.yaml",
        "file /etc/systemd/system/backstay-network.service",
        "file /etc/systemd/system/containerd.service",
        "file /etc/systemd/system/kubelet.service",
        "service backstay-network.service",
        "service containerd.service",
        "service kubelet.service",
    }
    kubelet = _text(after, "w-1", "/etc/kubernetes/kubelet.yaml")
    for line in ("cgroupDriver: cgroupfs", "failCgroupV1: false", "failSwapOn: false"):
        assert line in kubelet.splitlines()


def test_the_marker_names_cluster_and_making() -> None:
    """Whose machine this is: the name first, then the fingerprint of the authority."""
    name, incarnation = _text(build(site_of(spec_of("stacked"))), "w-1", "/etc/backstay/cluster")[
        :-1
    ].split(" ")
    assert name == "stacked"
    assert len(incarnation) == len(sha256().hexdigest())
