"""kubelet: on every node, at the balancer or, on control planes, at the apiserver beside it."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.components.addresses import endpoint_url, local_apiserver
from backstay.components.containerd import SOCKET
from backstay.components.controllers import QUICK_PINGS
from backstay.components.dns import service_address
from backstay.components.flags import command, merged
from backstay.components.kubeconfig import kubeconfig
from backstay.components.place import Place
from backstay.components.site import ControlGroups
from backstay.components.tls import CIPHER_SUITES, MINIMUM_VERSION
from backstay.components.units import FOREVER, Unit, install
from backstay.components.yaml_text import yaml_text
from backstay.pki.kept import KeptName
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import Component, KubeletServer, Role

HOME = "/var/lib/kubelet"
CONFIG = "/etc/kubernetes/kubelet.yaml"
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"


def kubelet(place: Place) -> tuple[Resource, ...]:
    """Return the kubelet with its files; nothing on a host that is no node."""
    if not place.is_node:
        return ()
    program = place.program("kubelet")
    config = File(CONFIG, Text(yaml_text(configuration(place))), mode="600")
    access = kubeconfig("kubelet", server=_server(place), pair=place.certificates["kubelet-client"])
    flags = {
        "config": CONFIG,
        "kubeconfig": access.path,
        "cert-dir": f"{HOME}/pki",
        "node-ip": str(place.host.internal),
    }
    unit = Unit(
        "kubelet",
        "kubelet, the Kubernetes node agent",
        Tier.NODE,
        # No confinement: what it mounts must be seen by containers, and the other way round.
        section=(
            "Wants=network-online.target containerd.service backstay-images.service",
            "After=network-online.target containerd.service backstay-images.service",
        ),
        service=(
            "Type=notify",
            command(program.path, merged(place.spec, Component.KUBELET, flags)),
            *QUICK_PINGS,
            *FOREVER,
            "KillMode=process",
            "LimitNOFILE=1048576",
            "OOMScoreAdjust=-999",
        ),
        reads=(program, config, access, *place.kept(KeptName.KUBERNETES_CERTIFICATE)),
        rereads=tuple(place.certificates[name] for name in ("kubelet-client", "kubelet-server")),
    )
    directories = (Directory(HOME, "700"), Directory(f"{HOME}/pki", "700"))
    return (*directories, program, config, access, *install(unit))


def _server(place: Place) -> str:
    """Return which apiserver it talks to: beside it no kubelet is newer than its apiserver."""
    choice = place.spec.kubelet.control_plane_server
    local = place.is_plane and choice is KubeletServer.LOCAL
    return local_apiserver() if local else endpoint_url(place.spec)


def configuration(place: Place) -> Mapping[str, object]:
    """Return the KubeletConfiguration."""
    spec = place.spec
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        **_access(place),
        **_kernel(place),
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [str(service_address(spec))],
        "clusterDomain": spec.dns.domain,
        "resolvConf": place.around.resolver,
        "maxPods": spec.kubelet.max_pods,
        "podPidsLimit": 4096,
        "seccompDefault": True,
        "serializeImagePulls": False,
        "eventRecordQPS": 50,
        "streamingConnectionIdleTimeout": "4h0m0s",
        **_taints(place),
    }


def _access(place: Place) -> Mapping[str, object]:
    """Return who may talk to it, and as whom it serves."""
    certificate, key = place.certificates["kubelet-server"].paths
    return {
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": KeptName.KUBERNETES_CERTIFICATE.value},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": certificate,
        "tlsPrivateKeyFile": key,
        "tlsMinVersion": MINIMUM_VERSION,
        "tlsCipherSuites": list(CIPHER_SUITES),
        "rotateCertificates": True,
    }


def _kernel(place: Place) -> Mapping[str, object]:
    """Return what depends on the machine; swap that is on is kept from pods (NoSwap)."""
    unified = place.around.control_groups is ControlGroups.V2
    return {
        "cgroupDriver": "systemd" if unified else "cgroupfs",
        "failCgroupV1": unified,
        "failSwapOn": not place.around.swap,
        "protectKernelDefaults": True,
        "makeIPTablesUtilChains": True,
    }


def _taints(place: Place) -> Mapping[str, object]:
    if not place.is_plane or Role.WORKER in place.host.roles:
        return {}
    return {"registerWithTaints": [{"key": CONTROL_PLANE_TAINT, "effect": "NoSchedule"}]}
