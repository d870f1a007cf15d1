"""Fetch a certificate authority from whichever control plane answers, and sign in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography import x509

from backstay.errors import StepFailedError, UnreachableError
from backstay.fleet.keyring import FETCH_SECONDS, generate_key
from backstay.fleet.transport import Machine
from backstay.fleet.world import World
from backstay.pki.authority import Authority
from backstay.pki.issue import Pair, issue
from backstay.pki.kept import PAIR_OF
from backstay.pki.request import AuthorityName, CertificateRequest
from backstay.secret import Secret


async def fetch_authority(world: World, planes: Iterable[str], name: AuthorityName) -> Authority:
    """Read an authority, key and all, from one control plane; the key stays in memory.

    Raises UnreachableError when no control plane answers, StepFailedError when none has the key.
    """
    reasons: dict[str, str] = {}
    for host in planes:
        machine = world.machines[host]
        if isinstance(machine, UnreachableError):
            reasons[host] = machine.why or machine.what
        elif (found := await _read(machine, name, reasons)) is not None:
            return found
    raise _failure(world, reasons)


def signed(world: World, request: CertificateRequest, authority: Authority) -> Pair:
    """Issue a certificate for a new key, now."""
    return issue(
        request,
        authority,
        key=generate_key(request.key),
        serial=x509.random_serial_number(),
        now=world.now(),
    )


async def _read(machine: Machine, name: AuthorityName, reasons: dict[str, str]) -> Authority | None:
    """Read certificate and key in one round trip; on failure say why in `reasons`."""
    pair = PAIR_OF[name]
    script = f"cat {pair.public.value} && echo = && cat {pair.key.value}\n"
    try:
        done = await machine.run(script, deadline=FETCH_SECONDS)
    except UnreachableError as error:
        reasons[machine.name] = error.why or error.what
        return None
    certificate, _, key = done.stdout.partition("\n=\n")
    if done.status != 0 or not key:
        reasons[machine.name] = done.stderr.strip() or "the authority's key is not there"
        return None
    return Authority(name, certificate.encode(), Secret(key.encode()))


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
