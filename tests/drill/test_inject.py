"""Arm, inject, undo: in that order on every machine, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backstay.drill import inject
from backstay.drill.faults.kinds import (
    BreakMachine,
    BreakUnit,
    Fault,
    Harm,
    Nothing,
    Power,
    Restart,
    Unit,
)
from backstay.drill.faults.scripts import DISARMED
from backstay.drill.faults.targets import Site
from backstay.drill.inject import Turn, armed_seconds, injected
from backstay.drill.machines import Machines
from backstay.errors import (
    RefusedError,
    StepFailedError,
    UnreachableError,
)
from backstay.fleet.transport import Completed
from backstay.fleet.world import World

HOSTS = ("cp-1", "cp-2", "cp-3")
SITE = Site(
    members=HOSTS,
    planes=HOSTS,
    balancers=HOSTS,
    workers=(),
    addresses={host: f"10.0.0.{number}" for number, host in enumerate(HOSTS, start=1)},
    ssh=dict.fromkeys(HOSTS, 22),
    endpoint_port=8443,
)
FREEZE = BreakUnit(Unit.ETCD, Harm.FREEZE)
FINE = Completed(0, "", "")


def stage(script: str) -> str:
    """Tell which of the scripts it is, by what only that one does."""
    if "--on-active=" in script:
        return "arm"
    if "injected() {" in script:
        return "inject"
    if script.startswith("[ ! -e "):
        return "call off"
    return "step" if "serving() {" in script else "undo"


@dataclass
class Watched:
    """Machines that do as they are told but for what `wrong` says; `seen` is what happened."""

    wrong: Callable[[str, str], Completed | Exception | None] = lambda _host, _stage: None
    pause: float = 0
    seconds: float = 9
    seen: list[tuple[str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Scripts that nobody left before their end."""

    @property
    def world(self) -> World:
        """The world of these machines."""
        return World({host: _Machine(host, self) for host in HOSTS})

    @asynccontextmanager
    async def again(self, host: str) -> AsyncIterator[_Machine]:
        """Reach a machine over a new connection."""
        self.seen.append(("again", host))
        answer = self.wrong(host, "again")
        if isinstance(answer, Exception):
            raise answer
        yield _Machine(host, self)

    def tell(self, host: str, turn: Turn, what: str) -> None:
        """Write down what is told."""
        assert what
        self.seen.append((turn, host))

    def stages(self) -> list[str]:
        """What happened, without where."""
        return [what for what, _ in self.seen]

    @asynccontextmanager
    async def broken(
        self, fault: Fault, *hosts: str, machines: Machines | None = None
    ) -> AsyncIterator[None]:
        """Give the block in which the fault stands."""
        async with injected(
            fault,
            hosts,
            site=SITE,
            world=self.world,
            again=self.again,
            machines=machines,
            seconds=self.seconds,
            tell=self.tell,
        ):
            yield


@dataclass
class _Machine:
    name: str
    all: Watched

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        del deadline
        what = stage(script)
        self.all.seen.append((what, self.name))
        answer = self.all.wrong(self.name, what)
        if isinstance(answer, Exception):
            raise answer
        if on_line is not None:
            said = {"inject": "injected", "undo": "undone", "step": "injected undone"}[what]
            for sign in (answer.stdout if answer and answer.stdout else said).split():
                on_line(f"backstay-drill-sign {sign} 1700000000000000000")
            on_line("what else a program prints")
        await asyncio.sleep(self.all.pause)
        self.all.ended.append(what)
        return answer or FINE

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        raise NotImplementedError

    def reach(self, host: str, port: int) -> object:
        raise NotImplementedError


@dataclass
class _Switch:
    """Somebody with a hand on the power, who may fail to arm a machine, or to cut its power."""

    seen: list[tuple[str, str]]
    weak: str = ""
    diskless: bool = False
    mended_by_others: bool = False

    async def arm(self, host: str, *, seconds: float) -> None:
        assert seconds == 9
        if host == self.weak:
            raise StepFailedError("nobody waits", where=host)
        self.seen.append(("arm", host))

    async def freeze(self, host: str) -> None:
        self.seen.append(("freeze", host))

    async def kill(self, host: str) -> None:
        self.seen.append(("kill", host))

    async def cut(self, host: str) -> None:
        if self.diskless:
            raise RefusedError("its data is on no disk of its own; nothing was broken", where=host)
        self.seen.append(("power-cut", host))

    async def power_off(self, host: str) -> None:
        self.seen.append(("power-off", host))

    async def reboot(self, host: str) -> None:
        self.seen.append(("reboot", host))

    async def mend(self, host: str) -> None:
        self.seen.append(("mend", host))

    def armed(self) -> tuple[str, ...]:
        return () if self.mended_by_others else tuple(h for what, h in self.seen if what == "arm")


