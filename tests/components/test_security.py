"""The automated rows of the security table, each asked of what is rendered for every case."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest
from component_sites import (
    CASES,
    environment_of,
    flags_of,
    site_of,
    spec_of,
    text_of,
    unit_of,
)
from ruamel.yaml import YAML

from backstay.components.assemble import build
from backstay.components.tls import CIPHER_SUITES
from backstay.pki.certificate import KEY_MODE, Certificate
from backstay.resources.files import Directory, File
from backstay.resources.resource import Key, Resource

Resources = Mapping[Key, Resource]
PROGRAM_OF = {
    "apiserver": "kube-apiserver",
    "manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "proxy": "kube-proxy",
}
PKI = "/etc/kubernetes/pki"


def hosts() -> Iterator[tuple[str, str, Resources]]:
    """Every host of every case."""
    for case in CASES:
        for host, resources in build(site_of(spec_of(case))).hosts.items():
            yield case, host, resources


HOSTS = {f"{case}/{host}": resources for case, host, resources in hosts()}


def hosts_with(path: str) -> list[Resources]:
    """The hosts that get a file; at least one, or the test would prove nothing."""
    found = [resources for resources in HOSTS.values() if Key("file", path) in resources]
    assert found
    return found


def hosts_with_unit(name: str) -> list[Resources]:
    """The hosts on which a unit runs."""
    return hosts_with(f"/etc/systemd/system/{name}.service")


def yaml_of(resources: Resources, path: str) -> Mapping[str, object]:
    """A YAML file as a document, read by a YAML reader that is not ours."""
    document: Mapping[str, object] = YAML(typ="safe").load(text_of(resources, path))
    return document


def within(resources: Resources, directory: str, kind: type[File | Certificate]) -> list:
    """The resources of a kind below a directory."""
    return [
        each
        for each in resources.values()
        if isinstance(each, kind) and each.key.name.startswith(f"{directory}/")
    ]


FLAGS: list[tuple[str, str, str, str | None]] = [
    ("1.2.2", "apiserver", "token-auth-file", None),
    ("1.2.3", "apiserver", "enable-admission-plugins", "has DenyServiceExternalIPs"),
    ("1.2.4", "apiserver", "kubelet-client-certificate", f"{PKI}/apiserver-kubelet-client.crt"),
    ("1.2.4", "apiserver", "kubelet-client-key", f"{PKI}/apiserver-kubelet-client.key"),
    ("1.2.5", "apiserver", "kubelet-certificate-authority", f"{PKI}/ca.crt"),
    ("1.2.6-8", "apiserver", "authorization-mode", "Node,RBAC"),
    ("1.2.10", "apiserver", "enable-admission-plugins", "lacks AlwaysAdmit"),
    ("1.2.12-13", "apiserver", "disable-admission-plugins", None),
    ("1.2.14", "apiserver", "enable-admission-plugins", "has NodeRestriction"),
    ("1.2.15", "apiserver", "profiling", "false"),
    ("1.2.16", "apiserver", "audit-log-path", "/var/log/kubernetes/audit.log"),
    ("1.2.17", "apiserver", "audit-log-maxage", "at least 30"),
    ("1.2.18", "apiserver", "audit-log-maxbackup", "at least 10"),
    ("1.2.19", "apiserver", "audit-log-maxsize", "at least 100"),
    ("1.2.20", "apiserver", "request-timeout", "60s"),
    ("1.2.21", "apiserver", "service-account-lookup", "true"),
    ("1.2.22", "apiserver", "service-account-key-file", f"{PKI}/sa.pub"),
    ("1.2.23", "apiserver", "etcd-certfile", f"{PKI}/apiserver-etcd-client.crt"),
    ("1.2.23", "apiserver", "etcd-keyfile", f"{PKI}/apiserver-etcd-client.key"),
    ("1.2.24", "apiserver", "tls-cert-file", f"{PKI}/apiserver.crt"),
    ("1.2.24", "apiserver", "tls-private-key-file", f"{PKI}/apiserver.key"),
    ("1.2.25", "apiserver", "client-ca-file", f"{PKI}/ca.crt"),
    ("1.2.26", "apiserver", "etcd-cafile", f"{PKI}/etcd/ca.crt"),
    ("1.2.27", "apiserver", "encryption-provider-config", "/etc/kubernetes/encryption.yaml"),
    ("1.2.29", "apiserver", "tls-cipher-suites", ",".join(CIPHER_SUITES)),
    ("1.2.29", "apiserver", "tls-min-version", "VersionTLS12"),
    ("1.2.30", "apiserver", "service-account-extend-token-expiration", "false"),
    ("1.3.1", "manager", "terminated-pod-gc-threshold", "at least 1"),
    ("1.3.2", "manager", "profiling", "false"),
    ("1.3.3", "manager", "use-service-account-credentials", "true"),
    ("1.3.4", "manager", "service-account-private-key-file", f"{PKI}/sa.key"),
    ("1.3.5", "manager", "root-ca-file", f"{PKI}/ca.crt"),
    ("1.3.6", "manager", "feature-gates", "has RotateKubeletServerCertificate=true"),
    ("1.3.7", "manager", "bind-address", "127.0.0.1"),
    ("1.4.1", "scheduler", "profiling", "false"),
    ("1.4.2", "scheduler", "bind-address", "127.0.0.1"),
    ("3.2.1", "apiserver", "audit-policy-file", "/etc/kubernetes/apiserver/audit-policy.yaml"),
    ("4.3.1", "proxy", "metrics-bind-address", "127.0.0.1:10249"),
]


def satisfies(have: str | None, want: str | None) -> bool:
    """Whether a flag is as wanted: absent, equal, a list with or without a word, or a number."""
    if want is None or have is None:
        return have is want
    kind, _, rest = want.partition(" ")
    match kind:
        case "has":
            return rest in have.split(",")
        case "lacks":
            return rest not in have.split(",")
        case "at":
            return int(have) >= int(rest.removeprefix("least "))
        case _:
            return have == want


@pytest.mark.parametrize(("row", "component", "flag", "want"), FLAGS)
def test_flags_are_as_the_benchmark_asks(
    row: str, component: str, flag: str, want: str | None
) -> None:
    """A row about a flag holds on every host on which the program runs."""
    program = PROGRAM_OF[component]
    for resources in hosts_with_unit(program):
        assert satisfies(flags_of(resources, program).get(flag), want), row


ETCD: list[tuple[str, str, str | None]] = [
    ("2.1", "ETCD_CERT_FILE", f"{PKI}/etcd/server.crt"),
    ("2.1", "ETCD_KEY_FILE", f"{PKI}/etcd/server.key"),
    ("2.2", "ETCD_CLIENT_CERT_AUTH", "true"),
    ("2.3", "ETCD_AUTO_TLS", None),
    ("2.4", "ETCD_PEER_CERT_FILE", f"{PKI}/etcd/peer.crt"),
    ("2.4", "ETCD_PEER_KEY_FILE", f"{PKI}/etcd/peer.key"),
    ("2.5", "ETCD_PEER_CLIENT_CERT_AUTH", "true"),
    ("2.6", "ETCD_PEER_AUTO_TLS", None),
    ("2.7", "ETCD_TRUSTED_CA_FILE", f"{PKI}/etcd/ca.crt"),
    ("own: peers only", "ETCD_PEER_TRUSTED_CA_FILE", f"{PKI}/etcd/peer-ca.crt"),
    ("1.2.29", "ETCD_TLS_MIN_VERSION", "TLS1.2"),
    ("1.2.29", "ETCD_CIPHER_SUITES", ",".join(CIPHER_SUITES)),
    ("E12", "ETCD_FEATURE_GATES", "has InitialCorruptCheck=true"),
    ("E12", "ETCD_FEATURE_GATES", "has CompactHashCheck=true"),
]


@pytest.mark.parametrize(("row", "variable", "want"), ETCD)
def test_etcd_is_set_as_the_benchmark_asks(row: str, variable: str, want: str | None) -> None:
    """A row about etcd holds for every member."""
    for resources in hosts_with_unit("etcd"):
        environment = environment_of(resources, "/etc/etcd/etcd.env")
        assert satisfies(environment.get(variable), want), row


KUBELET: list[tuple[str, tuple[str, ...], object]] = [
    ("4.2.1", ("authentication", "anonymous", "enabled"), False),
    ("4.2.2", ("authorization", "mode"), "Webhook"),
    ("4.2.3", ("authentication", "x509", "clientCAFile"), f"{PKI}/ca.crt"),
    ("4.2.4", ("readOnlyPort",), 0),
    ("4.2.5", ("streamingConnectionIdleTimeout",), "4h0m0s"),
    ("4.2.6", ("makeIPTablesUtilChains",), True),
    ("4.2.8", ("eventRecordQPS",), 50),
    ("4.2.9", ("tlsCertFile",), f"{PKI}/kubelet-server.crt"),
    ("4.2.9", ("tlsPrivateKeyFile",), f"{PKI}/kubelet-server.key"),
    ("4.2.10", ("rotateCertificates",), True),
    ("4.2.12", ("tlsCipherSuites",), list(CIPHER_SUITES)),
    ("4.2.12", ("tlsMinVersion",), "VersionTLS12"),
    ("4.2.13", ("podPidsLimit",), 4096),
    ("4.2.14", ("seccompDefault",), True),
]


@pytest.mark.parametrize(("row", "path", "want"), KUBELET)
def test_kubelets_are_configured_as_the_benchmark_asks(
    row: str, path: tuple[str, ...], want: object
) -> None:
    """A row about the kubelet holds on every node."""
    for resources in hosts_with_unit("kubelet"):
        value: object = yaml_of(resources, "/etc/kubernetes/kubelet.yaml")
        for step in path:
            assert isinstance(value, Mapping)
            value = value[step]
        assert value == want, row


def test_no_kubelet_overrides_its_name() -> None:
    """4.2.7: the name is the machine's own."""
    for resources in hosts_with_unit("kubelet"):
        assert "hostname-override" not in flags_of(resources, "kubelet")


