"""A plan performed by a real `sh` over a real connection, on machines with files of their own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.errors import BackstayError, InterruptedRunError, StepFailedError, UnreachableError
from backstay.fleet.events import Event, StageDone, StepDone
from backstay.fleet.gates import Waiting
from backstay.fleet.keyring import Keyring
from backstay.fleet.observe import observe
from backstay.fleet.perform import Performer
from backstay.fleet.ssh import connect
from backstay.fleet.store import Store
from backstay.fleet.world import World
from backstay.pki.kept import KeptName
from backstay.pki.trust import Trust
from backstay.planning.observation import HostSeen
from backstay.planning.plan import ActOnUnits, Change, Converge, Plan, Stage
from backstay.resources.content import Artefact, Kept, Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.resource import Diff, Resource, Unknown
from backstay.resources.service import Service, Tier
from backstay.secret import Secret
from fakes.sshd import Sshd, serve

KEY = Secret(b"-----BEGIN canary-----\n\0\xff\n")
KEPT = Kept(KeptName.SERVICE_ACCOUNT_KEY, sha256(KEY.reveal()).hexdigest())
PROGRAM = b"\x7fELF" + bytes(range(256)) * 4000
BLOB = Artefact("program", sha256(PROGRAM).hexdigest())


@dataclass
class Machines:
    """Machines by name, each with an /etc and a /var/lib of its own."""

    servers: dict[str, Sshd]
    world: World
    folder: Path
    told: list[Event] = field(default_factory=list)

    def path(self, host: str, place: str) -> Path:
        """Return where a machine's file is on this computer."""
        for below, path in self.servers[host].private.items():
            if place.startswith(f"{below}/"):
                return path / place.removeprefix(f"{below}/")
        raise AssertionError(place)

    def performer(self) -> Performer:
        """Return what performs, with a key that was just made and one binary."""
        spec = self.servers["a"].spec("a")
        keyring = Keyring(self.world, Trust(), {KeptName.SERVICE_ACCOUNT_KEY: KEY}, {})
        store = Store(self.folder / "blobs")
        return Performer(self.world, keyring, store, Waiting(self.world, spec, ""), "mark")

    async def perform(self, *stages: Stage) -> None:
        """Perform these stages."""
        await self.performer().perform(Plan("", "", stages))


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    """Connect to machines `a` and `b`."""
    blob = tmp_path / "blobs" / BLOB.digest / BLOB.name
    blob.parent.mkdir(parents=True)
    blob.write_bytes(PROGRAM)
    async with AsyncExitStack() as stack:
        servers, connected = {}, {}
        for name in ("a", "b"):
            folder = tmp_path / name
            folder.mkdir()
            server = servers[name] = await stack.enter_async_context(serve(folder))
            server.own_files(folder)
            spec = server.spec(name)
            connected[name] = await connect(spec, spec.host(name))
            stack.callback(connected[name].connection.close)
        found = Machines(servers, World(connected), tmp_path)
        found.world = replace(found.world, tell=found.told.append)
        yield found


def converge(host: str, *resources: Resource) -> Converge:
    return Converge(host, tuple(Change(one, one.diff(None)) for one in resources))


def text(place: str, said: str = "new\n", *check: str) -> File:
    return File(place, Text(said), check=check)


async def test_what_was_performed_is_what_is_seen(machines: Machines) -> None:
    """Directory, text, secret and a binary that had to be sent: looking again finds no difference.

    So a second run has nothing to do, and every byte is as it was meant.
    """
    wished: tuple[Resource, ...] = (
        Directory("/etc/made", "750"),
        File("/etc/made/text", Text('a\t"b"\\n$c `id`\n\n'), "644"),
        File("/etc/made/key", KEPT, "600"),
        Binary("/etc/made/program", BLOB),
    )
    await machines.perform(Stage("files", (converge("a", *wished), converge("b", *wished))))
    seen = await observe(
        machines.world,
        {host: {one.key: one for one in wished} for host in ("a", "b")},
        mark="mark",
    )
    for host in ("a", "b"):
        found = seen.hosts[host]
        assert isinstance(found, HostSeen)
        for one in wished:
            record = found.record(one.key)
            assert not isinstance(record, Unknown)
            assert one.diff(record) == ()
        sent = machines.path(host, f"/var/lib/backstay/artefacts/{BLOB.digest}/program")
        assert sent.read_bytes() == PROGRAM
        assert machines.path(host, "/etc/made/key").read_bytes() == KEY.reveal()
    assert [type(event) for event in machines.told[-3:]] == [StepDone, StepDone, StageDone]


async def test_a_binary_that_is_there_is_not_sent_again(machines: Machines) -> None:
    """At most once per machine: the second file with it needs one round trip."""
    await machines.perform(Stage("files", (converge("a", Binary("/etc/one", BLOB)),)))
    before = len(machines.servers["a"].commands)
    await machines.perform(Stage("files", (converge("a", Binary("/etc/two", BLOB)),)))
    assert len(machines.servers["a"].commands) == before + 1


async def test_one_machine_fails_and_the_others_are_whole(machines: Machines) -> None:
    """The error names machine, thing and reason; the failing machine keeps all its old files."""
    machines.path("a", "/etc/first").write_text("old")
    bad = converge("a", text("/etc/first"), text("/etc/x", "x", "sh", "-c", "echo no >&2; false"))
    with pytest.raises(StepFailedError, match="file /etc/x could not be changed") as caught:
        await machines.perform(Stage("files", (bad, converge("b", text("/etc/x")))), _late("b"))
    assert (caught.value.where, caught.value.why) == ("a", "no")
    assert machines.path("a", "/etc/first").read_text() == "old"
    assert machines.path("b", "/etc/x").read_text() == "new\n"
    assert not machines.path("b", "/etc/late").exists()
    assert not list((machines.folder / "a/etc").glob("*.backstay-new"))


