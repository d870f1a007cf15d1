"""A client certificate is issued in memory, with a key that no error shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from backstay.errors import StepFailedError, UnreachableError
from backstay.fleet.keyring import generate_key
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.operations.kubeconfig import control_planes_only, make_access
from backstay.pki.authority import create
from backstay.pki.request import AuthorityName
from backstay.spec.model import ClusterSpec, KeyKind
from fakes.machines import FakeMachine

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
AUTHORITY = create(
    AuthorityName.KUBERNETES,
    key=generate_key(KeyKind.ECDSA_P256),
    serial=1,
    now=NOW,
    lifetime=timedelta(days=10),
)
SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [
            {"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]},
            {"name": "cp-2", "address": "10.0.0.12", "roles": ["control-plane"]},
            {"name": "w-1", "address": "10.0.0.21", "roles": ["worker"]},
        ],
    }
)


def with_key(script: str) -> Completed:
    """Answer as a control plane that has the authority's pair."""
    del script
    assert AUTHORITY.key is not None
    both = f"{AUTHORITY.certificate.decode()}=\n{AUTHORITY.key.reveal().decode()}"
    return Completed(0, both, "")


def without_key(script: str) -> Completed:
    """Answer as a machine where the key is not."""
    del script
    return Completed(1, "", "cat: /etc/kubernetes/pki/ca.key: No such file or directory")


SILENT = UnreachableError("no answer on SSH", where="cp-1", why="no route to host")


def world(first: FakeMachine | UnreachableError, second: FakeMachine | UnreachableError) -> World:
    """Return a world of two control planes."""
    return World({"cp-1": first, "cp-2": second}, now=lambda: NOW)


async def test_the_certificate_is_short_lived_and_names_the_user() -> None:
    """18 hours by default, signed by the cluster's authority, for the endpoint."""
    access = await make_access(
        SPEC, world=world(FakeMachine("cp-1", with_key), SILENT), user="alice"
    )
    certificate = x509.load_pem_x509_certificate(access.pair.certificate)
    assert certificate.subject.rfc4514_string() == "CN=alice,O=backstay:cluster-admins"
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=18)
    assert access.server == "https://10.0.0.10:8443"
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate))


async def test_the_lifetime_may_be_said() -> None:
    """--ttl is what the certificate gets."""
    access = await make_access(
        SPEC,
        world=world(FakeMachine("cp-1", with_key), SILENT),
        user="alice",
        lifetime=timedelta(hours=1),
    )
    certificate = x509.load_pem_x509_certificate(access.pair.certificate)
    assert certificate.not_valid_after_utc == NOW + timedelta(hours=1)


@pytest.mark.parametrize("first", [SILENT, FakeMachine("cp-1", without_key)])
async def test_any_control_plane_will_do(first: FakeMachine | UnreachableError) -> None:
    """One that is down or lacks the key is passed over."""
    access = await make_access(
        SPEC, world=world(first, FakeMachine("cp-2", with_key)), user="alice"
    )
    assert access.cluster == "prod"


async def test_when_no_control_plane_has_the_key_the_reason_is_told_for_each() -> None:
    """An authority that is kept elsewhere signs there."""
    machines = FakeMachine("cp-1", without_key), FakeMachine("cp-2", without_key)
    with pytest.raises(StepFailedError) as raised:
        await make_access(SPEC, world=world(*machines), user="alice")
    assert raised.value.where == "cp-1, cp-2"
    assert raised.value.why.count("No such file") == 2


async def test_when_nobody_answers_it_is_unreachable() -> None:
    """Exit code 4, as for every verb."""
    with pytest.raises(UnreachableError) as raised:
        await make_access(SPEC, world=world(SILENT, SILENT), user="alice")
    assert raised.value.exit_code == 4


async def test_the_key_is_asked_for_on_standard_input_and_never_shown() -> None:
    """Neither the script nor any text of the result holds key bytes."""
    machine = FakeMachine("cp-1", with_key)
    access = await make_access(SPEC, world=world(machine, SILENT), user="alice")
    assert "PRIVATE KEY" not in "".join(machine.scripts)
    assert access.pair.key.reveal().decode() not in repr(access)


def test_only_control_planes_are_asked() -> None:
    """A worker that is down delays nobody."""
    assert [host.name for host in control_planes_only(SPEC).hosts] == ["cp-1", "cp-2"]
