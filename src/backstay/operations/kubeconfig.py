"""`backstay kubeconfig`: a short-lived client certificate, issued in memory."""

from __future__ import annotations

from datetime import timedelta

from backstay.components.addresses import endpoint_url
from backstay.fleet.authorities import fetch_authority, signed
from backstay.fleet.kubeconfigs import Access
from backstay.fleet.world import World
from backstay.pki.request import AuthorityName, admin_request
from backstay.spec.model import ClusterSpec


def control_planes_only(spec: ClusterSpec) -> ClusterSpec:
    """Return the specification with only the hosts that can sign."""
    return spec.model_copy(update={"hosts": spec.control_planes})


async def make_access(
    spec: ClusterSpec, *, world: World, user: str, lifetime: timedelta | None = None
) -> Access:
    """Issue a certificate for the user, `pki.adminLifetime` long unless said otherwise.

    The authority's key is read from one control plane and stays in memory. Raises UnreachableError
    when no control plane answers, StepFailedError when none has the key.
    """
    request = admin_request(spec, user, lifetime or spec.pki.admin_lifetime)
    planes = (host.name for host in spec.control_planes)
    authority = await fetch_authority(world, planes, AuthorityName.KUBERNETES)
    pair = signed(world, request, authority)
    return Access(spec.name, endpoint_url(spec), authority.certificate, user, pair)
