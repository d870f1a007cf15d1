"""As whom the programs of our images run."""

from __future__ import annotations

from backstay.components.dns import dns
from backstay.fleet.artefacts.modules import NOBODY, module_sets
from backstay.fleet.artefacts.table import release_of
from backstay.spec.model import ClusterSpec

SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [{"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]}],
    }
)


def test_an_image_without_a_user_is_run_as_one_without_rights() -> None:
    """Pause says so itself; for coredns the Deployment does, and the kubelet refuses root."""
    images = {one.name: one.image for one in module_sets(release_of("1.37.2")) if one.image}
    assert {name: image.user for name, image in images.items()} == {"pause": NOBODY, "coredns": ""}
    (deployment,) = [one for one in dns(SPEC) if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]  # type: ignore[index]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
