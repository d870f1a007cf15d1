"""The arithmetic of measuring side by side, and what a process is said to have used."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.measure import Pair, run, seconds_of, side_by_side

MEGABYTES = 64


def told(name: str, into: list[str], seconds: Iterator[float]) -> Callable[[], float]:
    def measure() -> float:
        into.append(name)
        return next(seconds)

    return measure


def test_sides_take_turns_at_going_first() -> None:
    """A B B A A B: a computer that grows slower, or faster, does so for both."""
    order: list[str] = []
    pair = side_by_side(
        told("A", order, iter((1.0, 2.0, 3.0))), told("B", order, iter((4.0, 5.0, 6.0))), rounds=3
    )
    assert "".join(order) == "ABBAAB"
    assert pair == Pair((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


def test_ratio_is_the_median_of_the_rounds_own() -> None:
    """One round that a neighbour disturbed does not move it."""
    assert Pair((1.0, 2.0, 90.0), (2.0, 4.0, 9.0)).ratio == pytest.approx(0.5)


def test_seconds_of_a_call_pass_while_it_works() -> None:
    """The call is made once."""
    calls: list[int] = []
    assert 0 <= seconds_of(lambda: calls.append(1)) < 1
    assert calls == [1]


def test_memory_is_that_of_the_program_and_not_of_who_started_it() -> None:
    """A small program stays small, however much this process holds."""
    ballast = bytearray(4 * MEGABYTES * 1024 * 1024)
    ballast[::4096] = b"x" * len(ballast[::4096])
    ended = run((sys.executable, "-S", "-c", "pass"))
    assert ended.resident_megabytes < MEGABYTES
    del ballast


def test_memory_that_a_program_touches_counts() -> None:
    """So that the test above cannot hold by measuring nothing."""
    script = f"x = b'x' * ({MEGABYTES} * 1024 * 1024)"
    assert run((sys.executable, "-S", "-c", script)).resident_megabytes > MEGABYTES


def test_processor_time_is_less_than_wall_time_of_one_that_waits() -> None:
    """Waiting costs nothing."""
    ended = run((sys.executable, "-S", "-c", "import time; time.sleep(0.3)"))
    assert ended.processor_seconds < 0.3 <= ended.wall_seconds


def test_a_program_that_fails_breaks_the_measurement_and_is_quoted() -> None:
    """Numbers of failures are not numbers."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(("sh", "-c", "echo no room; exit 3"))
    assert (caught.value.returncode, caught.value.output) == (3, "no room\n")


MEASURING = """
import signal, sys
from bench.measure import run
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
run(("sh", "-c", f"echo $$ >{sys.argv[1]}.new; mv {sys.argv[1]}.new {sys.argv[1]}; exec sleep 60"))
"""


def test_what_was_started_ends_with_a_measurement_that_is_broken_off(tmp_path: Path) -> None:
    """Or an orphan would go on with machines that are being removed."""
    told = tmp_path / "pid"
    words = (sys.executable, "-c", MEASURING, str(told))
    with subprocess.Popen(words, cwd=Path(__file__).parents[2]) as measuring:
        end = time.monotonic() + 20
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.01)
        measuring.terminate()
    assert measuring.returncode == 3
    assert not Path(f"/proc/{told.read_text().strip()}").exists()
