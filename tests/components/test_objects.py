"""Objects of the cluster: CoreDNS as the owner wants it and spread by rule; who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from component_sites import STACKED, host, site_of, spec_of

from backstay.components.assemble import build
from backstay.components.dns import service_address
from backstay.components.wish import Wish
from backstay.spec.versions import KUBERNETES


def objects(document: Mapping[str, object] | str) -> dict[str, Any]:
    """The objects of a cluster by kind and name."""
    wish = build(site_of(spec_of(document)))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in wish.objects}  # type: ignore[index]


def pod(document: Mapping[str, object] | str) -> dict[str, Any]:
    """The pod template of CoreDNS."""
    found: dict[str, Any] = objects(document)["Deployment/coredns"]["spec"]["template"]
    return found


DNS = {
    "domain": "corp.example",
    "replicas": 3,
    "cpuRequest": "50m",
    "cpuLimit": "1000m",
    "memoryRequest": "64Mi",
    "memoryLimit": "1024Mi",
    "cacheSeconds": 60,
    "cacheEntries": 20000,
    "maxConcurrent": 500,
}


def test_dns_is_as_the_specification_says() -> None:
    """Replicas, limits, cache and concurrency, quantities as the API gives them back."""
    found = objects({**STACKED, "dns": DNS})
    corefile = found["ConfigMap/coredns"]["data"]["Corefile"]
    for line in (
        "kubernetes corp.example in-addr.arpa ip6.arpa {",
        "max_concurrent 500",
        "cache 60 {",
        "success 20000",
        "denial 20000",
        "lameduck 5s",
        "ready",
    ):
        assert line in [each.strip() for each in corefile.splitlines()]
    deployment = found["Deployment/coredns"]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert deployment["replicas"] == 3
    assert container["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    release = next(iter(KUBERNETES.values()))
    assert container["image"] == f"backstay.local/coredns:{release.coredns}"


def test_a_new_corefile_rolls_the_pods() -> None:
    """The annotation with its digest changes, and nothing else does without cause."""
    same, other = pod("stacked"), pod({**STACKED, "dns": {"cacheSeconds": 31}})
    assert same == pod("stacked")
    assert same["metadata"]["annotations"] != other["metadata"]["annotations"]
    assert same["spec"] == other["spec"]


@pytest.mark.parametrize(
    ("replicas", "workers", "domains"), [(1, 0, 1), (2, 0, 2), (2, 2, 2), (9, 2, 5)]
)
def test_no_machine_gets_two_replicas_before_all_have_one(
    replicas: int, workers: int, domains: int
) -> None:
    """Also while the first machine is the only one ready: `minDomains` counts those to come."""
    planes = [each for each in STACKED["hosts"] if each["name"] != "w-1"]
    more = [host(f"w-{i}", f"10.0.0.{101 + i}", "worker") for i in range(workers)]
    document = {**STACKED, "hosts": [*planes, *more], "dns": {"replicas": replicas}}
    (rule,) = pod(document)["spec"]["topologySpreadConstraints"]
    assert rule["minDomains"] == domains
    assert (rule["maxSkew"], rule["whenUnsatisfiable"]) == (1, "DoNotSchedule")
    assert rule["topologyKey"] == "kubernetes.io/hostname"


def test_dns_may_run_on_control_planes() -> None:
    """A cluster without workers has names too."""
    keys = {each["key"] for each in pod("stacked")["spec"]["tolerations"]}
    assert "node-role.kubernetes.io/control-plane" in keys


@pytest.mark.parametrize(("case", "address"), [("stacked", "10.96.0.10"), ("ipv6", "fd00:20::a")])
def test_the_name_server_is_where_kubelets_say(case: str, address: str) -> None:
    """The tenth address of the Services' range."""
    assert str(service_address(spec_of(case))) == address
    assert objects(case)["Service/kube-dns"]["spec"]["clusterIP"] == address


def test_rights_are_bound_to_groups_and_users_of_ours() -> None:
    """Administrators, apiservers towards kubelets, and kubelets that renew themselves."""
    bindings = {
        name: (one["roleRef"]["name"], one["subjects"][0]["kind"], one["subjects"][0]["name"])
        for name, one in objects("stacked").items()
        if name.startswith("ClusterRoleBinding/backstay")
    }
    renewal = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
    assert bindings == {
        "ClusterRoleBinding/backstay:cluster-admins": (
            "cluster-admin",
            "Group",
            "backstay:cluster-admins",
        ),
        "ClusterRoleBinding/backstay:apiserver-to-kubelet": (
            "system:kubelet-api-admin",
            "User",
            "kube-apiserver-kubelet-client",
        ),
        "ClusterRoleBinding/backstay:node-certificate-renewal": (renewal, "Group", "system:nodes"),
    }


def test_control_planes_are_labelled_once_they_are_nodes() -> None:
    """Workers get no label, and nothing but the label is wished for."""
    wish: Wish = build(site_of(spec_of("stacked")))
    assert [one["metadata"] for one in wish.late_objects] == [
        {"name": f"cp-{i}", "labels": {"node-role.kubernetes.io/control-plane": ""}}
        for i in (1, 2, 3)
    ]
