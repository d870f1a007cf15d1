"""The search for an order, against histories whose verdicts are known."""

from __future__ import annotations

import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.oracle.register import Span, UndecidedError, is_linearizable

ARCHIVE = Path(__file__).with_name("linearizability.tar.xz")
"""Logs that Jepsen recorded, and Porcupine's verdicts (MIT, see README.md in it)."""

EVENT = re.compile(r"(\d+)\s+:(\w+)\s+:(\w+)\s+(.*)$")
NIL = "nil"

Doing = tuple[str, str, bool | None]


def logs() -> dict[str, str]:
    with tarfile.open(ARCHIVE) as archive:
        return {
            member.name.rpartition("/")[2]: archive.extractfile(member).read().decode()
            for member in archive
            if member.isfile()
        }


LOGS = logs()
VERDICTS = dict(line.split() for line in LOGS["verdicts.tsv"].splitlines() if line.strip())


def spans(text: str) -> Iterator[Span[Doing]]:
    """What a log says; a read that never returned says nothing."""
    pending: dict[str, tuple[int, str, str]] = {}
    for moment, line in enumerate(text.splitlines()):
        if (found := EVENT.search(line)) is None:
            continue
        process, phase, what, value = (part.strip() for part in found.groups())
        if phase == "invoke":
            pending[process] = (moment, what, value)
            continue
        called, what, argument = pending.pop(process)
        if phase == "ok":
            yield Span(called, moment, (what, value if what == "read" else argument, True))
        elif phase == "fail" and what == "cas":
            yield Span(called, moment, (what, argument, False))
        elif phase == "info" and what != "read":
            yield Span(called, None, (what, argument, None))
    for called, what, argument in pending.values():
        if what != "read":
            yield Span(called, None, (what, argument, None))


def step(state: str, doing: Doing) -> tuple[bool, str]:
    """A register that can be read, written, and compared and set."""
    what, value, worked = doing
    if what == "read":
        return state == value, state
    if what == "write":
        return True, value
    old, new = value.strip("[]").split()
    if worked is None:
        return True, new if state == old else state
    return (state == old, new) if worked else (state != old, state)


@pytest.mark.parametrize("name", VERDICTS)
def test_every_known_verdict_is_found(name: str) -> None:
    """Porcupine's expected verdict of each of Jepsen's logs is ours."""
    found = is_linearizable(tuple(spans(LOGS[name])), step, NIL)
    assert str(found).lower() == VERDICTS[name]


def test_there_are_verdicts_of_both_kinds() -> None:
    """The data can tell a judge that always says the same from one that judges."""
    assert set(VERDICTS.values()) == {"true", "false"}


def read_write(state: str | None, doing: tuple[bool, str | None]) -> tuple[bool, str | None]:
    writes, value = doing
    return (True, value) if writes else (state == value, state)


def brute(history: list[Span[tuple[bool, str | None]]]) -> bool:
    """Try every order: the definition, for a handful of operations."""

    def place(left: frozenset[int], state: str | None) -> bool:
        known = {one for one in left if history[one].returned is not None}
        if not known:
            return True
        limit = min(history[one].returned for one in known)
        for one in left:
            if history[one].called <= limit:
                fits, after = read_write(state, history[one].doing)
                if fits and place(left - {one}, after):
                    return True
        return False

    return place(frozenset(range(len(history))), None)


@st.composite
def histories(draw: st.DrawFn) -> list[Span[tuple[bool, str | None]]]:
    """Few operations on one register, with distinct moments, some of them without a return."""
    count = draw(st.integers(0, 6))
    moments = draw(st.permutations(range(2 * count)))
    found = []
    for number in range(count):
        called, returned = sorted(moments[2 * number : 2 * number + 2])
        writes = draw(st.booleans())
        value = draw(st.sampled_from(["a", "b", "c"] if writes else ["a", "b", "c", None]))
        unknown = writes and draw(st.booleans())
        found.append(Span(called, None if unknown else returned, (writes, value)))
    return found


@given(histories())
def test_the_search_agrees_with_trying_everything(
    history: list[Span[tuple[bool, str | None]]],
) -> None:
    """On small histories the answer is the definition's."""
    assert is_linearizable(history, read_write, None) == brute(history)


def hopeless(size: int) -> list[Span[tuple[bool, str | None]]]:
    """Writes that all overlap, then a read of what nobody wrote: every subset must be tried."""
    writes = [Span(0, size + 1, (True, str(number))) for number in range(size)]
    return [*writes, Span(size + 2, size + 3, (False, "nobody's"))]


def test_a_search_that_takes_too_long_is_undecided() -> None:
    """Running out of time is its own answer, and comes in time."""
    began = time.monotonic()
    with pytest.raises(UndecidedError):
        is_linearizable(
            hopeless(40), read_write, None, expired=lambda: time.monotonic() - began > 0.2
        )
    assert time.monotonic() - began < 5


def test_fifty_thousand_operations_are_searched_in_as_many_steps() -> None:
    """A history as drills make them needs hardly more than a step for each of its entries."""
    steps = 0

    def counting(state: str | None, doing: tuple[bool, str | None]) -> tuple[bool, str | None]:
        nonlocal steps
        steps += 1
        return read_write(state, doing)

    count = 1000
    history = []
    for number in range(count):
        called = 10 * number
        doing = (True, str(number)) if number % 2 else (False, str(number - 1) if number else None)
        history.append(Span(called, called + 15, doing))
    assert is_linearizable(history, counting, None)
    assert steps < 3 * count