@pytest.fixture(autouse=True)
def short_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole machines of tests do nothing that is to be over."""
    monkeypatch.setattr(inject, "CALM_SECONDS", 0.001)


async def test_all_are_armed_before_any_is_broken_and_all_are_undone() -> None:
    """The block begins when the fault stands everywhere, and ends when nothing of it is left."""
    watched = Watched()
    async with watched.broken(FREEZE, *HOSTS):
        assert watched.stages() == ["arm"] * 3 + ["inject", "injected"] * 3
    assert watched.stages()[9:] == ["undo", "undone"] * 3


async def test_nothing_is_broken_when_one_machine_cannot_promise_its_undoing() -> None:
    """Those that could are disarmed; the one that said no is left as it was."""
    no = Completed(1, "", "etcd does not run here")
    watched = Watched(lambda host, what: no if (host, what) == ("cp-2", "arm") else None)
    with pytest.raises(RefusedError, match="nothing was injected") as error:
        async with watched.broken(FREEZE, *HOSTS):
            pytest.fail("the block began")
    assert (error.value.where, error.value.why) == ("cp-2", "etcd does not run here")
    assert "inject" not in watched.stages()
    assert {host for what, host in watched.seen if what == "undo"} == {"cp-1", "cp-3"}


async def test_a_machine_that_fell_silent_while_it_was_armed_is_undone_as_well() -> None:
    """It may have armed, and nobody knows."""
    lost = UnreachableError("the connection was lost")
    watched = Watched(lambda host, what: lost if (host, what) == ("cp-2", "arm") else None)
    with pytest.raises(UnreachableError):
        async with watched.broken(FREEZE, *HOSTS):
            pytest.fail("the block began")
    assert ("undo", "cp-2") in watched.seen


async def test_what_was_injected_is_undone_when_another_could_not_be() -> None:
    """Half a fault is no drill."""
    no = Completed(1, "", "it had no effect within 10 s")
    watched = Watched(lambda host, what: no if (host, what) == ("cp-1", "inject") else None)
    with pytest.raises(StepFailedError, match="freeze etcd"):
        async with watched.broken(FREEZE, *HOSTS):
            pytest.fail("the block began")
    assert watched.stages().count("undo") == 3


@pytest.mark.parametrize("error", [ValueError("a mistake"), asyncio.CancelledError()])
async def test_it_is_undone_however_the_block_ends(error: BaseException) -> None:
    """Also by a mistake of ours, or by a user who had enough."""
    watched = Watched()
    with pytest.raises(type(error)):
        async with watched.broken(FREEZE, "cp-1"):
            raise error
    assert watched.stages()[-2:] == ["undo", "undone"]


async def test_an_injection_on_its_way_arrives_before_its_undo() -> None:
    """Who cancels waits for what has left: it must not come after all is said to be well."""
    watched = Watched(pause=0.02)
    with pytest.raises(asyncio.CancelledError):
        await stopped(watched, "cp-1")
    assert watched.stages() == ["arm", "inject", "injected", "call off", "undo", "undone"]
    assert sorted(watched.ended) == ["arm", "call off", "inject", "undo"]
    assert watched.ended[-1] == "undo"


async def stopped(watched: Watched, *hosts: str) -> None:
    """Enter the block, and be stopped as soon as the scripts that inject are on their way."""
    entering = asyncio.ensure_future(watched.broken(FREEZE, *hosts).__aenter__())
    while watched.stages().count("inject") < len(hosts):
        await asyncio.sleep(0.001)
    entering.cancel()
    await entering


async def test_a_machine_that_does_not_hear_that_it_is_called_off_is_undone_all_the_same() -> None:
    """Nobody but who reads the history has to know."""
    lost = UnreachableError("the connection was lost")
    watched = Watched(lambda _host, what: lost if what == "call off" else None, 0.02)
    with pytest.raises(asyncio.CancelledError):
        await stopped(watched, *HOSTS)
    assert watched.stages().count("undone") == 3


@pytest.mark.parametrize("why", ["it had no effect within 10 s", "no space left on device"])
async def test_what_goes_wrong_while_it_is_called_off_is_raised_all_the_same(why: str) -> None:
    """Something may stand; only who refused because we called it off has done well."""
    no = Completed(1, "", why)
    watched = Watched(lambda host, what: no if (host, what) == ("cp-2", "inject") else None, 0.02)
    with pytest.raises(StepFailedError) as error:
        await stopped(watched, *HOSTS)
    assert error.value.why == why
    assert watched.stages().count("undone") == 3


async def test_a_fault_that_others_undid_before_it_was_injected_is_no_drill() -> None:
    """Nobody called it off, so nobody may think that it stood."""
    no = Completed(1, "", DISARMED)
    watched = Watched(lambda _host, what: no if what == "inject" else None)
    with pytest.raises(StepFailedError) as error:
        async with watched.broken(FREEZE, "cp-1"):
            pytest.fail("the block began")
    assert error.value.why == DISARMED


async def test_an_undo_that_fails_is_told_and_raised() -> None:
    """The machine goes on trying by itself; nobody may think that it is well already."""
    no = Completed(1, "", "it is not undone")
    watched = Watched(lambda _host, what: no if what == "undo" else None)
    with pytest.raises(StepFailedError) as error:
        async with watched.broken(FREEZE, "cp-1"):
            pass
    assert error.value.why == "it is not undone"
    assert (Turn.FAILED, "cp-1") in watched.seen


async def test_an_undo_that_fails_while_we_are_stopped_is_raised_all_the_same() -> None:
    """Who stops a drill in its undo must not read that all is well."""
    no = Completed(1, "", "it is not undone")
    watched = Watched(lambda host, what: no if (host, what) == ("cp-2", "undo") else None, 0.02)

    async def drill() -> None:
        async with watched.broken(FREEZE, *HOSTS):
            pass

    drilling = asyncio.ensure_future(drill())
    while watched.stages().count("undo") < 3:
        await asyncio.sleep(0.001)
    drilling.cancel()
    with pytest.raises(StepFailedError) as error:
        await drilling
    assert error.value.why == "it is not undone"
    assert watched.ended.count("undo") == 3


async def test_a_fault_that_was_gone_before_is_told_as_such() -> None:
    """Whoever reads the history must not think that it stood until then."""
    gone = Completed(0, "gone undone", "")
    watched = Watched(lambda _host, what: gone if what == "undo" else None)
    async with watched.broken(FREEZE, "cp-1"):
        pass
    assert watched.stages()[-3:] == ["undo", Turn.GONE, Turn.UNDONE]


def lost_at_first(*, tries: int) -> Callable[[str, str], Exception | None]:
    """Lose the connection when the fault is undone, and find no other at so many tries."""
    left = {"undo": 1, "again": tries}

    def wrong(host: str, what: str) -> Exception | None:
        if host != "cp-1" or not left.get(what):
            return None
        left[what] -= 1
        return UnreachableError("the connection was lost", where=host)

    return wrong


async def test_a_machine_that_was_lost_meanwhile_is_undone_over_another_connection() -> None:
    """As soon as there is one; the drill goes on, and has a verdict."""
    watched = Watched(lost_at_first(tries=2))
    async with watched.broken(FREEZE, *HOSTS):
        pass
    mine = [what for what, host in watched.seen if host == "cp-1"]
    assert mine == ["arm", "inject", "injected", "undo", *["again"] * 3, "undo", "undone"]
    assert ("again", "cp-2") not in watched.seen


async def test_a_machine_that_stays_lost_is_waited_for_only_so_long() -> None:
    """Its last answer is the error, and nobody thinks that it is undone."""
    watched = Watched(lost_at_first(tries=99), seconds=0.3)
    with pytest.raises(UnreachableError, match="the connection was lost"):
        async with watched.broken(FREEZE, *HOSTS):
            pass
    assert watched.seen[-1] == (Turn.FAILED, "cp-1")
    assert {host for what, host in watched.seen if what == Turn.UNDONE} == {"cp-2", "cp-3"}


@pytest.mark.parametrize(
    ("fault", "longest"),
    [
        (FREEZE, 20 + 20 + 5),
        (BreakUnit(Unit.APISERVER, Harm.STOP), 20 + 120 + 5),
        (BreakMachine(Power.OFF), 20 + 120 + 5),
    ],
    ids=repr,
)
def test_no_machine_undoes_a_fault_before_its_time_is_over(fault: Fault, longest: float) -> None:
    """However long it takes to arm all, to inject everywhere, and to let it stand for 5 s."""
    assert longest + 10 < armed_seconds(fault, 5) < longest + 60


async def test_nothing_breaks_nothing() -> None:
    """Not one machine is asked."""
    watched = Watched()
    async with watched.broken(Nothing(), "cp-1"):
        pass
    assert watched.seen == []


async def test_planned_faults_are_done_one_after_the_other_before_the_block() -> None:
    """The next machine is touched when the one before serves again; nothing is left to undo."""
    watched = Watched(pause=0.001)
    async with watched.broken(Restart(Unit.ETCD), "cp-2", "cp-1"):
        pass
    each = ("step", "injected", "undone")
    assert watched.seen == [(what, host) for host in ("cp-2", "cp-1") for what in each]


async def test_a_planned_step_that_fails_ends_the_drill() -> None:
    """The other machines are not touched."""
    watched = Watched(lambda _host, _stage: Completed(1, "", "it does not serve again"))
    with pytest.raises(StepFailedError, match="restart etcd"):
        async with watched.broken(Restart(Unit.ETCD), *HOSTS):
            pytest.fail("the block began")
    assert {host for what, host in watched.seen if what == "step"} == {"cp-1"}
    assert watched.seen[-1] == (Turn.FAILED, "cp-1")


@pytest.mark.parametrize("power", Power)
async def test_a_machine_is_broken_by_whoever_holds_its_power(power: Power) -> None:
    """Armed, told, done; and at the end mended. Its own shell is never asked."""
    watched = Watched()
    async with watched.broken(BreakMachine(power), "cp-3", machines=_Switch(watched.seen)):
        assert watched.stages() == ["arm", "injected", power.value]
    assert watched.stages()[3:] == ["mend", "undone"]


async def test_whole_machines_rest_between_arming_and_the_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is stopped meanwhile waits for no end of it, and has broken nothing."""
    monkeypatch.setattr(inject, "CALM_SECONDS", 60.0)
    watched = Watched()
    standing = watched.broken(
        BreakMachine(Power.KILL), "cp-1", "cp-2", machines=_Switch(watched.seen)
    )
    entering = asyncio.ensure_future(standing.__aenter__())
    while watched.stages().count("arm") < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(20):
            await entering
    assert watched.stages() == ["arm", "arm", *("mend", "undone") * 2]


