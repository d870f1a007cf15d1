"""CoreDNS as objects of the cluster: replicas on different machines, at the tenth address."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from backstay.components.images import coredns
from backstay.components.quantities import canonical
from backstay.components.wish import Manifest
from backstay.spec.model import ClusterSpec, Dns, IPAddress

NAMESPACE = "kube-system"
NAME = "coredns"
SERVICE = "kube-dns"
SELECTOR = {"k8s-app": "kube-dns"}
TENTH = 10
"""Which address of the Services' range is the name server's, by custom."""

UNPRIVILEGED_USER = 65532
RESCHEDULE_SECONDS = 30
"""How long a pod stays on a machine that does not answer; the default of 300 is for pods with
something to lose."""


def service_address(spec: ClusterSpec) -> IPAddress:
    """Return the address of the name server."""
    return spec.network.services[TENTH]


def dns(spec: ClusterSpec) -> tuple[Manifest, ...]:
    """Return all objects of CoreDNS, what others refer to first."""
    corefile = _corefile(spec)
    return (
        _namespaced("v1", "ServiceAccount", NAME),
        _role(),
        _binding(),
        _namespaced("v1", "ConfigMap", NAME, data={"Corefile": corefile}),
        _deployment(spec, corefile),
        _budget(),
        _service(spec),
    )


def _namespaced(version: str, kind: str, name: str, **parts: object) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": SELECTOR}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def _corefile(spec: ClusterSpec) -> str:
    settings = spec.dns
    return f"""\
.:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {settings.domain} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
        max_concurrent {settings.max_concurrent}
    }}
{_cache(settings)}    loop
    loadbalance
}}
"""


def _cache(settings: Dns) -> str:
    if not settings.cache_seconds:
        return ""
    return f"""\
    cache {settings.cache_seconds} {{
        success {settings.cache_entries}
        denial {settings.cache_entries}
    }}
"""


def _role() -> Manifest:
    reading = ["list", "watch"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["endpoints", "services", "pods", "namespaces"],
                "verbs": reading,
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": reading,
            },
        ],
    }


def _binding() -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:coredns",
        },
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }


def _deployment(spec: ClusterSpec, corefile: str) -> Manifest:
    """Return the deployment; the digest of its configuration makes a new one roll out."""
    annotations = {"backstay/corefile": sha256(corefile.encode()).hexdigest()}
    return _namespaced(
        "apps/v1",
        "Deployment",
        NAME,
        spec={
            "replicas": spec.dns.replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": SELECTOR},
            "template": {
                "metadata": {"labels": SELECTOR, "annotations": annotations},
                "spec": _pod(spec),
            },
        },
    )


def _pod(spec: ClusterSpec) -> Mapping[str, object]:
    return {
        "serviceAccountName": NAME,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": _tolerations(),
        "topologySpreadConstraints": [_spread(spec)],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UNPRIVILEGED_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec)],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }


def _tolerations() -> list[Mapping[str, object]]:
    leaving = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return [
        {
            "key": "node-role.kubernetes.io/control-plane",
            "operator": "Exists",
            "effect": "NoSchedule",
        },
        *(
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": RESCHEDULE_SECONDS,
            }
            for key in leaving
        ),
    ]


def _spread(spec: ClusterSpec) -> Mapping[str, object]:
    """Return the rule that no machine gets a second replica while another has none.

    `minDomains` makes that hold while the first machine of a new cluster is the only one ready.
    """
    return {
        "maxSkew": 1,
        "minDomains": max(min(spec.dns.replicas, len(spec.nodes)), 1),
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "matchLabelKeys": ["pod-template-hash"],
        "labelSelector": {"matchLabels": SELECTOR},
    }


def _container(spec: ClusterSpec) -> Mapping[str, object]:
    settings = spec.dns
    requests = {"cpu": settings.cpu_request, "memory": settings.memory_request}
    limits = {"memory": settings.memory_limit, "cpu": settings.cpu_limit}
    return {
        "name": NAME,
        "image": coredns(spec).reference,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9153, "protocol": "TCP"},
        ],
        "resources": {"requests": _quantities(requests), "limits": _quantities(limits)},
        "livenessProbe": _probe("/health", 8080, failures=5),
        "readinessProbe": _probe("/ready", 8181, failures=3),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }


def _quantities(wanted: Mapping[str, str | None]) -> Mapping[str, str]:
    return {name: canonical(text) for name, text in wanted.items() if text is not None}


def _probe(path: str, port: int, *, failures: int) -> Mapping[str, object]:
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": 2,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _budget() -> Manifest:
    wanted = {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}}
    return _namespaced("policy/v1", "PodDisruptionBudget", NAME, spec=wanted)


def _service(spec: ClusterSpec) -> Manifest:
    return _namespaced(
        "v1",
        "Service",
        SERVICE,
        spec={
            "clusterIP": str(service_address(spec)),
            "selector": SELECTOR,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": "metrics"},
            ],
        },
    )
