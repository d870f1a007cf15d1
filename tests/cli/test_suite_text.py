"""One table for a suite: as wide as a terminal, with the reason of whatever did not pass."""

from __future__ import annotations

from dataclasses import replace

from inline_snapshot import snapshot

from backstay.cli.drill_text import verdict_line
from backstay.cli.suite_text import suite_text
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.report.document import Drilled, Undrilled, drilled
from backstay.drill.report.repeats import repeats
from backstay.planning.look import Detail, Look
from fakes.drill_stories import BAD, GOOD, story

LOOK = Look()
LONGEST = max(SCENARIOS, key=len)


def one(*objectives: str, name: str = "etcd-leader-kill", bad: bool = False) -> Drilled:
    found = drilled(story(objectives=objectives), BAD if bad else GOOD)
    header = replace(found.header, scenario=name)
    return replace(found, history=replace(found.history, header=header))


def text(*found: Drilled | Undrilled, look: Look = LOOK) -> str:
    return suite_text(repeats(found), look)


def test_the_table_says_what_was_missed_and_counts_scenarios() -> None:
    """Whoever reads `fail` reads below it why; what was met is not repeated."""
    undrilled = Undrilled("disk-full-follower", "no machine is both")
    said = text(one("gap<2s"), one("gap<1s", name="idle", bad=True), undrilled)
    assert said == snapshot("""\
DRILL               VERDICT      GAP     FAILED  RETRIED  LOST
etcd-leader-kill    pass         1.46 s  16      1        0
idle                fail         1.46 s  16      1        1
disk-full-follower  not drilled  –       –       –        –

idle
  ✗ gap<1s         1.46 s     longest time without an acknowledged write through the virtual address
  ✗ lost writes      etcd: what is there at the end is not what was acknowledged
      etcd cp-2 has nothing for a-004; lost: write of a-004 by etcd-cp-1 at 6.001 s
  ? linearizability  not decided in 20 s
disk-full-follower
  ? Not drilled: no machine is both.

1 of 3 scenarios passed, 2 drills, 6,866 operations, 1 acknowledged write lost\
""")


def test_repetitions_say_what_their_numbers_are() -> None:
    """The worst, or the median where that is asked; together they are one scenario."""
    said = text(*[one("gap<2s", "median gap<2s", "failed<=20")] * 3)
    assert said == snapshot("""\
DRILL                VERDICT  GAP     FAILED  RETRIED  LOST
etcd-leader-kill     pass     1.46 s  16      1        0
etcd-leader-kill     pass     1.46 s  16      1        0
etcd-leader-kill     pass     1.46 s  16      1        0
etcd-leader-kill ×3  pass     1.46 s  16      1        0

In rows with ×, times are medians, counts the highest, and losses the sum.

etcd-leader-kill ×3
  ✓ gap<2s         1.46 s     worst of 3: longest time without an acknowledged write through the vi…
  ✓ median gap<2s  1.46 s     median of 3: longest time without an acknowledged write through the v…
  ✓ failed<=20     16         worst of 3: requests at the endpoint that failed, reads that client-g…

1 of 1 scenario passed, 3 drills, 10,299 operations, 0 acknowledged writes lost\
""")


def test_the_table_fits_a_terminal_whatever_is_drilled() -> None:
    """A hundred columns hold the longest name with its repetitions; -o wide has all columns."""
    undrilled = Undrilled(LONGEST, "nobody")
    found = [*[one("gap<2s", name=LONGEST)] * 10, undrilled]
    table = text(*found).split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 100
    assert "OPERATIONS" not in table
    assert "OPERATIONS" in text(*found, look=replace(LOOK, detail=Detail.FULL))


def test_a_verdict_that_is_too_long_for_a_line_has_one_for_each_sentence() -> None:
    """Cut off at the end of a line, the most important half of it would be gone."""
    short = verdict_line(one(), replace(LOOK, width=300))
    assert "\n" not in short
    lines = verdict_line(one("gap<1s"), LOOK).splitlines()
    assert [line.strip() for line in lines[1:]] == [
        "Nothing that was acknowledged was lost.",
        "Missed: gap<1s.",
    ]
    assert max(map(len, lines)) <= 100


def test_a_median_is_no_reason_of_a_single_drill() -> None:
    """Nothing is asked of it, so that nothing is missed."""
    assert "median" not in text(one("median gap<1s"))
