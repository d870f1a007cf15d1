"""Four clusters as sites: one host, three that share everything, five with roles apart, IPv6."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from backstay.components.network import subnets
from backstay.components.site import ControlGroups, Site, Surroundings
from backstay.pki.kept import PAIR_OF, KeptName
from backstay.pki.request import AuthorityName
from backstay.pki.trust import UNSEEN, Trust
from backstay.resources.content import Artefact, Text
from backstay.resources.files import File
from backstay.resources.resource import Key, Resource
from backstay.spec.model import ClusterSpec

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AUTHORITIES = Path(__file__).parent / "authorities"
PROGRAMS = (
    *("etcd", "etcdctl", "etcdutl", "kubectl", "kubelet", "kube-proxy"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "containerd-shim-runc-v2", "ctr", "runc"),
    *("bridge", "host-local", "loopback", "portmap", "coredns.tar", "pause.tar"),
)


def digest(text: str) -> str:
    """Stands for the digest of something whose bytes do not matter."""
    return sha256(text.encode()).hexdigest()


CATALOGUE = {name: Artefact(name, digest(name)) for name in PROGRAMS}


def trust() -> Trust:
    """A cluster whose authorities exist."""
    public = {
        PAIR_OF[name].public: (AUTHORITIES / f"{name.value}.crt").read_bytes()
        for name in AuthorityName
    }
    public[KeptName.SERVICE_ACCOUNT_PUBLIC] = (AUTHORITIES / "sa.pub").read_bytes()
    secrets = {name: digest(name) for name in KeptName if not name.public}
    digests = {**secrets, **{name: sha256(value).hexdigest() for name, value in public.items()}}
    return Trust(public=public, digests=digests)


def host(name: str, address: str, *roles: str, **more: object) -> Mapping[str, object]:
    """One host as cluster.yaml has it."""
    return {"name": name, "address": address, "roles": roles, **more}


SINGLE = {
    "name": "single",
    "endpoint": {"name": "api.example.org", "port": 443},
    "hosts": [host("alone", "192.0.2.1", "control-plane", "worker")],
    "dns": {"replicas": 1, "cacheSeconds": 0, "cpuLimit": "0.5"},
    "pki": {"certificateLifetime": "43800h"},
}
STACKED = {
    "name": "stacked",
    "endpoint": {"vip": "10.0.0.100"},
    "hosts": [
        *(host(f"cp-{i}", f"10.0.0.{10 + i}", "control-plane") for i in (1, 2, 3)),
        host("w-1", "10.0.0.101", "worker"),
    ],
}
DEDICATED = {
    "name": "dedicated",
    "endpoint": {"vip": "10.0.0.100", "name": "api.example.org", "interface": "bond0"},
    "hosts": [
        *(host(f"cp-{i}", f"10.0.0.{10 + i}", "control-plane") for i in range(1, 6)),
        *(
            host(f"etcd-{i}", f"198.51.100.{i}", "etcd", privateAddress=f"10.0.0.{20 + i}")
            for i in (1, 2, 3)
        ),
        *(host(f"lb-{i}", f"10.0.0.{30 + i}", "load-balancer") for i in (1, 2)),
        *(host(f"w-{i}", f"10.0.0.{100 + i}", "worker") for i in (1, 2)),
    ],
    "network": {"cni": "none", "pods": "10.128.0.0/14", "podsPerNodePrefix": 25},
    "proxy": {"mode": "iptables"},
    "kubelet": {"controlPlaneServer": "endpoint"},
    "kubernetes": "1.36.3",
    "profile": "fast",
    "etcd": {"electionMilliseconds": 400},
    "extraFlags": {
        "kube-apiserver": {"audit-log-maxage": "90", "--event-ttl": "2h0m0s"},
        "etcd": {"log-level": "warn"},
        "kubelet": {"v": "2"},
    },
}
IPV6 = {
    "name": "six",
    "endpoint": {"vip": "2001:db8::100"},
    "hosts": [
        host("cp-1", "2001:db8::11", "control-plane"),
        host("w-1", "2001:db8::101", "worker"),
    ],
    "network": {"pods": "fd00:10::/48", "podsPerNodePrefix": 64, "services": "fd00:20::/112"},
}
CASES: Mapping[str, Mapping[str, object]] = {
    "single": SINGLE,
    "stacked": STACKED,
    "dedicated": DEDICATED,
    "ipv6": IPV6,
}


def spec_of(case: str | Mapping[str, object]) -> ClusterSpec:
    """The specification of a case, by name or as its document."""
    return ClusterSpec.model_validate(CASES[case] if isinstance(case, str) else case)


def site_of(
    spec: ClusterSpec,
    *,
    known: Trust | None = None,
    surroundings: Surroundings | None = None,
) -> Site:
    """A site of the specification on machines that are all alike."""
    around = surroundings or Surroundings(
        ControlGroups.V1 if spec.name == "six" else ControlGroups.V2, interface="ens3"
    )
    return Site(
        spec,
        known or trust(),
        CATALOGUE,
        {each.name: around for each in spec.hosts},
        subnets(spec, {}),
        NOW,
    )


def unseen_site(spec: ClusterSpec) -> Site:
    """The site that is assumed before any machine was asked."""
    return site_of(spec, known=UNSEEN, surroundings=Surroundings())


def text_of(resources: Mapping[Key, Resource], path: str) -> str:
    """The text of a file in a host's wish."""
    file = resources[Key("file", path)]
    assert isinstance(file, File)
    assert isinstance(file.content, Text)
    return file.content.text


def unit_of(resources: Mapping[Key, Resource], name: str) -> str:
    """The text of a unit in a host's wish."""
    return text_of(resources, f"/etc/systemd/system/{name}.service")


def flags_of(resources: Mapping[Key, Resource], name: str) -> Mapping[str, str]:
    """The flags in a unit's ExecStart line, without their dashes."""
    words = unit_of(resources, name).replace("\\\n", " ").split()
    pairs = (word[2:].partition("=") for word in words if word.startswith("--"))
    return {flag: value for flag, _, value in pairs}


def environment_of(resources: Mapping[Key, Resource], path: str) -> Mapping[str, str]:
    """The variables in an environment file."""
    return dict(line.split("=", 1) for line in text_of(resources, path).splitlines())
