"""The plot that grows says what the plot of the whole drill says."""

from __future__ import annotations

from backstay.drill.history import SECOND, Action, Client, Connection, Operation, Outcome, Path
from backstay.drill.report.growing import COLUMN, KEPT, Growing
from backstay.planning.look import ASCII, Look, unpainted
from fakes.drill_stories import story

LOOK = Look(ASCII, unpainted, width=60)
HEADER = story().header


def grown(*operations: Operation) -> list[str]:
    growing = Growing()
    growing.begin(HEADER)
    for one in operations:
        growing.take(one)
    return list(growing.lines(LOOK))


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
    assert found[1].split(maxsplit=2)[2] == "_# _"


def test_a_failure_crosses_all_that_its_caller_waited_through() -> None:
    """A time-out of a second is four columns; one in which others succeed is crossed otherwise."""
    failed = operation(COLUMN * 5 - 1, Outcome.UNKNOWN, waited=SECOND)
    assert grown(operation(COLUMN - 1), failed)[1].split(maxsplit=2)[2] == "!xxxx"


def test_the_latest_columns_are_shown_and_the_others_forgotten() -> None:
    """A drill of an hour takes no more room than one of a minute."""
    growing = Growing()
    growing.begin(HEADER)
    for place in range(KEPT * 2):
        growing.take(operation((place + 1) * COLUMN - 1))
    assert all(len(columns) <= KEPT for columns in growing.groups.values())
    assert {len(line) for line in growing.lines(LOOK)} <= set(range(60)) | {len(HEAD)}


HEAD = next(line for line in grown(operation(COLUMN)) if line.startswith("latency"))


def test_watches_and_strangers_are_left_out() -> None:
    """They send nothing that could be slow."""
    watch = Client("w", Path.VIP, Connection.KEPT, watches=True)
    growing = Growing()
    growing.begin(HEADER.__class__("s", "c", "", "", 0, (watch,)))
    growing.take(Operation("w", Action.READ, "k", 0, 1, Outcome.OK))
    assert list(growing.lines(LOOK)) == []
