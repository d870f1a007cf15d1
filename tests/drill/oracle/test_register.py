"""The search for an order, against histories whose verdicts are known."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.oracle.register import Span, UndecidedError, misfit

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
    found = misfit(tuple(spans(LOGS[name])), step, NIL)
    assert VERDICTS[name] == ("true" if found is None else "false")


def test_there_are_verdicts_of_both_kinds() -> None:
    """The data can tell a judge that always says the same from one that judges."""
    assert set(VERDICTS.values()) == {"true", "false"}


def read_write(state: str | None, doing: tuple[bool, str | None]) -> tuple[bool, str | None]:
    writes, value = doing
    return (True, value) if writes else (state == value, state)


ReadWrite = Span[tuple[bool, str | None]]


def has_an_order(history: Sequence[ReadWrite]) -> bool:
    """Try every order: the definition, for a handful of operations."""

    def place(left: frozenset[int], state: str | None) -> bool:
        returns = [history[one].returned for one in left]
        limit = min((one for one in returns if one is not None), default=None)
        if limit is None:
            return True
        for one in left:
            if history[one].called <= limit:
                fits, after = read_write(state, history[one].doing)
                if fits and place(left - {one}, after):
                    return True
        return False

    return place(frozenset(range(len(history))), None)


@st.composite
def histories(draw: st.DrawFn) -> list[ReadWrite]:
    """Few operations on one register, some at the same moments, some without a return."""
    found = []
    for _ in range(draw(st.integers(0, 7))):
        called = draw(st.integers(0, 12))
        returned = called + draw(st.integers(0, 5))
        writes = draw(st.booleans())
        value = draw(st.sampled_from(["a", "b"] if writes else ["a", "b", None]))
        unknown = draw(st.sampled_from([False, False, True]))
        found.append(Span(called, None if unknown else returned, (writes, value)))
    return found


@given(histories())
@settings(max_examples=150)
def test_the_search_agrees_with_trying_everything(history: list[ReadWrite]) -> None:
    """On small histories the answer is the definition's."""
    assert (misfit(history, read_write, None) is None) == has_an_order(history)


def until(history: Sequence[ReadWrite], moment: int) -> list[ReadWrite]:
    """A history as it was known then."""
    return [
        one if one.returned is not None and one.returned <= moment else replace(one, returned=None)
        for one in history
        if one.called <= moment
    ]


@given(histories())
@settings(max_examples=150)
def test_the_misfit_is_the_first_return_that_makes_no_sense(history: list[ReadWrite]) -> None:
    """Before it there was an order, with it there is none: people look where it went wrong."""
    number = misfit(history, read_write, None)
    if number is not None:
        returned = history[number].returned
        assert returned is not None
        assert has_an_order(until(history, returned - 1))
        assert not has_an_order(until(history, returned))


def hopeless(size: int) -> list[ReadWrite]:
    """Writes that all overlap, then a read of what nobody wrote: every subset must be tried."""
    writes = [Span(0, size + 1, (True, str(number))) for number in range(size)]
    return [*writes, Span(size + 2, size + 3, (False, "nobody's"))]


def test_a_search_that_takes_too_long_is_undecided() -> None:
    """Running out of time is its own answer; the clock is looked at again and again."""
    looks = iter([False, False, True])
    with pytest.raises(UndecidedError):
        misfit(hopeless(40), read_write, None, expired=lambda: next(looks))
    assert next(looks, None) is None


def test_what_was_tried_is_not_tried_again() -> None:
    """Of ten writes at once there are millions of orders, but few sets and last values."""
    steps = 0

    def counting(state: str | None, doing: tuple[bool, str | None]) -> tuple[bool, str | None]:
        nonlocal steps
        steps += 1
        return read_write(state, doing)

    size = 10
    assert misfit(hopeless(size), counting, None) == size
    assert steps <= size**2 * 2**size