MODES: list[tuple[str, str, str, str]] = [
    ("1.1.1-8", "/etc/systemd/system/kube-apiserver.service", "600", "root:root"),
    ("1.1.1-8", "/etc/systemd/system/kube-controller-manager.service", "600", "root:root"),
    ("1.1.1-8", "/etc/systemd/system/kube-scheduler.service", "600", "root:root"),
    ("1.1.1-8", "/etc/systemd/system/etcd.service", "600", "root:root"),
    ("1.1.1-8", "/etc/etcd/etcd.env", "600", "root:root"),
    ("1.1.1-8", "/etc/etcd/bootstrap.env", "600", "root:root"),
    ("1.1.9-10", "/etc/cni/net.d/10-backstay.conflist", "600", "root:root"),
    ("1.1.13-14", "/etc/kubernetes/admin.conf", "600", "root:root"),
    ("1.1.13-14", "/etc/kubernetes/super-admin.conf", "600", "root:root"),
    ("1.1.15-16", "/etc/kubernetes/scheduler.conf", "600", "root:root"),
    ("1.1.17-18", "/etc/kubernetes/controller-manager.conf", "600", "root:root"),
    ("1.2.27", "/etc/kubernetes/encryption.yaml", "600", "root:root"),
    ("4.1.1-2", "/etc/systemd/system/kubelet.service", "600", "root:root"),
    ("4.1.3-4", "/etc/kubernetes/proxy.conf", "600", "root:root"),
    ("4.1.5-6", "/etc/kubernetes/kubelet.conf", "600", "root:root"),
    ("4.1.7-8", f"{PKI}/ca.crt", "644", "root:root"),
    ("4.1.9-10", "/etc/kubernetes/kubelet.yaml", "600", "root:root"),
]


