"""A fault that is called off while its machine rests before it: a real shell, and no harm done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE

import pytest

from backstay.drill.faults.acts import acts
from backstay.drill.faults.kinds import BreakUnit, Cut, Harm, Lasting, Unit
from backstay.drill.faults.scripts import CALM_SECONDS, FOLDER
from backstay.drill.faults.targets import Site
from backstay.drill.inject import Turn, injected
from backstay.fleet.transport import Completed
from backstay.fleet.world import World

HOSTS = ("cp-1", "cp-2")
SITE = Site(
    members=HOSTS,
    planes=HOSTS,
    balancers=HOSTS,
    workers=(),
    addresses={"cp-1": "10.0.0.1", "cp-2": "10.0.0.2"},
    ssh=dict.fromkeys(HOSTS, 22),
    endpoint_port=8443,
)
MACHINE = f"""\
here=@
PATH=$here:$PATH
systemctl() {{
    case $1 in
    show) case $* in *LoadState*) echo loaded ;; *) echo 42 ;; esac ;;
    is-active) case $* in *.timer) [ -e "$here/timer" ] ;; esac ;;
    stop) rm "$here/timer" ;;
    esac
}}
pgrep() {{ return 1; }}
kill() {{ echo "$*" >>"$here/harm"; }}
nft() {{ [ "$1" = -f ] && echo "$*" >>"$here/harm"; }}
# Rests until somebody undoes, or for too long.
sleep() {{
    [ "$1" = {CALM_SECONDS:g} ] || return 0
    : >"$here/resting"
    left=100
    until [ -e "$here"/run/*.ending ] || [ "$left" = 0 ]; do
        left=$((left - 1))
        command sleep 0.02
    done
}}
"""
"""Words of ours for what would touch this computer; `harm` is what was done."""


@dataclass(frozen=True)
class Shell:
    """A machine that is a folder; what it runs, a real `sh` runs."""

    name: str
    here: Path

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Run a script to its end."""
        text = MACHINE.replace("@", str(self.here)) + script.replace(FOLDER, f"{self.here}/run")
        process = await asyncio.create_subprocess_exec("sh", stdin=PIPE, stdout=PIPE, stderr=PIPE)
        async with asyncio.timeout(deadline):
            said, wrong = await process.communicate(text.encode())
        for line in said.decode().splitlines() if on_line else ():
            on_line(line)
        return Completed(process.returncode or 0, said.decode(), wrong.decode())

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        """Refuse: nothing is sent to these machines."""
        raise NotImplementedError

    def reach(self, host: str, port: int) -> object:
        """Refuse: nothing listens behind these machines."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        self.here.mkdir()
        # No function of sh may have this name.
        program = self.here / "systemd-run"
        program.write_text(f"#!/bin/sh\n: >{self.here}/timer\n")
        program.chmod(0o700)

    @property
    def left(self) -> list[str]:
        """What there is still of a fault: its timer, and what is in its folder."""
        paths = (*self.here.glob("timer"), *self.here.glob("run/*"))
        return sorted(path.name for path in paths)


@dataclass
class Drill:
    """What is told about a fault on both machines."""

    machines: dict[str, Shell]
    told: list[tuple[str, Turn]] = field(default_factory=list)

    async def stopped_in_the_calm(self, fault: Lasting) -> None:
        """Begin to inject it, and be stopped when both machines rest; raises what comes of it."""
        standing = injected(
            fault,
            HOSTS,
            site=SITE,
            world=World(self.machines),
            again=lambda _host: pytest.fail("a connection was lost"),
            machines=None,
            seconds=60,
            tell=lambda host, turn, _what: self.told.append((host, turn)),
        )
        entering = asyncio.ensure_future(standing.__aenter__())
        async with asyncio.timeout(20):
            while not entering.done() and not all(
                (one.here / "resting").exists() for one in self.machines.values()
            ):
                await asyncio.sleep(0.005)
        entering.cancel()
        await entering


@pytest.fixture
def drill(tmp_path: Path) -> Drill:
    return Drill({host: Shell(host, tmp_path / host) for host in HOSTS})


@pytest.mark.parametrize("fault", [Cut(), BreakUnit(Unit.ETCD, Harm.KILL)], ids=repr)
async def test_what_is_called_off_in_the_calm_is_not_injected(drill: Drill, fault: Lasting) -> None:
    """Who stops a drill must not break what is whole; that nobody injects then is no failure."""
    with pytest.raises(asyncio.CancelledError):
        await drill.stopped_in_the_calm(fault)
    assert drill.told == []
    for machine in drill.machines.values():
        assert not (machine.here / "harm").exists()
        assert machine.left == []


async def test_where_nothing_is_armed_calling_off_leaves_nothing(drill: Drill) -> None:
    """It may come late, when the undo is over."""
    act = acts(Cut(), ("cp-1",), SITE)[0]
    machine = drill.machines["cp-1"]
    (machine.here / "run").mkdir()
    assert (await machine.run(act.calling_off, deadline=20)).status == 0
    assert machine.left == []
