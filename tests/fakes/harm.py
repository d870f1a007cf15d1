"""Harm to the machines of a lab, and its undoing."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from backstay import lab as machines
from fakes.real_lab import RealLab, run


def everywhere(lab: RealLab, script: str, *, without: str = "") -> dict[str, str]:
    """Run a script on all machines at once; return what each printed."""
    names = (machine.name for machine in machines.read(lab.name).machines)
    asked = [name for name in names if name != without]
    with ThreadPoolExecutor() as pool:
        return dict(zip(asked, pool.map(lambda one: lab.sh(one, script), asked), strict=True))


@contextmanager
def harmed(lab: RealLab, machine: str, harm: str, mend: str) -> Iterator[None]:
    """Do harm to a machine for the time of a block."""
    lab.sh(machine, harm)
    try:
        yield
    finally:
        lab.sh(machine, mend)


@contextmanager
def muted(lab: RealLab, machine: str) -> Iterator[None]:
    """Let a machine refuse new SSH connections; the one through which we said so stays."""
    script = """nft 'add table inet mute'
        nft 'add chain inet mute in { type filter hook input priority -10; }'
        nft 'add rule inet mute in tcp dport 22 ct state new reject with tcp reset'
        echo muted; cat; nft 'delete table inet mute'"""
    argv = machines.ssh_argv(lab.name, machine, (script,))
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **streams) as inside:
        assert inside.stdout is not None
        assert "muted\n" in iter(inside.stdout.readline, "")
        yield
        inside.communicate()


@contextmanager
def paused(lab: RealLab, machine: str) -> Iterator[None]:
    run("lab", "pause", machine, "--name", lab.name)
    try:
        yield
    finally:
        run("lab", "unpause", machine, "--name", lab.name)


def write(lab: RealLab, machine: str, path: str, content: bytes) -> None:
    """Replace the bytes of a file, not its mode."""
    lab.sh(machine, f"base64 -d >{path} <<'END'\n{base64.encodebytes(content).decode()}END\n")
