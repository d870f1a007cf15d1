"""kube-controller-manager and kube-scheduler: on every control plane, one of each leads.

They talk to the apiserver of their own host, so that one that is cut off loses its lease with it.
"""

from __future__ import annotations

from datetime import timedelta

from backstay.components import tls
from backstay.components.addresses import local_apiserver
from backstay.components.flags import Flags, command, merged
from backstay.components.kubeconfig import kubeconfig
from backstay.components.place import Place
from backstay.components.units import CONFINED, FOREVER, Unit, install
from backstay.pki.kept import KeptName
from backstay.resources.files import File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import Cni, Component

QUICK_PINGS = (
    "Environment=HTTP2_READ_IDLE_TIMEOUT_SECONDS=5",
    "Environment=HTTP2_PING_TIMEOUT_SECONDS=5",
)
"""A connection that died silently is noticed in ten seconds, within one lease of fifteen
(the defaults make it 45: performance.md B3)."""

AUTHORITIES = (KeptName.KUBERNETES_CERTIFICATE, KeptName.FRONT_PROXY_CERTIFICATE)


def controllers(place: Place) -> tuple[Resource, ...]:
    """Return both, with their kubeconfigs; nothing on other hosts."""
    if not place.is_plane:
        return ()
    return (*_controller_manager(place), *_scheduler(place))


def _controller_manager(place: Place) -> tuple[Resource, ...]:
    config = _kubeconfig(place, "controller-manager")
    signing = place.kept(KeptName.KUBERNETES_KEY, KeptName.SERVICE_ACCOUNT_KEY)
    return _install(
        place,
        Component.CONTROLLER_MANAGER,
        config=config,
        description="Kubernetes controller manager",
        flags={**_shared(config), **_manager_flags(place)},
        secrets=signing,
    )


def _scheduler(place: Place) -> tuple[Resource, ...]:
    config = _kubeconfig(place, "scheduler")
    return _install(
        place,
        Component.SCHEDULER,
        config=config,
        description="Kubernetes scheduler",
        flags=_shared(config),
        secrets=(),
    )


def _kubeconfig(place: Place, name: str) -> File:
    return kubeconfig(name, server=local_apiserver(), pair=place.certificates[name])


def _install(
    place: Place,
    component: Component,
    *,
    config: File,
    description: str,
    flags: Flags,
    secrets: tuple[File, ...],
) -> tuple[Resource, ...]:
    program = place.program(component.value)
    pair = place.certificates[component.value.removeprefix("kube-")]
    unit = Unit(
        component.value,
        description,
        Tier.CONTROLLERS,
        # Stopped before the apiserver, it can still give back its lease.
        section=("After=kube-apiserver.service",),
        service=(
            command(program.path, merged(place.spec, component, flags)),
            *QUICK_PINGS,
            *FOREVER,
            "OOMScoreAdjust=-800",
            *CONFINED,
        ),
        reads=(program, config, *place.kept(*AUTHORITIES), *secrets),
        rereads=(pair,),
    )
    return (program, config, *install(unit))


def _shared(config: File) -> Flags:
    return {
        "kubeconfig": config.path,
        "authentication-kubeconfig": config.path,
        "authorization-kubeconfig": config.path,
        "client-ca-file": KeptName.KUBERNETES_CERTIFICATE.value,
        "requestheader-client-ca-file": KeptName.FRONT_PROXY_CERTIFICATE.value,
        "bind-address": "127.0.0.1",
        "leader-elect": "true",
        "profiling": "false",
        **tls.FLAGS,
    }


# Two requests for each of forty controllers are made before any of them works; with the default
# of 20 a second that is three seconds after every change of leader. Scale tests use 100 as well.
MANAGER_RATE = {"kube-api-qps": "100", "kube-api-burst": "200"}


def _manager_flags(place: Place) -> Flags:
    spec = place.spec
    return {
        "cluster-name": spec.name,
        **_addressing(place),
        **_signing(place),
        "root-ca-file": KeptName.KUBERNETES_CERTIFICATE.value,
        "service-account-private-key-file": KeptName.SERVICE_ACCOUNT_KEY.value,
        "use-service-account-credentials": "true",
        "terminated-pod-gc-threshold": "1000",
        **MANAGER_RATE,
        "feature-gates": _feature_gates(spec.kubernetes),
    }


def _addressing(place: Place) -> Flags:
    """Return who gives nodes their pods' subnets: with a bridge we do, else this does."""
    network = place.spec.network
    if network.cni is Cni.BRIDGE:
        return {"allocate-node-cidrs": "false"}
    return {
        "allocate-node-cidrs": "true",
        "cluster-cidr": str(network.pods),
        "node-cidr-mask-size": str(network.pods_per_node_prefix),
        "service-cluster-ip-range": str(network.services),
    }


def _signing(place: Place) -> Flags:
    """Return how kubelets' certificates are signed; not here if the authority's key is not."""
    if not place.kept(KeptName.KUBERNETES_KEY):
        return {}
    hours = place.spec.pki.certificate_lifetime // timedelta(hours=1)
    return {
        "cluster-signing-cert-file": KeptName.KUBERNETES_CERTIFICATE.value,
        "cluster-signing-key-file": KeptName.KUBERNETES_KEY.value,
        "cluster-signing-duration": f"{max(hours, 1)}h",
    }


def _feature_gates(version: str) -> str:
    """Return the gates: kubelets' serving certificates (CIS 1.3.6), and the lease given back.

    A planned stop hands over at once where the version can (KEP-5366, alpha since 1.36).
    """
    gates = ["RotateKubeletServerCertificate=true"]
    if tuple(int(part) for part in version.split(".")[:2]) >= (1, 36):
        gates.append("ControllerManagerReleaseLeaderElectionLockOnExit=true")
    return ",".join(gates)
