"""Who may do what, beyond what every cluster is born with; and the labels of control planes."""

from __future__ import annotations

from backstay.components.kubelet import CONTROL_PLANE_TAINT
from backstay.components.wish import Manifest
from backstay.pki.request import ADMINISTRATORS
from backstay.spec.model import ClusterSpec

RBAC = "rbac.authorization.k8s.io"


def access() -> tuple[Manifest, ...]:
    """Return the bindings of administrators, of apiservers to kubelets, and of kubelets' renewal.

    Administrators have a bound group rather than system:masters, so that it can be taken back.
    """
    return (
        _binding("backstay:cluster-admins", "cluster-admin", "Group", ADMINISTRATORS),
        _binding(
            "backstay:apiserver-to-kubelet",
            "system:kubelet-api-admin",
            "User",
            "kube-apiserver-kubelet-client",
        ),
        _binding(
            "backstay:node-certificate-renewal",
            "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
            "Group",
            "system:nodes",
        ),
    )


def node_labels(spec: ClusterSpec) -> tuple[Manifest, ...]:
    """Return the label by which people and pods know control planes; kubelets may not set it."""
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": host.name, "labels": {CONTROL_PLANE_TAINT: ""}},
        }
        for host in spec.control_planes
    )


def _binding(name: str, role: str, kind: str, subject: str) -> Manifest:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject}],
    }
