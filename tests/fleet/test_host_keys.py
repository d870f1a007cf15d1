"""P8: whoever answers with another key than the pinned one is not talked to, and nothing is done.

The whole program runs; the machines are an SSH server in this process.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncssh

from fakes.program import Ended, Program
from fakes.sshd import Sshd


def other_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


async def ended(folder: Path, text: str, *words: str) -> Ended:
    """Run the program with this cluster.yaml."""
    (folder / "cluster.yaml").write_text(text)
    return await asyncio.to_thread(Program(folder).apart, *words)


async def test_a_changed_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    """Exit 4: who, at which address, and how to find out by another way; nothing is asked."""
    done = await ended(tmp_path, sshd.yaml("a", hostKey=other_key()), "plan")
    assert (done.code, done.out, sshd.commands) == (4, "", [])
    assert "error: the host key is not the pinned one" in done.err
    assert f"where  a (root@127.0.0.1 port {sshd.port})" in done.err
    assert "ssh-keygen -lf" in done.err
    assert "Traceback" not in done.err


async def test_an_unknown_key_is_not_accepted(sshd: Sshd, tmp_path: Path) -> None:
    """No first sight: a key is pinned, or known to OpenSSH, or refused."""
    done = await ended(tmp_path, sshd.yaml("a", hostKey=None), "plan")
    assert (done.code, sshd.commands) == (4, [])
    assert "none is pinned" in done.err


async def test_a_key_that_openssh_knows_is_known(sshd: Sshd, tmp_path: Path) -> None:
    """What the user has checked before counts: `[address]:port key`, as ssh writes it."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.host_key}\n")
    sshd.shell = ("/bin/sh", "-c", "echo no shell for you; exit 1", "--")
    done = await ended(tmp_path, sshd.yaml("a", hostKey=None), "plan")
    assert sshd.commands
    assert (done.code, done.out) == (3, "")
    assert "the machine did not run our script" in done.err
    assert "no shell for you" in done.err


async def test_one_stranger_among_friends_stops_everything(sshd: Sshd, tmp_path: Path) -> None:
    """A machine that is away may be left out; one that pretends may not."""
    document = sshd.yaml("a", "b", "c").replace(f'"hostKey": "{sshd.host_key}"', "HERE", 1)
    text = document.replace("HERE", f'"hostKey": "{other_key()}"')
    done = await ended(tmp_path, text, "plan")
    assert (done.code, sshd.commands) == (4, []), done.err
    assert "where  a (root@127.0.0.1" in done.err
