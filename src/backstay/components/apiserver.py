"""kube-apiserver: one on every control plane, with its own member of etcd."""

from __future__ import annotations

from backstay.components import api_files, reaper, tls
from backstay.components.addresses import endpoint_url, everywhere, local_apiserver
from backstay.components.before_etcd import WATCHES_SECONDS
from backstay.components.etcd import client_urls
from backstay.components.flags import Flags, command, listed, merged
from backstay.components.kubeconfig import kubeconfig
from backstay.components.loadbalancer import drain_seconds
from backstay.components.place import Place
from backstay.components.units import CONFINED, FIRST, FOREVER, Unit, install
from backstay.pki.kept import KeptName
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import ClusterSpec, Component

LOGS = "/var/log/kubernetes"
PAIRS = ("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client")
KEPT = (
    KeptName.KUBERNETES_CERTIFICATE,
    KeptName.ETCD_CERTIFICATE,
    KeptName.FRONT_PROXY_CERTIFICATE,
    KeptName.SERVICE_ACCOUNT_KEY,
    KeptName.SERVICE_ACCOUNT_PUBLIC,
    KeptName.ENCRYPTION,
)
ADMISSION_PLUGINS = ("NodeRestriction", "DenyServiceExternalIPs")
STOP_SECONDS = 60
"""Beyond the drain: requests in flight may take as long as --request-timeout allows."""


def apiserver(place: Place) -> tuple[Resource, ...]:
    """Return the apiserver, its reaper and the administrator's files; nothing on other hosts."""
    if not place.is_plane:
        return ()
    program = place.program("kube-apiserver")
    files = (api_files.authentication(), api_files.admission(), api_files.audit_policy())
    unit = Unit(
        "kube-apiserver",
        "Kubernetes API server",
        Tier.APISERVER,
        # Only when stopping does order matter: requests in flight still need their etcd.
        section=(
            f"Wants=network-online.target {reaper.UNIT.unit}",
            "After=network-online.target etcd.service",
        ),
        service=(
            "Type=notify",
            # The kernel lets nobody else close a listener of MPTCP, Go's own choice.
            "Environment=GODEBUG=multipathtcp=0",
            command(
                program.path,
                merged(place.spec, Component.APISERVER, flags(place)),
                under=reaper.UNDER,
            ),
            reaper.SERVES,
            "SyslogIdentifier=kube-apiserver",
            # Its only other process ends with it; on cgroup v1 systemd may not learn that.
            "KillMode=process",
            *FOREVER,
            f"TimeoutStopSec={drain_seconds(place.spec) + STOP_SECONDS}s",
            "LimitNOFILE=65536",
            "OOMScoreAdjust=-900",
            FIRST,
            *CONFINED,
            "LogsDirectory=kubernetes",
            "LogsDirectoryMode=0700",
        ),
        reads=(program, reaper.SCRIPT, *files, *place.kept(*KEPT)),
        rereads=tuple(place.certificates[name] for name in PAIRS),
    )
    return (
        Directory(api_files.DIRECTORY),
        program,
        place.program("kubectl"),
        *files,
        *_administrators(place),
        reaper.SCRIPT,
        *install(reaper.UNIT),
        *install(unit),
    )


def _administrators(place: Place) -> tuple[File, ...]:
    """Return the administrator's kubeconfig, and the one that needs neither balancer nor RBAC."""
    servers = {"admin": endpoint_url(place.spec), "super-admin": local_apiserver()}
    pairs = place.certificates
    return tuple(
        kubeconfig(name, server=server, pair=pairs[name]) for name, server in servers.items()
    )


def flags(place: Place) -> Flags:
    """Return all flags of the host's apiserver before the owner's own."""
    return {
        "advertise-address": str(place.host.internal),
        "bind-address": everywhere(place.host.internal),
        "secure-port": "6443",
        **_storage(place),
        **_serving(place),
        **_authentication(place),
        **_service_accounts(place.spec),
        **_kubelets(place),
        **_policy(),
        **_leaving(place),
        **tls.FLAGS,
    }


def _storage(place: Place) -> Flags:
    certificate, key = place.certificates["apiserver-etcd-client"].paths
    return {
        "etcd-servers": listed(*client_urls(place)),
        "etcd-cafile": KeptName.ETCD_CERTIFICATE.value,
        "etcd-certfile": certificate,
        "etcd-keyfile": key,
        "encryption-provider-config": KeptName.ENCRYPTION.value,
    }


def _serving(place: Place) -> Flags:
    certificate, key = place.certificates["apiserver"].paths
    return {
        "tls-cert-file": certificate,
        "tls-private-key-file": key,
        "service-cluster-ip-range": str(place.spec.network.services),
        "allow-privileged": "true",
        "profiling": "false",
        "request-timeout": "60s",
    }


def _authentication(place: Place) -> Flags:
    certificate, key = place.certificates["front-proxy-client"].paths
    return {
        "authentication-config": f"{api_files.DIRECTORY}/authentication.yaml",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": KeptName.KUBERNETES_CERTIFICATE.value,
        "requestheader-client-ca-file": KeptName.FRONT_PROXY_CERTIFICATE.value,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": certificate,
        "proxy-client-key-file": key,
    }


def _service_accounts(spec: ClusterSpec) -> Flags:
    return {
        "service-account-issuer": f"https://kubernetes.default.svc.{spec.dns.domain}",
        "service-account-key-file": KeptName.SERVICE_ACCOUNT_PUBLIC.value,
        "service-account-signing-key-file": KeptName.SERVICE_ACCOUNT_KEY.value,
        "service-account-lookup": "true",
        "service-account-extend-token-expiration": "false",
    }


def _kubelets(place: Place) -> Flags:
    certificate, key = place.certificates["apiserver-kubelet-client"].paths
    return {
        "kubelet-certificate-authority": KeptName.KUBERNETES_CERTIFICATE.value,
        "kubelet-client-certificate": certificate,
        "kubelet-client-key": key,
        "kubelet-preferred-address-types": "InternalIP,Hostname,ExternalIP",
    }


def _policy() -> Flags:
    """Return admission and audit; how much of the audit log is kept is CIS's (1.2.16-19)."""
    return {
        "enable-admission-plugins": listed(*ADMISSION_PLUGINS),
        "admission-control-config-file": f"{api_files.DIRECTORY}/admission.yaml",
        "audit-policy-file": f"{api_files.DIRECTORY}/audit-policy.yaml",
        "audit-log-path": f"{LOGS}/audit.log",
        "audit-log-maxage": "30",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
    }


def _leaving(place: Place) -> Flags:
    """Return how it goes away without costing a request, and how clients spread.

    /readyz says no for longer than balancers need to hear it; then watches are ended rather than
    cut, and kept connections are told to go elsewhere by GOAWAY. The other way, answering 429 with
    Retry-After until all is drained, costs whoever is told so 5 s where this costs 1 s at most
    (docs/decisions/leaving.md). With a single apiserver there is nowhere to spread to.
    """
    leaving = {
        "shutdown-delay-duration": f"{drain_seconds(place.spec)}s",
        "shutdown-watch-termination-grace-period": f"{WATCHES_SECONDS}s",
    }
    return leaving if len(place.ground.planes) == 1 else {**leaving, "goaway-chance": "0.001"}
