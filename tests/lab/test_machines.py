"""Real machines: made, used, broken, mended and removed without a trace."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay import lab
from backstay.errors import PreflightError, StepFailedError
from backstay.lab import teardown
from backstay.lab.cuts import cuts
from backstay.lab.hierarchies import read_hierarchies
from backstay.lab.names import PROCESSORS
from backstay.lab.places import blob_directory
from backstay.lab.process import remembered
from backstay.lab.waiting import banner_missing, wait_for

pytestmark = pytest.mark.lab

NAME = f"bst-{os.getpid()}"
OTHER = f"{NAME}-b"
HIERARCHIES = "findmnt --raw --noheadings --output TARGET --types cgroup,cgroup2"
WISH = lab.LabWish(name=NAME, control_planes=2, workers=1)


def wait(doing: Coroutine[Any, Any, Any]) -> Any:
    """Run something asynchronous to its end."""
    return asyncio.run(doing)


def on(machine: str, command: str, *, name: str = NAME) -> str:
    """Run a command on a machine by ssh and return what it printed."""
    argv = lab.ssh_argv(name, machine, (command,))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def reaches(source: str, address: object, *, name: str = NAME) -> bool:
    """Tell whether a machine's ping is answered."""
    return "1 received" in on(source, f"ping -c 1 -W 1 {address}", name=name)


def address_of(machine: str, *, name: str = NAME) -> str:
    """Return the address of a machine."""
    return str(lab.read(name).machine(machine).address)


def state_of(machine: str) -> lab.State:
    """Return what a machine does."""
    return next(one.state for one in lab.status(NAME).machines if one.machine.name == machine)


def process_of(machine: str) -> int:
    """Return the process that runs a machine."""
    running = remembered(lab.places_of(NAME).machine(machine))
    assert running is not None
    return running.pid


def traces(name: str) -> str:
    """Look for a lab with the tools of the trade rather than our own."""
    commands = (
        "ip netns list",
        "cat /proc/self/mountinfo",
        "ps -eo args",
        "find /sys/fs/cgroup -type d -name 'backstay.*'",
        "find /run/systemd/nspawn /run/netns",
    )
    text = subprocess.check_output(("sh", "-c", "; ".join(commands)), text=True)
    words = (f"backstay.{name}", f"labs/{name}")
    return "\n".join(line for line in text.splitlines() if any(word in line for word in words))


def python_up(name: str) -> subprocess.Popen[bytes]:
    """Start to make a lab in a process that can be killed."""
    program = (
        "import asyncio; from backstay import lab; "
        f"asyncio.run(lab.up(lab.LabWish(name={name!r}, control_planes=2, workers=0)))"
    )
    return subprocess.Popen((sys.executable, "-c", program))


@pytest.fixture(scope="module", autouse=True)
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make one lab for all tests here, away from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        try:
            wait(lab.up(WISH))
            yield
        finally:
            for name in (NAME, OTHER):
                wait(lab.down(name))


def test_up_again_leaves_machines_alone() -> None:
    """No process is another one afterwards, and no file of the lab has changed."""
    places = lab.places_of(NAME)
    files = (places.memory, places.cluster, places.key, places.known_hosts)
    before = [process_of("cp-1"), *(path.read_bytes() for path in files)]
    wait(lab.up(WISH))
    assert before == [process_of("cp-1"), *(path.read_bytes() for path in files)]


def test_machines_are_whole() -> None:
    """The whole of systemd has started everything, and nothing failed."""
    for machine in ("cp-1", "cp-2", "w-1"):
        assert on(machine, "systemctl is-system-running --wait") == "running\n"
        assert on(machine, "hostname") == f"{machine}\n"


def test_machines_are_different() -> None:
    """Machine ids, boot ids and hardware addresses."""
    for question in (
        "cat /etc/machine-id",
        "cat /proc/sys/kernel/random/boot_id",
        "cat /sys/class/net/eth0/address",
    ):
        assert len({on(machine, question) for machine in ("cp-1", "cp-2", "w-1")}) == 3


