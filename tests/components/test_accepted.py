"""Whatever `cluster.yaml` is accepted can be built: what cannot is refused by a rule, by line."""

from __future__ import annotations

import json
from collections.abc import Mapping

from component_sites import site_of
from hypothesis import event, given, settings
from hypothesis import strategies as st

from backstay.components.assemble import build
from backstay.spec.parse import parse
from backstay.spec.problems import SpecError
from backstay.spec.write import render

ROLES = st.sets(
    st.sampled_from(["control-plane", "etcd", "worker", "load-balancer"]), min_size=1
).map(sorted)
PREFIXES = st.integers(8, 32)
PORTS = st.sampled_from([22, 2379, 6443, 8443, 10250, 30000, 443])


def some(**values: st.SearchStrategy[object]) -> st.SearchStrategy[Mapping[str, object]]:
    """Return mappings that have any of the keys."""
    return st.fixed_dictionaries({}, optional=values)


def ranges(second: int) -> st.SearchStrategy[object]:
    return st.one_of(
        PREFIXES.map(lambda prefix: f"10.{second if prefix > 15 else 0}.0.0/{prefix}"),
        st.sampled_from([16, 20, 28, 29]).map(lambda prefix: f"10.{second}.0.0/{prefix}"),
        st.sampled_from(["127.0.0.0/16", "224.0.0.0/16", "fd00::/48", "fd01::/112", "10.0.0.0/8"]),
    )


USUAL: list[list[list[str]]] = [
    [["control-plane"]] * 3,
    [["control-plane", "worker"]],
    [["control-plane"], ["worker"], ["worker"]],
    [["control-plane"]] * 3 + [["load-balancer"], ["worker"]],
    [["control-plane"]] + [["etcd"]] * 3,
]
HOSTS = st.one_of(*map(st.just, USUAL), st.lists(ROLES, min_size=1, max_size=5)).map(
    lambda roles: [
        {"name": f"h-{number}", "address": f"10.0.0.{number}", "roles": one}
        for number, one in enumerate(roles, start=1)
    ]
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "name": st.just("any"),
        "hosts": HOSTS,
        "endpoint": st.just({"vip": "10.0.0.100"})
        | some(
            vip=st.sampled_from(["10.0.0.100", "10.0.1.100", "10.0.0.255", "10.0.0.1"]),
            name=st.sampled_from(["api", "api.example", "10.0.0.1", "10.0.0.9", "fd00::1", "1"]),
            port=PORTS,
            prefix=st.integers(1, 64),
            interface=st.sampled_from(["eth0", "bond0.5"]),
        ),
    },
    optional={
        "network": some(
            pods=ranges(244),
            services=ranges(96),
            podsPerNodePrefix=st.integers(22, 29) | PREFIXES,
            cni=st.sampled_from(["bridge", "none"]),
        ),
        "kubelet": some(
            maxPods=st.integers(1, 1000), controlPlaneServer=st.sampled_from(["local", "endpoint"])
        ),
        "proxy": some(mode=st.sampled_from(["nftables", "iptables"])),
        "dns": some(
            domain=st.sampled_from(["a", "cluster.local", "x.example."]),
            replicas=st.integers(1, 3),
            cpuLimit=st.sampled_from([None, "1", "0.5", "1000000G", "1.5m"]),
        ),
        "pki": some(
            key=st.sampled_from(["ecdsa-p256", "rsa-4096"]),
            certificateLifetime=st.sampled_from(["10m", "31d", "36500d", "1ms"]),
            renewBefore=st.sampled_from(["1s", "1m", "30d"]),
        ),
        "extraFlags": st.just({"etcd": {"v": "1"}, "kubelet": {"v": "$(x)"}}),
    },
)


@settings(max_examples=300)
@given(DOCUMENTS)
def test_what_is_accepted_can_be_built_and_written(document: Mapping[str, object]) -> None:
    """Nothing but a rule says no: no component meets a cluster that it cannot make."""
    try:
        spec = parse(json.dumps(document, indent=1))
    except SpecError as error:
        assert all(problem.place is not None for problem in error.problems)
        event("refused")
        return
    event("accepted")
    assert build(site_of(spec)).hosts.keys() == {host.name for host in spec.hosts}
    assert parse(render(spec)) == spec
