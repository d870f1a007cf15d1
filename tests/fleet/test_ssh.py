"""One connection per machine, host keys verified, nothing of a script in argv."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncssh
import pytest

from backstay.errors import (
    AuthenticationError,
    GateTimeoutError,
    HostKeyError,
    PreflightError,
    UnreachableError,
)
from backstay.fleet.ssh import KEEPALIVE_SECONDS, SshMachine, connect, connected
from fakes.sshd import Sshd
from fakes.wire import wire


async def _machine(sshd: Sshd, **host: object) -> SshMachine:
    spec = sshd.spec("a", **host)
    return await connect(spec, spec.host("a"))


async def test_a_script_runs_and_its_streams_and_status_come_back(sshd: Sshd) -> None:
    """Output, complaints and exit status of a script arrive apart from each other."""
    machine = await _machine(sshd)
    done = await machine.run("echo out; echo err >&2; exit 7\n", deadline=5)
    assert (done.status, done.stdout, done.stderr) == (7, "out\n", "err\n")


async def test_the_script_is_not_in_argv(sshd: Sshd) -> None:
    """A secret in a script travels on standard input, never in the command."""
    machine = await _machine(sshd)
    await machine.run(": canary-secret\n", deadline=5)
    assert sshd.commands == ["exec /bin/sh -s"]


async def test_lines_are_told_as_they_come(sshd: Sshd) -> None:
    """A listener hears every line before the script has ended."""
    machine = await _machine(sshd)
    heard: list[str] = []
    await machine.run("echo one; echo two\n", deadline=5, on_line=heard.append)
    assert heard == ["one", "two"]


async def test_a_file_is_sent_byte_by_byte(sshd: Sshd, tmp_path: Path) -> None:
    """Any bytes arrive as they are."""
    source = tmp_path / "blob"
    source.write_bytes(bytes(range(256)) * 1000)
    target = tmp_path / "arrived"
    machine = await _machine(sshd)
    done = await machine.send(f"cat >{target}", source, deadline=10)
    assert (done.status, target.read_bytes()) == (0, source.read_bytes())


async def test_a_changed_host_key_is_refused(sshd: Sshd) -> None:
    """P8: a machine with another key than the pinned one is never talked to."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    with pytest.raises(HostKeyError) as caught:
        await _machine(sshd, hostKey=other)
    assert caught.value.exit_code == 4
    assert sshd.commands == []


async def test_an_unknown_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    """P8: without a pinned key and without known_hosts nobody is trusted."""
    spec = sshd.spec("a", hostKey=None)
    empty = tmp_path / "known_hosts"
    empty.touch()
    ssh = spec.ssh.model_copy(update={"known_hosts": str(empty)})
    spec = spec.model_copy(update={"ssh": ssh})
    with pytest.raises(HostKeyError):
        await connect(spec, spec.host("a"))


async def test_a_missing_known_hosts_file_trusts_nobody(sshd: Sshd, tmp_path: Path) -> None:
    """P8: an absent known_hosts file is an empty one, not an open door."""
    spec = sshd.spec("a", hostKey=None)
    ssh = spec.ssh.model_copy(update={"known_hosts": str(tmp_path / "nowhere")})
    spec = spec.model_copy(update={"ssh": ssh})
    with pytest.raises(HostKeyError):
        await connect(spec, spec.host("a"))


async def test_a_wrong_user_key_is_an_authentication_error(sshd: Sshd, tmp_path: Path) -> None:
    """A machine that does not let us in is told apart from one that is away."""
    wrong = tmp_path / "wrong"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(wrong)
    spec = sshd.spec("a")
    spec = spec.model_copy(update={"ssh": spec.ssh.model_copy(update={"key": str(wrong)})})
    with pytest.raises(AuthenticationError):
        await connect(spec, spec.host("a"))


async def test_an_unreachable_host_is_its_error_and_the_others_are_reached(sshd: Sshd) -> None:
    """T10: one machine that does not answer does not hide the others."""
    spec = sshd.spec("a", "b")
    gone = spec.host("b").model_copy(update={"port": 1})
    spec = spec.model_copy(update={"hosts": (spec.host("a"), gone)})
    async with connected(spec) as machines:
        assert isinstance(machines["a"], SshMachine)
        assert isinstance(machines["b"], UnreachableError)
    assert sshd.connections == 1


async def test_a_deadline_ends_a_script_that_hangs(sshd: Sshd) -> None:
    """Nothing waits for ever."""
    machine = await _machine(sshd)
    with pytest.raises(GateTimeoutError):
        await machine.run("sleep 30\n", deadline=0.3)


