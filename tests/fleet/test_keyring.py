"""Secrets are fetched once, travel on standard input, and are seen nowhere else."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from backstay.errors import BackstayError, RefusedError, StepFailedError, UnreachableError
from backstay.fleet.events import Event
from backstay.fleet.gates import Waiting
from backstay.fleet.journal import Journal
from backstay.fleet.keyring import Keyring, generate_key, make_missing
from backstay.fleet.perform import Performer
from backstay.fleet.ssh import connect
from backstay.fleet.store import Store
from backstay.fleet.world import World, utc_now
from backstay.pki.kept import KeptName
from backstay.pki.keys import kind_of, serialize_key
from backstay.pki.request import AuthorityName
from backstay.pki.trust import Trust, complete
from backstay.planning.plan import Change, Converge, Plan, Stage
from backstay.resources.content import Kept
from backstay.resources.files import File
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec, KeyKind
from fakes.sshd import Sshd, serve

CANARY = b"canary-5f0e7a-" * 4
NAME = KeptName.SERVICE_ACCOUNT_KEY
DIGEST = sha256(CANARY).hexdigest()
FORMS = (CANARY.decode(), base64.b64encode(CANARY).decode()[:60], CANARY.hex())


def shown(text: str) -> list[str]:
    """Return in which forms the canary is in the text."""
    return [form for form in FORMS if form in text]


@dataclass
class Two:
    """Two machines; the first one has the canary, each has an /etc of its own."""

    servers: dict[str, Sshd]
    world: World
    keyring: Keyring
    told: list[Event]

    def path(self, host: str, place: str = NAME.value) -> Path:
        """Return where a file of a machine's /etc is on this computer."""
        return self.servers[host].private["/etc"] / place.removeprefix("/etc/")


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    """Connect to two machines, each behind a server of its own."""
    told: list[Event] = []
    async with AsyncExitStack() as stack:
        servers, machines = {}, {}
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            servers[name] = await stack.enter_async_context(serve(folder))
            servers[name].own_files(folder)
            (folder / "etc/kubernetes/pki").mkdir(parents=True)
            spec = servers[name].spec(name)
            machines[name] = await connect(spec, spec.host(name))
            stack.callback(machines[name].connection.close)
        world = World(machines, tell=told.append)
        trust = Trust(digests={NAME: DIGEST}, found_on={NAME: ("a", "b")})
        two = Two(servers, world, Keyring(world, trust, {}, {}), told)
        two.path("a").write_bytes(CANARY)
        yield two


async def test_a_kept_secret_is_read_once(two: Two) -> None:
    """However many hosts want it, and at the same time, one machine is asked once."""
    content = Kept(NAME, DIGEST)
    found = await asyncio.gather(*(two.keyring.bytes_of(content, host="b") for _ in range(9)))
    assert set(found) == {CANARY}
    assert [len(server.commands) for server in two.servers.values()] == [1, 0]


async def test_a_login_shell_does_not_spoil_a_secret(two: Two) -> None:
    """I7: the bytes are the file's, not the banner's."""
    two.servers["a"].noise = "Welcome\nto host a"
    assert (await two.keyring.secret(NAME)).reveal() == CANARY


@pytest.mark.parametrize("harm", ["changed", "gone", "silent"])
async def test_the_next_machine_is_asked_when_one_has_not_what_was_seen(
    two: Two, harm: str
) -> None:
    """Bytes other than those that the plan was made from are never spread."""
    two.path("b").write_bytes(CANARY)
    match harm:
        case "changed":
            two.path("a").write_bytes(b"another key")
        case "gone":
            two.path("a").unlink()
        case "silent":
            two.servers["a"].cut()
    assert (await two.keyring.secret(NAME)).reveal() == CANARY


async def test_a_secret_that_nobody_has_is_told_with_every_reason(two: Two) -> None:
    """Which machine, and why not; never what it had instead."""
    two.path("a").write_bytes(b"another key")
    with pytest.raises(StepFailedError) as caught:
        await two.keyring.secret(NAME)
    assert caught.value.why == "a: it is not what it was when we looked; b: status 1"
    assert "another key" not in str(caught.value)


def _plan(path: str, *, check: tuple[str, ...] = ()) -> Plan:
    resource = File(path, Kept(NAME, DIGEST), "600", check=check)
    change = Change(resource, resource.diff(None))
    return Plan("", "", (Stage("files", (Converge("b", (change,)),)),))


def _performer(two: Two, spec: ClusterSpec) -> Performer:
    waiting = Waiting(two.world, spec, "")
    return Performer(two.world, two.keyring, Store(Path("/nowhere")), waiting, "mark")


