"""`backstay kubeconfig`: a short-lived client certificate, issued in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from cryptography import x509

from backstay.components.addresses import endpoint_url
from backstay.errors import StepFailedError, UnreachableError
from backstay.fleet.keyring import FETCH_SECONDS, generate_key
from backstay.fleet.kubeconfigs import Access
from backstay.fleet.transport import Machine
from backstay.fleet.world import World
from backstay.pki.authority import Authority
from backstay.pki.issue import issue
from backstay.pki.kept import PAIR_OF
from backstay.pki.request import AuthorityName, admin_request
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec

_PAIR = PAIR_OF[AuthorityName.KUBERNETES]


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
    authority = await _authority(spec, world)
    pair = issue(
        request,
        authority,
        key=generate_key(request.key),
        serial=x509.random_serial_number(),
        now=world.now(),
    )
    return Access(spec.name, endpoint_url(spec), authority.certificate, user, pair)


async def _authority(spec: ClusterSpec, world: World) -> Authority:
    reasons: dict[str, str] = {}
    for host in spec.control_planes:
        machine = world.machines[host.name]
        if isinstance(machine, UnreachableError):
            reasons[host.name] = machine.why or machine.what
        elif (found := await _read(machine, reasons)) is not None:
            return found
    raise _failure(world, reasons)


async def _read(machine: Machine, reasons: dict[str, str]) -> Authority | None:
    """Read certificate and key in one round trip; on failure say why in `reasons`."""
    script = f"cat {_PAIR.public.value} && echo = && cat {_PAIR.key.value}\n"
    try:
        done = await machine.run(script, deadline=FETCH_SECONDS)
    except UnreachableError as error:
        reasons[machine.name] = error.why or error.what
        return None
    certificate, _, key = done.stdout.partition("\n=\n")
    if done.status != 0 or not key:
        reasons[machine.name] = done.stderr.strip() or "the authority's key is not there"
        return None
    return Authority(AuthorityName.KUBERNETES, certificate.encode(), Secret(key.encode()))


def _failure(world: World, reasons: Mapping[str, str]) -> StepFailedError | UnreachableError:
    why = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
    where = ", ".join(reasons)
    if not world.reached:
        first = next(one for one in world.machines.values() if isinstance(one, UnreachableError))
        return type(first)(first.what, where=where, why=why, next_move=first.next_move)
    return StepFailedError(
        "no control plane has the authority's key",
        where=where,
        why=why,
        next_move="with an authority of your own, issue the certificate there; "
        "otherwise: backstay plan",
    )