@pytest.mark.parametrize(("row", "path", "mode", "owner"), MODES)
def test_files_are_for_whom_the_benchmark_says(row: str, path: str, mode: str, owner: str) -> None:
    """A row about rights of a file holds on every host that has it."""
    for resources in hosts_with(path):
        file = resources[Key("file", path)]
        assert isinstance(file, File)
        assert (file.mode, file.owner) == (mode, owner), row


def test_etcd_keeps_its_data_to_itself() -> None:
    """1.1.11-12: the directory is 0700 and etcd's, and so is the process."""
    for resources in hosts_with_unit("etcd"):
        assert resources[Key("directory", "/var/lib/etcd")] == Directory(
            "/var/lib/etcd", "700", "etcd:etcd"
        )
        assert "\nUser=etcd\nGroup=etcd\n" in unit_of(resources, "etcd")


def test_keys_are_for_their_owner_alone() -> None:
    """1.1.19-21: directories of the pki are root's, secrets in them 0600."""
    for resources in HOSTS.values():
        for directory in (PKI, f"{PKI}/etcd"):
            found = resources.get(Key("directory", directory))
            assert found in (None, Directory(directory))
        for file in within(resources, PKI, File):
            assert file.owner == "root:root"
            assert file.mode == ("644" if file.path.endswith((".crt", ".pub")) else "600")
        for pair in within(resources, PKI, Certificate):
            assert pair.request.owner in {"root:root", "etcd:etcd"}
    assert KEY_MODE == "600"


