"""Run things side by side: A B B A, so that a busy computer is busy for both."""

from __future__ import annotations

import os
import statistics
import subprocess
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


@dataclass(frozen=True)
class Ended:
    """A process that ended: its wall time, its processor time, its largest resident memory."""

    wall_seconds: float
    processor_seconds: float
    resident_megabytes: float


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
    """Run a program to its end; CalledProcessError with what it said when it fails."""
    began = time.perf_counter()
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=None if env is None else {**os.environ, **env},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(stdin.encode())
        process.stdin.close()
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, argv, said.decode())
    wall = time.perf_counter() - began
    return Ended(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
