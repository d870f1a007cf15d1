"""What the machines' own journals say while a drill runs: who leads, who holds, who fell.

A journal has the moment of an event to the microsecond, where asking would only find it later.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from backstay.drill.history import SECOND, Kind, LogLine, Mark
from backstay.errors import BackstayError
from backstay.fleet.transport import Completed, Machine

UNITS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("haproxy", "keepalived", "kubelet", "containerd", "kube-proxy"),
)

FOLLOWER = "follower="
END_SECONDS = 5.0
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
)

LINE = re.compile(r"(?P<at>\d+\.\d{6}) \S+ (?P<who>[^\s\[:]+)(\[\d+\])?: (?P<text>.*)")
_ELECTED = re.compile(
    r"raft\.node: \w+ (?:elected leader|changed leader from \w+ to) (\w+) at term"
)
_LOST = re.compile(r"raft\.node: \w+ lost leader")
_VRRP = re.compile(r"\) Entering (\w+) STATE")
_SERVER = re.compile(r"Server [^/ ]+/(\S+) is (.+?)(?:, reason: ([^.]*)|\.|$)")
_LEASE = re.compile(r'Successfully acquired lease" lock="kube-system/([\w-]+)"')
_UNIT = re.compile(r"(?P<before>\w+ )?(?P<unit>[\w-]+)\.service(?P<after>: .*| - .*)?$")
_PANIC = re.compile(r"^panic: |^fatal error: |\"level\":\"(?:panic|fatal)\"")

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
            return LogLine(self.host, who, text[:500])
        said = next(self._said(who, text), None)
        return None if said is None else Mark(at, *said)

    def _said(self, who: str, text: str) -> Iterator[tuple[Kind, str, str, str]]:
        if who == "systemd":
            yield from _of_systemd(self.host, text)
        if found := _ELECTED.search(text):
            yield Kind.LEADER, self.host, self.members.get(found[1], found[1]), ""
        if _LOST.search(text):
            yield Kind.LEADER, self.host, "", ""
        if found := _VRRP.search(text):
            state = "holds" if found[1] == "MASTER" else found[1].lower()
            yield Kind.VIP, self.host, state, ""
        if (found := _SERVER.search(text)) and not text.startswith("["):
            yield Kind.READY, self.host, found[2].lower(), f"{found[1]}: {found[3] or ''}".strip()
        if found := _LEASE.search(text):
            yield Kind.LEASE, found[1], self.host, "acquired"


def _of_systemd(host: str, text: str) -> Iterator[tuple[Kind, str, str, str]]:
    found = _UNIT.search(text)
    if found is None or found["unit"] not in UNITS:
        return
    if found["before"] in _STATES:
        yield Kind.UNIT, host, _STATES[found["before"]], found["unit"]
    elif (found["after"] or "").startswith(": Main process exited"):
        yield Kind.UNIT, host, "exited", f"{found['unit']}{found['after']}"


async def follow(
    machine: Machine, ear: Ear, record: Callable[[Mark | LogLine], None], *, seconds: float
) -> None:
    """Record what the machine's journal says until cancelled; at most so many seconds.

    A machine that freezes or loses its power is silent, and is heard again if it comes back over
    the same connection; what it wrote meanwhile then comes late, with its own times.
    """
    follower: list[str] = []

    def hear(line: str) -> None:
        if line.startswith(FOLLOWER):
            follower.append(line.removeprefix(FOLLOWER).strip())
        elif (found := ear.hear(line)) is not None:
            record(found)

    script, deadline = _script(ear.zero, seconds), seconds + END_SECONDS
    running = asyncio.ensure_future(machine.run(script, deadline=deadline, on_line=hear))
    try:
        with suppress(BackstayError):
            await asyncio.shield(running)
    finally:
        await _end(machine, running, follower)


async def _end(
    machine: Machine, running: asyncio.Future[Completed], follower: Sequence[str]
) -> None:
    """End who follows, there and then here; a machine that does not answer is given up."""
    with suppress(BackstayError):
        for process in follower if not running.done() else ():
            await machine.run(f"kill {process}\n", deadline=END_SECONDS)
    await asyncio.wait([running], timeout=END_SECONDS)
    running.cancel()


def _script(zero: int, seconds: float) -> str:
    units = " ".join(f"-u {unit}" for unit in UNITS)
    pattern = "|".join((f"^{FOLLOWER}", *WORTH_HEARING))
    return (
        f"{{ timeout {seconds:.0f} journalctl --follow --no-tail --since=@{zero // SECOND}"
        f" --output=short-unix --quiet {units} & echo {FOLLOWER}$!; wait; }}"
        f" | grep --line-buffered -E '{pattern}'\n"
    )
