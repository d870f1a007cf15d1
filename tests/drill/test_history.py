"""A history's file holds all of it, and says what is wrong with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.history import History
from backstay.drill.history_file import (
    TAGS,
    BadHistoryError,
    header_line,
    read_history,
    record_line,
)
from fakes.any_histories import HISTORIES
from fakes.drill_histories import history


def lines(found: History) -> list[str]:
    return [
        f"{header_line(found.header)}\n",
        *(f"{record_line(one)}\n" for one in found.records),
    ]


@given(HISTORIES)
def test_what_is_written_is_read(found: History) -> None:
    """No field of any record is lost or changed on the way through a file."""
    assert read_history(lines(found)) == found


@given(st.data())
def test_a_line_that_was_cut_short_is_left_out(data: st.DataObject) -> None:
    """A drill that was killed leaves part of a line; what came before it can be judged."""
    good = history(1, clients=1, each=3)
    first, *whole = lines(good)
    text = "".join(whole)
    cut = text[: data.draw(st.integers(0, len(text)))]
    found = read_history([first, *cut.splitlines(keepends=True)])
    assert found.records == good.records[: cut.count("\n")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "line 1: it is no JSON"),
        (["[]\n"], "line 1: it is no object"),
        (['{"format":99}\n'], "line 1: format 99, this version reads 1"),
        (['{"format":1,"scenario":"x"}\n'], "line 1: "),
        (['{"format":1,"colour":"x"}\n'], "line 1: "),
        ([lines(history(1))[0], "{}\n"], "line 2: "),
        ([lines(history(1))[0], "nonsense\n"], "line 2: it is no JSON"),
        ([lines(history(1))[0], '{"is":"op","client":7}\n'], "line 2: "),
    ],
)
def test_what_is_no_history_is_refused_with_its_line(text: list[str], said: str) -> None:
    """Neither another file nor a damaged one is judged."""
    with pytest.raises(BadHistoryError, match=said):
        read_history(text)


def test_a_history_from_before_its_clients_said_their_rates_is_read() -> None:
    """A kept history is judged again by whatever version comes."""
    good = history(1)
    assert '"rate"' not in header_line(good.header)
    assert {one.rate for one in read_history(lines(good)).header.clients} == {0.0}


def test_a_line_is_short() -> None:
    """What has its usual value is not written: a hundred thousand operations fit in a mail."""
    operation = next(one for one in history(1).records if type(one) is TAGS["op"])
    assert "told_to_retry" not in json.loads(record_line(operation))