def test_only_health_is_told_to_anyone() -> None:
    """1.2.1: anonymous requests are allowed on three paths, and the flag is not used."""
    for resources in hosts_with_unit("kube-apiserver"):
        flags = flags_of(resources, "kube-apiserver")
        assert "anonymous-auth" not in flags
        assert yaml_of(resources, flags["authentication-config"])["anonymous"] == {
            "enabled": True,
            "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}],
        }


def test_audit_never_holds_the_content_of_a_secret() -> None:
    """3.2.2: the first rule that fits secrets, configmaps and token reviews is Metadata."""
    for resources in hosts_with_unit("kube-apiserver"):
        policy = yaml_of(resources, "/etc/kubernetes/apiserver/audit-policy.yaml")
        rules = policy["rules"]
        assert isinstance(rules, list)
        for group, resource in (
            ("", "secrets"),
            ("", "configmaps"),
            ("", "serviceaccounts/token"),
            ("authentication.k8s.io", "tokenreviews"),
        ):
            first = next(rule for rule in rules if _fits(rule, group, resource))
            assert first["level"] == "Metadata"
        for way in ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy"):
            assert next(rule for rule in rules if _fits(rule, "", way))["level"] == "Metadata"
        assert rules[-1] == {"level": "Metadata"}


def _fits(rule: Mapping[str, list[dict[str, object]]], group: str, resource: str) -> bool:
    """Whether a rule may speak of a resource, as the apiserver matches it."""
    if "nonResourceURLs" in rule:
        return False
    kinds = rule.get("resources")
    return kinds is None or any(
        kind["group"] == group and resource in kind["resources"]  # type: ignore[operator]
        for kind in kinds
    )


def test_pods_are_baseline_unless_a_namespace_says_otherwise() -> None:
    """5.2.x: the default is enforced, and only the system's own namespace is exempt."""
    for resources in hosts_with_unit("kube-apiserver"):
        path = flags_of(resources, "kube-apiserver")["admission-control-config-file"]
        (plugin,) = yaml_of(resources, path)["plugins"]  # type: ignore[misc]
        assert plugin["name"] == "PodSecurity"
        assert plugin["configuration"]["defaults"]["enforce"] == "baseline"
        assert plugin["configuration"]["exemptions"]["namespaces"] == ["kube-system"]


HARDENED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "haproxy")
CONFINED = (*HARDENED, "keepalived", "kube-proxy", "backstay-network", "kube-apiserver-reaper")


@pytest.mark.parametrize("name", CONFINED)
def test_units_are_confined(name: str) -> None:
    """S7: no new privileges, a file system that is read-only, a bounded set of capabilities."""
    found = [r for r in HOSTS.values() if Key("service", f"{name}.service") in r]
    assert found
    for resources in found:
        lines = unit_of(resources, name).splitlines()
        for wanted in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes"):
            assert wanted in lines
        (bound,) = (line for line in lines if line.startswith("CapabilityBoundingSet="))
        capabilities = bound.partition("=")[2].split()
        assert not {"CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"} & set(capabilities)
        if name in HARDENED:
            assert capabilities in ([], ["CAP_NET_BIND_SERVICE"])
        if name == "kube-apiserver-reaper":
            assert capabilities == ["CAP_NET_ADMIN"]


def test_no_text_holds_a_secret() -> None:
    """S2: what is rendered as text names secrets and has none."""
    for resources in HOSTS.values():
        for resource in resources.values():
            if isinstance(resource, File) and hasattr(resource.content, "text"):
                assert "PRIVATE KEY" not in resource.content.text
                assert "client-key-data" not in resource.content.text


def test_administrators_are_not_masters() -> None:
    """5.1.7: the daily administrator has a bound group; only the spare key is system:masters."""
    wish = build(site_of(spec_of("stacked")))
    resources = wish.hosts["cp-1"]
    groups = {
        name: resources[Key("certificate", f"{PKI}/{name}")].request.organizations  # type: ignore[attr-defined]
        for name in ("admin", "super-admin")
    }
    assert groups == {"admin": ("backstay:cluster-admins",), "super-admin": ("system:masters",)}
    assert "backstay:cluster-admins" in json.dumps(wish.objects)
