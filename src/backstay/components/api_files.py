"""What an apiserver reads beside its flags: who may ask, what is logged, what pods may be.

The files are the same on all control planes.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.components.yaml_text import yaml_text
from backstay.resources.content import Text
from backstay.resources.files import File

DIRECTORY = "/etc/kubernetes/apiserver"
HEALTH = ("/livez", "/readyz", "/healthz")

Rule = Mapping[str, object]


def authentication() -> File:
    """Return who needs no credentials: whoever asks for health, which balancers do."""
    conditions = [{"path": path} for path in HEALTH]
    return _file(
        "authentication.yaml",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "anonymous": {"enabled": True, "conditions": conditions},
        },
    )


def admission() -> File:
    """Return the standard for pods where a namespace has chosen none.

    Baseline is enforced, since a namespace that needs more can say so in a label, and one that
    forgot is safe; what would fail the restricted standard goes to the audit log.
    """
    security = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": {
            "enforce": "baseline",
            "enforce-version": "latest",
            "audit": "restricted",
            "audit-version": "latest",
            "warn": "baseline",
            "warn-version": "latest",
        },
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": ["kube-system"]},
    }
    return _file(
        "admission.yaml",
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [{"name": "PodSecurity", "configuration": security}],
        },
    )


def audit_policy() -> File:
    """Return what is written down (CIS 3.2.2): the first rule that fits decides."""
    return _file(
        "audit-policy.yaml",
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [*_careful_rules(), *_silent_rules(), {"level": "Metadata"}],
        },
    )


def _careful_rules() -> tuple[Rule, ...]:
    """Return the rules for secrets, of which no content may be logged, and for ways into pods."""
    return (
        {
            "level": "Metadata",
            "resources": [
                {"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
                {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
            ],
        },
        {
            "level": "Metadata",
            "resources": [
                {
                    "group": "",
                    "resources": [
                        *("pods/exec", "pods/attach", "pods/portforward"),
                        *("pods/proxy", "services/proxy", "nodes/proxy"),
                    ],
                }
            ],
        },
        {
            "level": "Request",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            "resources": [
                {"group": "", "resources": ["pods"]},
                {"group": "apps", "resources": ["deployments"]},
            ],
        },
    )


def _silent_rules() -> tuple[Rule, ...]:
    """Return what says nothing about anyone: health, leases, events, and components reading."""
    return (
        {"level": "None", "nonResourceURLs": [*(f"{path}*" for path in HEALTH), "/version"]},
        {
            "level": "None",
            "resources": [
                {"group": "coordination.k8s.io", "resources": ["leases"]},
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
            ],
        },
        {
            "level": "None",
            "users": [
                *("system:apiserver", "system:kube-controller-manager"),
                *("system:kube-scheduler", "system:kube-proxy"),
            ],
            "verbs": ["get", "list", "watch"],
        },
        {
            "level": "None",
            "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
            "verbs": ["get", "list", "watch"],
        },
    )


def _file(name: str, document: Mapping[str, object]) -> File:
    return File(f"{DIRECTORY}/{name}", Text(yaml_text(document)), mode="600")
