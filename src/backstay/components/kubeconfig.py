"""kubeconfig files of components: they name the files of a key pair, and hold no secret."""

from __future__ import annotations

from backstay.components.yaml_text import yaml_text
from backstay.pki.certificate import Certificate
from backstay.pki.kept import KeptName
from backstay.resources.content import Text
from backstay.resources.files import File

DIRECTORY = "/etc/kubernetes"


def kubeconfig(name: str, *, server: str, pair: Certificate) -> File:
    """Return /etc/kubernetes/NAME.conf, which reaches `server` with the key pair."""
    certificate, key = pair.paths
    user = pair.request.common_name
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "cluster",
                "cluster": {
                    "certificate-authority": KeptName.KUBERNETES_CERTIFICATE.value,
                    "server": server,
                },
            }
        ],
        "users": [
            {"name": user, "user": {"client-certificate": certificate, "client-key": key}},
        ],
        "contexts": [{"name": name, "context": {"cluster": "cluster", "user": user}}],
        "current-context": name,
    }
    return File(f"{DIRECTORY}/{name}.conf", Text(yaml_text(document)), mode="600")
