"""Run things side by side: A B B A, so that a busy computer is busy for both."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Seconds of both sides, in rounds; the ratio is the median of the rounds' own."""

    ours: tuple[float, ...]
    beside: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return statistics.median(a / b for a, b in zip(self.ours, self.beside, strict=True))


def side_by_side(
    ours: Callable[[], float], beside: Callable[[], float], *, rounds: int = 2
) -> Pair:
    """Measure A B B A, `rounds` measurements of each side."""
    first: list[float] = []
    second: list[float] = []
    for number in range(rounds):
        sides = [(first, ours), (second, beside)]
        for into, measure in sides if number % 2 == 0 else reversed(sides):
            into.append(measure())
    return Pair(tuple(first), tuple(second))


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_seconds_of(work: Callable[[], object]) -> float:
    """Return how long a call keeps a processor busy in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


@dataclass(frozen=True)
class Ended:
    """A process that ended: its wall time, its processor time, its largest resident memory."""

    wall_seconds: float
    processor_seconds: float
    resident_megabytes: float


# Between us and the program, because a process is said to have had the memory of whoever started
# it: what it was before exec counts. Ctrl-C, which the program gets as well, is left to it; when
# we end before it, it ends too, also when that comes before the launcher knows whom to end.
LAUNCHER = """
import json, os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
began = time.perf_counter()
child = os.posix_spawnp(
    sys.argv[2], sys.argv[2:], os.environ, setsigdef=[signal.SIGINT], setsigmask=before
)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
signal.pthread_sigmask(signal.SIG_SETMASK, before)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
told = [wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
os.write(int(sys.argv[1]), json.dumps(told).encode())
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
"""


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
    """Run a program to its end; CalledProcessError with what it said when it fails."""
    reading, writing = os.pipe()
    with open(reading, "rb") as report:  # noqa: PTH123  # a descriptor has no path
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", "-c", LAUNCHER, str(writing), *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=None if env is None else {**os.environ, **env},
            pass_fds=(writing,),
        )
        os.close(writing)
        with process:
            try:
                said, _ = process.communicate(stdin)
            finally:
                process.terminate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, argv, said)
        return Ended(*json.loads(report.read()))