async def test_a_secret_is_seen_nowhere_on_its_way(
    two: Two, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """P9: no process has it in argv or environment while it is written, and no text of ours."""
    caplog.set_level(logging.DEBUG)
    snapshot = tmp_path / "snapshot"
    # The check runs while the secret is staged: every process of the way is alive then.
    look = f"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ >{snapshot} 2>/dev/null; test -s {{}}"
    check = ("sh", "-c", look.replace("{}", '"$1"'), "sh", "{}")
    plan = _plan("/etc/new", check=check)
    spec = two.servers["b"].spec("b")
    await _performer(two, spec).perform(plan)
    assert two.path("b", "/etc/new").read_bytes() == CANARY
    assert two.path("b", "/etc/new").stat().st_mode & 0o777 == 0o600
    journal = Journal.open(tmp_path / "journal", now=utc_now())
    for event in two.told:
        journal.write(event, now=utc_now())
    texts = {
        "argv and environment": snapshot.read_text(errors="replace"),
        "commands": json.dumps([server.commands for server in two.servers.values()]),
        "journal": next((tmp_path / "journal").iterdir()).read_text(),
        "log": caplog.text,
        "plan": repr(plan),
        "keyring": repr(two.keyring),
        "secret": f"{await two.keyring.secret(NAME)!r} {await two.keyring.secret(NAME)}",
    }
    assert snapshot.read_text(errors="replace").count("/bin/sh") >= 1
    assert caplog.text
    assert [name for name, text in texts.items() if shown(text)] == []


async def test_a_failure_does_not_tell_the_secret(two: Two) -> None:
    """P9: not even when the very file that holds it could not be written."""
    check = ("sh", "-c", "echo no; cat /nowhere", "sh", "{}")
    with pytest.raises(StepFailedError, match="/etc/new could not be changed") as caught:
        await _performer(two, two.servers["b"].spec("b")).perform(_plan("/etc/new", check=check))
    told = "".join(traceback.format_exception(caught.value))
    assert "/nowhere" in told
    assert shown(told + repr(caught.value) + repr(two.told)) == []
    assert not two.path("b", "/etc/new").exists()


# Making, and signing


def _spec(sshd: Sshd) -> ClusterSpec:
    return sshd.spec("a")


@pytest.mark.parametrize("kind", [one for one in KeyKind if one is not KeyKind.RSA_4096])
def test_keys_are_of_the_kind_that_is_asked_for(kind: KeyKind) -> None:
    """All but the largest, whose primes take a second to find."""
    assert kind_of(generate_key(kind)) is kind


async def test_what_is_missing_is_made_and_nothing_else(sshd: Sshd) -> None:
    """A cluster that has all but its encryption key gets that one."""
    spec = _spec(sshd)
    made = make_missing(spec, Trust(missing=frozenset({KeptName.ENCRYPTION})), now=utc_now())
    assert set(made) == {KeptName.ENCRYPTION}
    assert isinstance(made[KeptName.ENCRYPTION], Secret)
    everything = Trust(missing=frozenset(KeptName))
    made = make_missing(spec, everything, now=utc_now())
    assert set(made) == set(KeptName)
    assert not [name for name in KeptName if name.public is isinstance(made[name], Secret)]
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("harm", ["encrypted", "another's", "no key"])
async def test_a_key_that_cannot_sign_is_refused(sshd: Sshd, harm: str) -> None:
    """P4: an authority's key that is encrypted or another's signs nothing (exit 5)."""
    spec = _spec(sshd)
    trust = Trust(missing=frozenset(KeptName))
    made = dict(make_missing(spec, trust, now=utc_now()))
    match harm:
        case "encrypted":
            made[KeptName.ETCD_KEY] = Secret(_encrypted())
        case "another's":
            made[KeptName.ETCD_KEY] = serialize_key(generate_key(KeyKind.ECDSA_P256))
        case "no key":
            made[KeptName.ETCD_KEY] = Secret(b"-----BEGIN something else-----\n")
    world = World({"a": UnreachableError("away")})
    keyring = Keyring(world, complete(trust, made), made, {})
    authority = await keyring.authority(AuthorityName.ETCD)
    with pytest.raises(RefusedError) as caught:
        authority.signer()
    assert caught.value.exit_code == 5
    assert isinstance(caught.value, BackstayError)
    assert "etcd" in caught.value.where
    assert caught.value.next_move


def _encrypted() -> bytes:
    key = generate_key(KeyKind.ECDSA_P256)
    form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    return key.private_bytes(*form)
