"""What the machines' own journals say while a drill runs: who leads, who holds, who fell.

A journal has the moment of an event to the microsecond, where asking would only find it later.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from backstay.drill.again import Again
from backstay.drill.history import ACQUIRED, HOLDS, SECOND, Kind, LogLine, Mark
from backstay.errors import BackstayError
from backstay.fleet.transport import Completed, Machine

UNITS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("haproxy", "keepalived", "kubelet", "containerd", "kube-proxy"),
)

FOLLOWER = "follower="
END_SECONDS = 5.0
READ_SECONDS = 10.0
AGAIN_SECONDS = 0.25
ROUND_SECONDS = 120.0
"""How long one process follows: nobody is left to end it when we die."""
OVERLAP_SECONDS = 5
"""Lines of several programs are not quite in the order of their times."""
MICROSECOND = SECOND // 1_000_000

# What the machine sends on, as grep -E reads it: an etcd under load writes a line a millisecond.
WORTH_HEARING = (
    r"raft\.node: ",
    r"Entering [A-Z]+ STATE",
    r"\]: Server [^ ]+ is ",
    r"\]: Proxy [^ ]+ stopped",
    r"Successfully acquired lease",
    r"systemd\[1\]: ",
    r"\]: panic: ",
    r"\]: fatal error: ",
    r'"level":"(panic|fatal)"',
    r"Observed a panic",
    r"panic serving",
    r"\]: F[0-9]{4} ",
    r"OOM killer",
)

LINE = re.compile(r"(?P<at>\d+\.\d{6}) \S+ (?P<who>[^\s\[:]+)(\[\d+\])?: (?P<text>.*)")
_ELECTED = re.compile(
    r"raft\.node: \w+ (?:elected leader|changed leader from \w+ to) (\w+) at term (\d+)"
)
_LOST = re.compile(r"raft\.node: \w+ lost leader")
_VRRP = re.compile(r"\) Entering (\w+) STATE")
_SERVER = re.compile(r"Server [^/ ]+/(\S+) is (.+?)(?:, reason: ([^.]*)|\.|$)")
_LEASE = re.compile(r'Successfully acquired lease" lock="kube-system/([\w-]+)"')
_UNIT = re.compile(r"(?P<before>\w+ )?(?P<unit>[\w-]+)\.service(?P<after>: .*| - .*)?$")
_PANIC = re.compile(
    r"^panic: |^fatal error: |\"level\":\"(?:panic|fatal)\""
    # client-go and net/http catch panics; klog's F is fatal, but for an apiserver that waited for
    # etcd in vain when it started; the kernel kills what takes too much.
    r"|Observed a panic|panic serving|^F\d{4} (?!.*PostStartHook)|OOM killer"
)

_STATES: Mapping[str, str] = {
    "Started ": "active",
    "Stopping ": "stopping",
    "Stopped ": "inactive",
    "Starting ": "starting",
}


@dataclass(frozen=True, slots=True)
class Ear:
    """How one machine's lines are understood.

    `zero` is when the drill began by the machine's clock, in nanoseconds since 1970; `members`
    maps the hexadecimal ids of etcd's members to their hosts.
    """

    host: str
    zero: int
    members: Mapping[str, str]

    def hear(self, line: str) -> Mark | LogLine | None:
        """Return what a line says, None when that is nothing of ours."""
        if (found := LINE.match(line)) is None:
            return None
        at = int(found["at"].replace(".", "")) * MICROSECOND - self.zero
        if at < 0:
            return None
        who, text = found["who"], found["text"]
        if _PANIC.search(text):
            return LogLine(self.host, who, text[:500], at)
        said = next(self._said(who, text), None)
        return None if said is None else Mark(at, *said)

    def _said(self, who: str, text: str) -> Iterator[tuple[Kind, str, str, str]]:
        if who == "systemd":
            yield from _of_systemd(self.host, text)
        if found := _ELECTED.search(text):
            yield Kind.LEADER, self.host, self.members.get(found[1], found[1]), found[2]
        if _LOST.search(text):
            yield Kind.LEADER, self.host, "", ""
        if found := _VRRP.search(text):
            state = HOLDS if found[1] == "MASTER" else found[1].lower()
            yield Kind.VIP, self.host, state, ""
        if (found := _SERVER.search(text)) and not text.startswith("["):
            yield Kind.READY, self.host, found[2].lower(), f"{found[1]}: {found[3] or ''}".strip()
        if found := _LEASE.search(text):
            yield Kind.LEASE, found[1], self.host, ACQUIRED


def _of_systemd(host: str, text: str) -> Iterator[tuple[Kind, str, str, str]]:
    found = _UNIT.search(text)
    if found is None or found["unit"] not in UNITS:
        return
    if found["before"] in _STATES:
        yield Kind.UNIT, host, _STATES[found["before"]], found["unit"]
    elif (found["after"] or "").startswith(": Main process exited"):
        yield Kind.UNIT, host, "exited", f"{found['unit']}{found['after']}"


@dataclass(slots=True)
class Follower:
    """Records what one machine's journal says, each line once, over as many connections as needed.

    `since` is the second from which on a journal is to be read (again); `process` is who follows it
    there. What a machine wrote while it was not heard comes late, with its own times.
    """

    ear: Ear
    record: Callable[[Mark | LogLine], None]
    reach: Again
    since: int
    process: str = ""
    known: set[str] = field(default_factory=set)

    async def follow(self, machine: Machine, *, deaf: Callable[[], None]) -> None:
        """Follow until cancelled, and read then what is left; `deaf` if that cannot be had."""
        try:
            await self._listen(machine)
            while True:
                with suppress(BackstayError):
                    async with self.reach(machine.name) as another:
                        await self._listen(another)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            if not await self._catch_up(machine):
                deaf()

    async def _listen(self, machine: Machine) -> None:
        """Follow over one connection until it is lost."""
        with suppress(BackstayError):
            while True:
                await self._round(machine)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _round(self, machine: Machine) -> None:
        self.process = ""
        script, deadline = _script(self.since, ROUND_SECONDS), ROUND_SECONDS + END_SECONDS
        running = asyncio.ensure_future(machine.run(script, deadline=deadline, on_line=self.hear))
        try:
            await asyncio.shield(running)
        finally:
            await self._end(machine, running)

    async def _end(self, machine: Machine, running: asyncio.Future[Completed]) -> None:
        """End who follows, there and then here; a machine that does not answer is given up."""
        with suppress(BackstayError):
            if self.process and not running.done():
                await machine.run(f"kill {self.process}\n", deadline=END_SECONDS)
                await asyncio.wait([running], timeout=END_SECONDS)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def _catch_up(self, machine: Machine) -> bool:
        """Read what was not heard yet, over the first connection or a new one; tell whether."""
        with suppress(BackstayError):
            await self._read(machine)
            return True
        with suppress(BackstayError):
            async with self.reach(machine.name) as another:
                await self._read(another)
                return True
        return False

    async def _read(self, machine: Machine) -> None:
        await machine.run(_rest(self.since), deadline=READ_SECONDS, on_line=self.hear)

    def hear(self, line: str) -> None:
        """Take a line of the script."""
        if line.startswith(FOLLOWER):
            self.process = line.removeprefix(FOLLOWER).strip()
        elif (found := LINE.match(line)) and line not in self.known:
            self.known.add(line)
            self.since = max(self.since, int(float(found["at"])) - OVERLAP_SECONDS)
            if (said := self.ear.hear(line)) is not None:
                self.record(said)


def follower(ear: Ear, record: Callable[[Mark | LogLine], None], reach: Again) -> Follower:
    """Return who follows a machine's journal from the drill's beginning on."""
    return Follower(ear, record, reach, ear.zero // SECOND)


def _script(since: int, seconds: float) -> str:
    pattern = "|".join((f"^{FOLLOWER}", *WORTH_HEARING))
    following = f"timeout {seconds:.0f} {_journal(since)} --follow --no-tail"
    return f"{{ {following} & echo {FOLLOWER}$!; wait; }} | grep --line-buffered -E '{pattern}'\n"


def _rest(since: int) -> str:
    return f"{_journal(since)} | grep -E '{'|'.join(WORTH_HEARING)}'\n"


def _journal(since: int) -> str:
    units = " ".join(f"-u {unit}" for unit in UNITS)
    return f"journalctl --since=@{since} --output=short-unix --quiet {units}"