def test_a_machine_is_fit_for_a_kubelet() -> None:
    """It may write what nspawn has made read-only; mounts are shared; data lies on real disks."""
    assert on("cp-1", "sysctl -w net.ipv4.ip_forward=1") == "net.ipv4.ip_forward = 1\n"
    assert on("cp-1", "findmnt -no PROPAGATION /") == "shared\n"
    assert on("cp-1", f"for one in $({HIERARCHIES}); do mkdir $one/x && rmdir $one/x; done") == ""
    assert "overlay" not in on("cp-1", "findmnt -no FSTYPE -T /var/lib/etcd")
    assert on("cp-1", "test -c /dev/kmsg && echo yes") == "yes\n"


def test_a_machine_has_control_groups_of_its_own() -> None:
    """What one machine makes is not seen by another."""
    assert on("cp-1", f"for one in $({HIERARCHIES}); do mkdir $one/mine; done") == ""
    assert "mine" in on("cp-1", f"ls $({HIERARCHIES})")
    assert "mine" not in on("cp-2", f"ls $({HIERARCHIES})")
    assert on("cp-1", f"for one in $({HIERARCHIES}); do rmdir $one/mine; done") == ""


@pytest.mark.skipif(
    not any(tree.shares_processors for tree in read_hierarchies()), reason="version 2 only"
)
def test_machines_share_processors_by_priority() -> None:
    """Programs of different units of different machines are in one group, outside of theirs."""

    def groups() -> set[str]:
        ask = "cut -d : -f 2- /proc/$(systemctl show -P MainPID ssh)/cgroup /proc/1/cgroup"
        words = f"{on('cp-1', ask)}{on('cp-2', ask)}".splitlines()
        found = (line.partition(":") for line in words)
        return {group for controllers, _, group in found if "cpu" in controllers.split(",")}

    async def all_moved() -> str | None:
        return None if groups() == {f"/../../{PROCESSORS}"} else f"in {groups()}"

    wait(wait_for("one group", all_moved, seconds=30, where="here"))


def test_the_artefact_cache_is_there_to_read_only() -> None:
    """A file put into the cache is seen at once; machines cannot change it."""
    blob = blob_directory() / f"probe-{os.getpid()}"
    blob.write_text("blob")
    try:
        assert on("w-1", f"cat /opt/backstay/mirror/{blob.name}") == "blob"
        assert "Read-only" in on("w-1", f"touch /opt/backstay/mirror/{blob.name}")
    finally:
        blob.unlink()


def test_everybody_reaches_everybody() -> None:
    """By address and by name, and this computer by its address in the lab."""
    assert reaches("cp-1", "cp-2")
    assert reaches("w-1", address_of("cp-1"))
    assert reaches("w-1", lab.read(NAME).gateway)


def test_a_virtual_address_is_reached_from_here_and_there() -> None:
    """As keepalived will move it."""
    vip = lab.read(NAME).vip
    on("cp-2", f"ip address add {vip}/32 dev eth0")
    assert reaches("cp-1", vip)
    assert wait(banner_missing(str(vip))) is None
    on("cp-2", f"ip address delete {vip}/32 dev eth0")


def test_only_the_key_of_the_lab_opens_a_machine() -> None:
    """No password is asked for; a machine with another host key is refused."""
    argv = list(lab.ssh_argv(NAME, "cp-1", ("true",)))
    without = [*argv[:3], "-o", "BatchMode=yes", *argv[7:]]
    done = subprocess.run(without, capture_output=True, text=True, check=False)
    assert "Permission denied (publickey)" in done.stderr
    argv[-2] = f"root@{address_of('cp-2')}"
    others = lab.places_of(NAME).known_hosts
    swapped = others.with_name("swapped")
    swapped.write_text(others.read_text().replace("cp-1,", "x,").replace("cp-2,", "y,"))
    text = swapped.read_text().replace(address_of("cp-1"), "z")
    swapped.write_text(text.replace(address_of("cp-2"), address_of("cp-1")))
    argv = [word.replace(str(others), str(swapped)) for word in lab.ssh_argv(NAME, "cp-1")]
    done = subprocess.run([*argv, "true"], capture_output=True, text=True, check=False)
    assert "Host key verification failed" in done.stderr