async def test_a_machine_that_others_mended_is_told_as_such() -> None:
    """Whoever waited to mend it was the first, or a person was."""
    watched = Watched()
    switch = _Switch(watched.seen, mended_by_others=True)
    async with watched.broken(BreakMachine(Power.FREEZE), "cp-3", machines=switch):
        pass
    assert watched.stages()[3:] == [Turn.GONE, "mend", Turn.UNDONE]


async def test_no_machine_is_broken_where_nobody_holds_its_power() -> None:
    """Nor armed."""
    watched = Watched()
    with pytest.raises(RefusedError, match="power"):
        async with watched.broken(BreakMachine(Power.OFF), "cp-1"):
            pytest.fail("the block began")
    assert watched.seen == []


async def test_no_machine_is_broken_when_one_cannot_be_armed() -> None:
    """The others are disarmed, and of the one that was left as it was nothing is told."""
    watched = Watched()
    switch = _Switch(watched.seen, weak="cp-2")
    with pytest.raises(StepFailedError, match="nobody waits"):
        async with watched.broken(BreakMachine(Power.OFF), *HOSTS, machines=switch):
            pytest.fail("the block began")
    assert [what for what, host in watched.seen if host != "cp-2"] == [
        *("arm", "arm"),
        *("mend", "undone") * 2,
    ]
    assert [what for what, host in watched.seen if host == "cp-2"] == []


async def test_a_machine_that_could_not_be_broken_is_told_as_such() -> None:
    """Whoever reads the history must not think that the fault stood."""
    watched = Watched()
    switch = _Switch(watched.seen, diskless=True)
    with pytest.raises(RefusedError, match="no disk"):
        async with watched.broken(BreakMachine(Power.CUT), "cp-3", machines=switch):
            pytest.fail("the block began")
    assert watched.stages() == ["arm", Turn.INJECTED, Turn.FAILED, "mend", Turn.UNDONE]