async def test_a_deadline_holds_also_when_the_machine_freezes(sshd: Sshd) -> None:
    """Nobody waits for a channel to be closed by a machine that says nothing any more."""
    async with wire(sshd.port) as between, asyncio.timeout(30):
        machine = await _machine(sshd, port=between.local)
        began = time.monotonic()
        with pytest.raises(GateTimeoutError):
            await machine.run("echo now; sleep 9\n", deadline=1, on_line=lambda _: between.freeze())
        machine.connection.close()
        await machine.connection.wait_closed()
        assert time.monotonic() - began < KEEPALIVE_SECONDS


async def test_a_machine_that_does_not_answer_is_told_in_words(sshd: Sshd) -> None:
    """And with a command by which one may see for oneself."""
    with pytest.raises(UnreachableError) as caught:
        await _machine(sshd, port=1)
    assert caught.value.sentence == "no answer on SSH: connection refused"
    assert caught.value.next_move.endswith("log in: ssh -p 1 root@127.0.0.1")


async def test_sudo_that_asks_for_a_password_is_told(sshd: Sshd, tmp_path: Path) -> None:
    """I6: a user without password-less sudo gets the line for sudoers, not a hang."""
    fake = tmp_path / "sudo"
    fake.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    fake.chmod(0o755)
    sshd.environment["PATH"] = f"{tmp_path}:/usr/bin:/bin"
    machine = await _machine(sshd, user="somebody")
    with pytest.raises(PreflightError, match="sudo") as caught:
        await machine.run("true\n", deadline=5)
    assert "sudoers" in caught.value.next_move


async def test_a_port_is_reached_through_the_machine(sshd: Sshd) -> None:
    """Forwarding leads from a loopback port here to a port as the machine sees it."""
    machine = await _machine(sshd)
    async with machine.reach("127.0.0.1", sshd.port) as port:
        connection = await asyncssh.get_server_host_key("127.0.0.1", port)
    assert connection is not None
    assert connection.export_public_key().decode().split()[1] == sshd.host_key.split()[1]


NOISES = {
    "a banner": "Welcome to host\n\n  * read the rules *\n",
    "a banner without an end": "Last login: yesterday from nowhere",
    "a banner in another encoding": "Gr\udcfc\udcdfe\n",
    "something like our own lines": "backstay-0\tsurvey\t.\tuid\t0\nbackstay-0\n",
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
async def test_what_a_login_shell_says_is_not_heard(sshd: Sshd, noise: str) -> None:
    """I7: a script's output begins with the script, whatever was printed before."""
    sshd.noise = noise
    heard: list[str] = []
    done = await (await _machine(sshd)).run("echo one\n", deadline=5, on_line=heard.append)
    assert (done.status, done.stdout, heard) == (0, "one\n", ["one"])


@pytest.mark.parametrize("shell", [("bash",), ("dash",), ("busybox", "sh")], ids=" ".join)
async def test_whatever_the_login_shell_is(sshd: Sshd, tmp_path: Path, shell: tuple[str]) -> None:
    """I7: bash with a talkative and slow profile, dash, busybox; a locale that is not there."""
    profile = tmp_path / "profile"
    profile.write_text("echo from the profile; echo complaint >&2; sleep 0.2\n")
    sshd.shell = shell
    sshd.environment = {"BASH_ENV": str(profile), "LC_ALL": "de_DE.ISO-8859-1", "LANG": "xx_XX"}
    done = await (await _machine(sshd)).run("printf 'a\\351b'; echo why >&2\n", deadline=5)
    assert (done.status, done.stdout) == (0, "a\N{REPLACEMENT CHARACTER}b")
    assert done.stderr.endswith("why\n")
    assert "complaint" not in done.stderr


async def test_an_account_that_may_not_log_in_is_told_with_its_words(sshd: Sshd) -> None:
    """What a shell says instead of running our script is all there is to tell."""
    sshd.shell = ("/bin/sh", "-c", "echo This account is not available; exit 1", "--")
    done = await (await _machine(sshd)).run(": \n" * 500_000, deadline=5)
    assert (done.status, done.stdout) == (1, "This account is not available\n")


async def test_a_lost_connection_is_told_with_the_machine(sshd: Sshd) -> None:
    """T2: the network goes away while a script runs."""
    machine = await _machine(sshd)

    def cut(line: str) -> None:
        assert line == "begun"
        sshd.cut()

    with pytest.raises(UnreachableError) as caught:
        await machine.run("echo begun; sleep 5\n", deadline=10, on_line=cut)
    assert caught.value.where == "a"
