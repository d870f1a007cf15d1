"""The plot that grows says what the plot of the whole drill says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.drill.history import (
    SECOND,
    Action,
    Client,
    Connection,
    Header,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
    Record,
)
from backstay.drill.report.growing import COLUMN, HEAD, KEPT, Growing
from backstay.drill.report.plot import LABEL
from backstay.planning.look import ASCII, Look, unpainted
from fakes.drill_stories import story

LOOK = Look(ASCII, unpainted, width=80)
HEADER = story().header


def growing_of(*records: Record, lasting: Mapping[str, float] | None = None) -> Growing:
    growing = Growing(lasting or {})
    growing.begin(HEADER)
    for one in records:
        growing.take(one)
    return growing


def grown(*records: Record) -> list[str]:
    return list(growing_of(*records).lines(LOOK))


def bars(line: str) -> str:
    """What stands between the name of a group and its numbers."""
    return line[LABEL : -len(HEAD)].rstrip()


def numbers(line: str) -> list[str]:
    """Asked, failed, longest gap."""
    return line[-len(HEAD) :].split(maxsplit=2)


def phase(at: int, name: str) -> Mark:
    return Mark(at, Kind.PHASE, name)


def operation(at: int, outcome: Outcome = Outcome.OK, *, waited: int = SECOND // 500) -> Operation:
    client = next(one.name for one in HEADER.clients if not one.watches)
    return Operation(client, Action.WRITE, "k", at - waited, at, outcome, "v")


def test_nothing_is_drawn_before_anybody_was_answered() -> None:
    """A region of no lines takes no room."""
    assert grown() == []


def test_each_column_has_its_slowest_answer() -> None:
    """Two milliseconds, then one second, then silence, then two again."""
    slow = operation(COLUMN * 2 - 1, waited=SECOND)
    found = grown(operation(COLUMN - 1), operation(COLUMN - 2), slow, operation(COLUMN * 4 - 1))
    assert bars(found[1]) == "_# _"


def test_a_failure_crosses_all_that_its_caller_waited_through() -> None:
    """A time-out of a second is four columns; one in which others succeed is crossed otherwise."""
    failed = operation(COLUMN * 5 - 1, Outcome.UNKNOWN, waited=SECOND)
    assert bars(grown(operation(COLUMN - 1), failed)[1]) == "!xxxx"


def test_the_latest_columns_are_shown_and_the_others_forgotten() -> None:
    """A drill of an hour takes no more room than one of a minute."""
    places = range(KEPT * 2)
    operations = [operation((place + 1) * COLUMN - 1) for place in places]
    moves = [Mark(place * COLUMN, Kind.LEADER, "cp-1", f"cp-{place % 2}") for place in places]
    growing = growing_of(*operations, *moves)
    assert all(len(one.columns) <= KEPT for one in growing.groups.values())
    assert len(growing.moments) <= KEPT + 1


@given(st.integers(73, 200), st.integers(0, 20))
def test_no_line_is_wider_than_the_terminal(width: int, until: int) -> None:
    """Whatever its width, and however much of the drill is over."""
    records = [one for one in STORY if at(one) <= until * SECOND]
    lines = growing_of(*records).lines(Look(width=width))
    assert max((len(one) for one in lines), default=0) < width


def at(record: Record) -> int:
    return record.returned if isinstance(record, Operation) else getattr(record, "at", 0)


STORY = sorted((one for one in story().records if isinstance(one, Mark | Operation)), key=at)


def test_a_drill_as_it_is_seen_while_it_runs() -> None:
    """Phase and clock, the numbers so far beside the plot, and what happened under its columns."""
    growing = growing_of(
        *(one for one in STORY if at(one) <= 12.5 * SECOND),
        lasting={"fault": 4.0, "settle": 2.0},
    )
    assert list(growing.lines(Look(width=86), 13 * SECOND)) == snapshot(
        [
            "settled  1 of 2 s                                          ASKED  FAILED  LONGEST GAP",
            "vip kept     ▄▃▃▃▄▄▃▃▃▃▃▃▃▃▃▃×××××!!!▃▃▃▃▃▄▃▄▃▃▃▃▃▃▃▃▃▃    1,112      11       1.44 s",
            "vip new      ▃▃▃▃▃▃▂▃▃▃▃▃▃▃▃▃×××××!!!▃▃▃▃▂▃▃▂▂▃▃▂▃▃▃▃▃▃      441       5       1.44 s",
            "node kept    ▃▃▃▃▂▃▃▃▄▃▃▃▃▃▃!×××××!!!!!!!!!!!!▃▃▃▃▃▃▃▃▃      612      12       1.47 s",
            "etcd kept    ▃▃▃▃▂▃▃▃▃▃▃▂▃▃▃!×××××!!!!!!!!!!!!▃▃▃▃▃▃▃▂▄      618      11       1.43 s",
            "                             ↑   ↑↑          ↑ undone",
            "             ▁ 1 ms … █ 1 s, log scale   × nothing acknowledged   ! some failed",
        ]
    )


def test_numbers_count_what_was_asked_and_failed() -> None:
    """A failed request is one that was asked, too."""
    failed = operation(COLUMN, Outcome.FAIL)
    line = grown(operation(COLUMN - 1), failed, operation(COLUMN * 2))[1]
    assert numbers(line)[:2] == ["3", "1"]


def test_the_gap_is_the_one_from_the_fault_on_and_grows_while_nobody_answers() -> None:
    """As in the report: what was slow before does not count, and what still lasts does."""
    before = (operation(0), operation(5 * SECOND))
    assert numbers(grown(*before)[1])[2] == "5.00 s"
    fault = Mark(6 * SECOND, Kind.FAULT, "cp-1", "injected", "kill etcd")
    growing = growing_of(*before, phase(6 * SECOND, "fault"), fault)
    assert numbers(list(growing.lines(LOOK, 8 * SECOND))[1])[2] == "2.00 s"
    growing.take(operation(9 * SECOND))
    assert numbers(list(growing.lines(LOOK, 9 * SECOND))[1])[2] == "3.00 s"
    growing.take(phase(10 * SECOND, "final"))
    assert numbers(list(growing.lines(LOOK, 60 * SECOND))[1])[2] == "3.00 s"


def test_what_was_never_answered_has_no_gap() -> None:
    """A dash, and no nought."""
    assert numbers(grown(operation(COLUMN, Outcome.FAIL))[1]) == ["1", "1", "-"]


@pytest.mark.parametrize(
    ("name", "seconds", "said"),
    [
        ("warm-up", 3, "warm-up  3 of 4 s"),
        ("healed", 3, "healing  3 of 60 s at most"),
        ("final", 3, "last reads  3 s"),
        ("warm-up", 5, "warm-up  5 s"),
        ("end", 3, ""),
    ],
)
def test_the_phase_has_a_clock(name: str, seconds: int, said: str) -> None:
    """With how long it lasts, as far as that is known, and as long as it is true."""
    growing = growing_of(phase(SECOND, name), lasting={"warm-up": 4.0, "healed": 60.0})
    assert "".join(growing.lines(LOOK, (1 + seconds) * SECOND)) == said


def test_the_clock_of_a_fault_begins_with_the_fault() -> None:
    """Bringing it onto a machine takes a while, which is none of its time."""
    fault = Mark(3 * SECOND, Kind.FAULT, "cp-1", "injected", "kill etcd")
    second = Mark(5 * SECOND, Kind.FAULT, "cp-2", "injected", "kill etcd")
    growing = growing_of(phase(SECOND, "fault"), fault, second, lasting={"fault": 10.0})
    assert list(growing.lines(LOOK, 7 * SECOND)) == ["fault  4 of 10 s"]


def test_marks_are_words_where_there_is_room_and_arrows_where_there_is_none() -> None:
    """Who led at first is no news; two in one column are one arrow, the first one's."""
    marks = (
        Mark(0, Kind.LEADER, "cp-1", "cp-1"),
        Mark(0, Kind.VIP, "cp-1", "holds"),
        Mark(4 * COLUMN, Kind.FAULT, "cp-1", "injected", "kill etcd"),
        Mark(6 * COLUMN, Kind.LEADER, "cp-2", "cp-2"),
        Mark(6 * COLUMN + 1, Kind.LEADER, "cp-3", "cp-2"),
        Mark(7 * COLUMN, Kind.VIP, "cp-2", "holds"),
        Mark(7 * COLUMN + 1, Kind.FAULT, "cp-1", "undone", "kill etcd"),
    )
    assert grown(operation(1), *marks)[2].strip() == "^ ^^ cp-2 holds"
    assert grown(operation(1), *marks)[2].index("^") == LABEL + 4


def test_watches_and_strangers_are_left_out() -> None:
    """They send nothing that could be slow."""
    watch = Client("w", Path.VIP, Connection.KEPT, watches=True)
    growing = Growing()
    growing.begin(Header("s", "c", "", "", 0, (watch,)))
    growing.take(Operation("w", Action.READ, "k", 0, 1, Outcome.OK))
    assert list(growing.lines(LOOK)) == []