def _late(host: str) -> Stage:
    return Stage("late", (converge(host, text("/etc/late")),))


async def test_a_run_stops_between_stages_when_it_is_asked_to(machines: Machines) -> None:
    """I11: the stage is finished, the next one is not begun (exit 130)."""
    asked: list[bool] = []
    machines.world = replace(
        machines.world, tell=lambda _: asked.append(True), should_stop=lambda: bool(asked)
    )
    with pytest.raises(InterruptedRunError, match="before stage 'late'") as caught:
        await machines.perform(Stage("files", (converge("a", text("/etc/x")),)), _late("a"))
    assert (caught.value.exit_code, caught.value.next_move) == (130, "backstay apply")
    assert machines.path("a", "/etc/x").exists()
    assert not machines.path("a", "/etc/late").exists()


async def test_a_lost_worker_does_not_hide_what_failed_elsewhere(machines: Machines) -> None:
    """Of several errors the one that is not just silence is told."""
    hang = text("/etc/x", "x", "sh", "-c", "touch /etc/began; exec sleep 20")
    later = text("/etc/x", "x", "sh", "-c", "sleep 0.5; echo no >&2; false")

    async def lose() -> None:
        while not machines.path("a", "/etc/began").exists():
            await asyncio.sleep(0.01)
        machines.servers["a"].cut()

    losing = asyncio.create_task(lose())
    with pytest.raises(StepFailedError) as caught:
        await machines.perform(Stage("files", (converge("a", hang), converge("b", later))))
    assert caught.value.where == "b"
    await losing


@pytest.fixture
def small(machines: Machines) -> Iterator[Path]:
    """Give machine `a` a /var/lib that is nearly full."""
    path = machines.servers["a"].private["/var/lib"]
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path), check=True)
    yield path
    subprocess.run(("umount", path), check=True)


async def test_a_full_disk_while_a_binary_is_sent(machines: Machines, small: Path) -> None:
    """T5: told with machine and reason; what is there under its name is whole or not there."""
    with pytest.raises(BackstayError, match="program did not arrive whole") as caught:
        await machines.perform(Stage("files", (converge("a", Binary("/etc/program", BLOB)),)))
    assert caught.value.where == "a"
    assert "No space left" in caught.value.why
    assert [path for path in small.rglob("*") if path.is_file()] == []
    assert not machines.path("a", "/etc/program").exists()


async def test_a_connection_lost_while_a_binary_is_sent(machines: Machines) -> None:
    """T2: nothing half is ever used, and the next run finishes it."""
    machines.servers["a"].environment["PATH"] = f"{machines.folder}/bin:/usr/bin:/bin"
    stop = machines.folder / "bin" / "sha256sum"
    stop.parent.mkdir()
    began = machines.folder / "began"
    stop.write_text(f"#!/bin/sh\ntouch {began}; exec sleep 20\n")
    stop.chmod(0o755)
    step = Stage("files", (converge("a", Binary("/etc/program", BLOB)),))
    performing = asyncio.create_task(machines.perform(step))
    while not began.exists():
        await asyncio.sleep(0.01)
    machines.servers["a"].cut()
    with pytest.raises(UnreachableError):
        await performing
    stop.unlink()
    sent = machines.path("a", f"/var/lib/backstay/artefacts/{BLOB.digest}/program")
    assert not sent.exists()
    spec = machines.servers["a"].spec("a")
    again = await connect(spec, spec.host("a"))
    machines.world = replace(machines.world, machines={"a": again})
    await machines.perform(step)
    assert machines.path("a", "/etc/program").is_symlink()
    assert sent.read_bytes() == PROGRAM
    again.connection.close()


def _unit(name: str, *fields: str) -> Change:
    diffs = tuple(Diff(one, "yes", "no") for one in fields)
    return Change(Service(f"{name}.service", "0", Tier.NODE), diffs)


async def test_units_are_enabled_and_started_with_few_calls(machines: Machines) -> None:
    """Whatever the number of units: one call a verb, and none waits for its unit."""
    folder = machines.folder / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{folder}/calls\n')
    (folder / "systemctl").chmod(0o755)
    machines.servers["a"].environment["PATH"] = f"{folder}:/usr/bin:/bin"
    changes = (
        _unit("x", "enabled", "active"),
        _unit("y", "enabled", "active"),
        _unit("z", "digest"),
    )
    await machines.perform(Stage("start", (ActOnUnits("a", changes),)))
    calls = (folder / "calls").read_text().splitlines()
    assert len([call for call in calls if call.startswith("enable")]) == 1
    started = [call for call in calls if call.split()[0] in {"start", "restart"}]
    assert [call.split()[-1] for call in started] == ["y.service", "z.service"]
    assert all("--no-block" in call for call in started)


async def test_a_unit_that_systemd_refuses_is_told(machines: Machines) -> None:
    """The verb, the unit, and systemd's own words."""
    folder = machines.folder / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text("#!/bin/sh\necho 'Unit x.service is masked.' >&2; exit 1\n")
    (folder / "systemctl").chmod(0o755)
    machines.servers["a"].environment["PATH"] = f"{folder}:/usr/bin:/bin"
    with pytest.raises(StepFailedError) as caught:
        await machines.perform(Stage("start", (ActOnUnits("a", (_unit("x", "active"),)),)))
    assert "Unit x.service is masked." in caught.value.why
    assert caught.value.where == "a"
