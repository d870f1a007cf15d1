"""A fatal line is held against a cluster unless the fault itself explains it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstay.drill.faults.kinds import FillDisk, foreseen
from backstay.drill.history import SECOND, History, Kind, LogLine, Mark
from backstay.drill.oracle import logs
from backstay.drill.oracle.stores import phases
from backstay.drill.oracle.verdict import Verdict
from fakes.drill_histories import history

DURING = phases(history(1))["fault"] + SECOND // 10
HEALED = DURING + SECOND

TEXT = '{"level":"fatal","msg":"failed to commit tx","error":"write db: no space left on device"}'


def full(line: LogLine, *, words: tuple[str, ...] = foreseen(FillDisk())) -> History:
    """A drill in which cp-2's disk was full, with a line of a log."""
    good = history(1)
    header = replace(good.header, targets=("cp-2",), foreseen=words)
    return History(header, (*good.records, Mark(HEALED, Kind.PHASE, "healed"), line))


def test_a_member_without_room_may_end_itself() -> None:
    """It is told of as evidence, and no failure."""
    found = logs.check(full(LogLine("cp-2", "etcd", TEXT, DURING)))
    assert found.verdict is Verdict.PASS
    assert (
        found.what == "no program wrote of a panic, but for 1 line that the fault itself explains"
    )
    (said,) = found.evidence
    assert said.endswith(f"cp-2 etcd: {TEXT}")


@pytest.mark.parametrize(
    "line",
    [
        LogLine("cp-1", "etcd", TEXT, DURING),
        LogLine("cp-2", "etcd", TEXT, 1),
        LogLine("cp-2", "etcd", TEXT, HEALED),
        LogLine("cp-2", "etcd", TEXT),
        LogLine("cp-2", "etcd", "panic: assertion failed", DURING),
    ],
    ids=["elsewhere", "before", "after", "at an unknown time", "of something else"],
)
def test_nothing_else_is_excused(line: LogLine) -> None:
    """Neither another machine's line, nor one of another time or another trouble."""
    assert logs.check(full(line)).verdict is Verdict.FAIL


def test_other_faults_excuse_nothing() -> None:
    """Where nobody took the room, a disk that is full is a finding."""
    line = LogLine("cp-2", "etcd", TEXT, DURING)
    assert logs.check(full(line, words=())).verdict is Verdict.FAIL