def test_a_reboot_is_a_new_boot_with_clean_interfaces() -> None:
    """What was added by hand is gone; the journal of both boots is there."""
    before = on("cp-1", "cat /proc/sys/kernel/random/boot_id; ip address add 192.0.2.77/32 dev lo")
    wait(lab.reboot(NAME, "cp-1"))
    assert on("cp-1", "cat /proc/sys/kernel/random/boot_id") != before
    assert "192.0.2.77" not in on("cp-1", "ip address")
    boots = subprocess.run(
        lab.logs_argv(NAME, "cp-1", ("--list-boots", "--no-pager", "--quiet")),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len([line for line in boots.stdout.splitlines() if "-" in line]) >= 2


def test_a_machine_that_reboots_by_itself_comes_back() -> None:
    """Nobody of us need be there."""
    before = on("cp-1", "cat /proc/sys/kernel/random/boot_id")
    on("cp-1", "systemctl reboot")

    async def same() -> str | None:
        now = on("cp-1", "cat /proc/sys/kernel/random/boot_id")
        return f"boot {now}" if now == before or "ssh" in now else None

    wait(wait_for("the new boot", same, seconds=30, where="cp-1"))


def test_a_machine_without_power_is_silent_and_can_be_started() -> None:
    """Its kernel is ours, and yet does not answer for it."""
    wait(lab.kill(NAME, "cp-2"))
    assert state_of("cp-2") is lab.State.STOPPED
    assert not reaches("cp-1", address_of("cp-2"))
    wait(lab.start(NAME, "cp-2"))
    assert reaches("cp-1", address_of("cp-2"))


def test_a_machine_that_lost_its_power_begins_without_control_groups() -> None:
    """A kubelet takes them for containers that it lost, and starts no pod while it looks."""
    find = "find /sys/fs/cgroup -type d -name of-the-last-run"
    on("cp-2", f"for one in $({HIERARCHIES}); do mkdir $one/of-the-last-run; done")
    assert "of-the-last-run" in on("cp-2", find)
    wait(lab.kill(NAME, "cp-2"))
    wait(lab.start(NAME, "cp-2"))
    assert on("cp-2", find) == ""


def test_a_disk_that_cannot_be_made_leaves_the_machine_as_it_was() -> None:
    """It was without power for that, and runs again with what it had."""
    on("cp-1", "printf 1 >/var/lib/etcd/kept")
    with pytest.raises(StepFailedError, match="mke2fs"):
        wait(lab.give_disk(NAME, "cp-1", megabytes=0))
    assert state_of("cp-1") is lab.State.RUNNING
    assert on("cp-1", "cat /var/lib/etcd/kept && rm /var/lib/etcd/kept") == "1"


def test_a_power_cut_takes_what_never_reached_the_disk() -> None:
    """What was synced outlives it, what was only written does not; a kill takes neither."""
    wait(lab.give_disk(NAME, "cp-2", megabytes=64))
    synced, written = "/var/lib/etcd/synced", "/var/lib/etcd/written"
    assert on("cp-2", f"printf 1 >{synced} && sync {synced} && printf 1 >{written}") == ""
    wait(lab.cut_power(NAME, "cp-2"))
    assert state_of("cp-2") is lab.State.STOPPED
    wait(lab.start(NAME, "cp-2"))
    assert on("cp-2", f"cat {synced}") == "1"
    assert on("cp-2", f"cat {written} 2>/dev/null") == ""
    assert on("cp-2", f"printf 2 >{written}") == ""
    wait(lab.restart(NAME, "cp-2"))
    assert on("cp-2", f"cat {synced} {written}") == "12"


def test_a_power_cut_needs_a_disk_to_take_something_from() -> None:
    """Without one nothing happens to the machine."""
    before = process_of("cp-1")
    with pytest.raises(PreflightError, match="no disk of its own"):
        wait(lab.cut_power(NAME, "cp-1"))
    assert state_of("cp-1") is lab.State.RUNNING
    assert process_of("cp-1") == before


def test_a_machine_that_powers_off_is_started_by_up() -> None:
    """And the others are left alone."""
    before = process_of("cp-1")
    on("w-1", "poweroff")

    async def running() -> str | None:
        return None if state_of("w-1") is lab.State.STOPPED else "it runs"

    wait(wait_for("the power to go off", running, seconds=30, where="w-1"))
    wait(lab.up(WISH))
    assert state_of("w-1") is lab.State.RUNNING
    assert process_of("cp-1") == before


def test_a_paused_machine_says_nothing_until_it_goes_on() -> None:
    """It is reported as paused; up and reboot do not wait for it."""
    wait(lab.pause(NAME, "cp-2"))
    assert state_of("cp-2") is lab.State.PAUSED
    assert wait(banner_missing(address_of("cp-2"), seconds=0.3))
    with pytest.raises(PreflightError, match="paused"):
        wait(lab.up(WISH))
    wait(lab.unpause(NAME, "cp-2"))
    assert wait(banner_missing(address_of("cp-2"))) is None


def test_a_pause_ends_when_it_is_interrupted() -> None:
    """Ctrl-C does not leave a frozen machine behind."""

    async def interrupted() -> None:
        pausing = asyncio.create_task(lab.pause_for(NAME, "cp-2", seconds=60))

        async def going() -> str | None:
            return None if state_of("cp-2") is lab.State.PAUSED else "not yet paused"

        await wait_for("the pause", going, seconds=5, where="cp-2")
        pausing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pausing

    wait(interrupted())
    assert state_of("cp-2") is lab.State.RUNNING


def test_a_paused_machine_can_lose_its_power() -> None:
    """A frozen process dies only when it is thawed."""
    wait(lab.pause(NAME, "cp-2"))
    wait(lab.restart(NAME, "cp-2"))
    assert state_of("cp-2") is lab.State.RUNNING


def test_a_cut_is_between_two_machines_and_nobody_else() -> None:
    """Both ways, invisibly to the senders, until it is healed; twice is once."""
    wait(lab.cut(NAME, "cp-1", "cp-2"))
    wait(lab.cut(NAME, "cp-2", "cp-1"))
    assert wait(cuts(NAME)) == (("cp-1", "cp-2"),)
    assert not reaches("cp-1", address_of("cp-2"))
    assert not reaches("cp-2", address_of("cp-1"))
    assert reaches("w-1", address_of("cp-1"))
    wait(lab.heal(NAME))
    wait(lab.heal(NAME))
    assert wait(cuts(NAME)) == ()

    async def unreached() -> str | None:
        return None if reaches("cp-1", address_of("cp-2")) else "no answer"

    # A machine that has just asked in vain for the other's hardware address asks once a second.
    wait(wait_for("an answer", unreached, seconds=10, where="cp-1"))


def test_a_machine_can_be_cut_off_from_this_computer() -> None:
    """`host` is the port through which we come."""
    wait(lab.cut(NAME, "w-1", "host"))
    assert wait(banner_missing(address_of("w-1"), seconds=0.3))
    wait(lab.heal(NAME))
    assert wait(banner_missing(address_of("w-1"), seconds=5)) is None


def test_a_lab_can_grow() -> None:
    """New machines join; cluster.yaml follows, but never over what the user wrote."""
    places = lab.places_of(NAME)
    before = process_of("cp-1")
    wait(lab.up(lab.LabWish(name=NAME, control_planes=2, workers=2)))
    assert process_of("cp-1") == before
    assert "name: w-2" in places.cluster.read_text()
    places.cluster.write_text("mine")
    wait(lab.up(lab.LabWish(name=NAME, control_planes=2, workers=3)))
    assert places.cluster.read_text() == "mine"
    assert state_of("w-3") is lab.State.RUNNING


def test_two_labs_stand_side_by_side() -> None:
    """They do not see each other, and when one goes the other stays."""
    wait(lab.up(lab.LabWish(name=OTHER, control_planes=1, workers=0)))
    assert not lab.read(NAME).network.overlaps(lab.read(OTHER).network)
    assert not reaches("cp-1", address_of("cp-1"), name=OTHER)
    assert reaches("cp-1", lab.read(OTHER).gateway, name=OTHER)
    wait(lab.down(OTHER))
    assert lab.leftovers(OTHER) == ()
    assert traces(OTHER) == ""
    assert state_of("cp-1") is lab.State.RUNNING
    assert reaches("cp-1", address_of("cp-2"))


def test_a_machine_that_cannot_boot_is_reported_with_its_last_words() -> None:
    """And down removes it like any other."""
    wait(lab.up(lab.LabWish(name=OTHER, control_planes=1, workers=0)))
    wait(lab.kill(OTHER, "cp-1"))
    init = lab.places_of(OTHER).machine("cp-1").upper / "usr/lib/systemd/systemd"
    init.parent.mkdir(parents=True)
    init.write_text("not a program")
    with pytest.raises(StepFailedError, match=r"(?s)cp-1 ended.*init"):
        wait(lab.start(OTHER, "cp-1"))
    wait(lab.down(OTHER))
    assert traces(OTHER) == ""


def test_machines_outlive_whoever_started_them() -> None:
    """The process that made the lab is gone, its machines are not."""
    assert python_up(OTHER).wait() == 0
    assert {one.state for one in lab.status(OTHER).machines} == {lab.State.RUNNING}
    assert on("cp-2", "hostname", name=OTHER) == "cp-2\n"
    wait(lab.down(OTHER))
    wait(lab.down(OTHER))
    assert traces(OTHER) == ""


MOMENTS: dict[str, Callable[[lab.LabPlaces], bool]] = {
    "the directory is there": lambda places: places.directory.exists(),
    "the lab is remembered": lambda places: places.memory.exists(),
    "the switch is there": lambda _places: Path(f"/run/netns/backstay.{OTHER}.switch").exists(),
    "a machine is launched": lambda places: places.machine("cp-1").boot_script.exists(),
    "a machine has a network": lambda _places: Path(f"/run/netns/backstay.{OTHER}.cp-2").exists(),
    "a machine boots": lambda places: (
        (places.machine("cp-1").upper / "run").exists() or places.machine("cp-2").process.exists()
    ),
}


@pytest.mark.parametrize("after", ["down", "up"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_is_no_hindrance(moment: str, after: str) -> None:
    """Whenever it was killed: down leaves nothing, and up finishes the lab."""
    making = python_up(OTHER)

    async def not_yet() -> str | None:
        there = MOMENTS[moment](lab.places_of(OTHER)) or making.poll() is not None
        return None if there else "not yet"

    wait(wait_for(moment, not_yet, seconds=60, where=OTHER))
    making.send_signal(signal.SIGKILL)
    making.wait()
    if after == "up":
        wait(lab.up(lab.LabWish(name=OTHER, control_planes=2, workers=0)))
        assert on("cp-1", "hostname", name=OTHER) == "cp-1\n"
    wait(lab.down(OTHER))
    assert lab.leftovers(OTHER) == ()
    assert traces(OTHER) == ""


@pytest.mark.parametrize("damage", ["broken", "removed", "everything removed"])
def test_a_lab_that_forgot_itself_is_removed(damage: str) -> None:
    """What is left is found by name; a lab without a memory is not built upon."""
    wish = lab.LabWish(name=OTHER, control_planes=1, workers=0)
    wait(lab.up(wish))
    places = lab.places_of(OTHER)
    if damage == "broken":
        places.memory.write_text("{")
    else:
        places.memory.unlink()
        with pytest.raises(PreflightError, match="lab down"):
            wait(lab.up(wish))
    if damage == "everything removed":
        subprocess.run(("rm", "-rf", str(places.directory)), check=True)
    wait(lab.down(OTHER))
    assert lab.leftovers(OTHER) == ()
    assert traces(OTHER) == ""


def test_what_a_killed_run_makes_while_the_lab_is_removed_goes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last program goes on alone: here it makes a namespace that was just looked for."""
    late = f"backstay.{OTHER}.switch"
    subprocess.run(("ip", "netns", "add", f"backstay.{OTHER}.cp-1"), check=True)

    async def released() -> None:
        monkeypatch.undo()
        subprocess.run(("ip", "netns", "add", late), check=True)

    monkeypatch.setattr(teardown, "release_namespaces", released)
    assert wait(lab.down(OTHER))
    assert lab.leftovers(OTHER) == ()
    assert traces(OTHER) == ""
