"""A history's file holds all of it, and says what is wrong with it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.history import (
    TAGS,
    BadHistoryError,
    Client,
    Connection,
    Header,
    History,
    Path,
    header_line,
    read_history,
    record_line,
)
from fakes.drill_histories import history

RECORDS = st.one_of(*(st.from_type(kind) for kind in TAGS.values()))
CLIENTS = st.builds(
    Client, st.text(), st.sampled_from(Path), st.sampled_from(Connection), st.booleans(), st.text()
)
TEXTS = st.lists(st.text(), max_size=3).map(tuple)
HEADERS = st.builds(
    Header,
    scenario=st.text(),
    cluster=st.text(),
    started=st.text(),
    command=st.text(),
    seed=st.integers(),
    clients=st.lists(CLIENTS, max_size=3).map(tuple),
    targets=TEXTS,
    explanation=st.text(),
    objectives=TEXTS,
    members=TEXTS,
    planes=TEXTS,
    versions=st.dictionaries(st.text(), st.text()),
    settings=st.dictionaries(st.text(), st.text()),
    load=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    format=st.just(1),
)
HISTORIES = st.builds(History, HEADERS, st.lists(RECORDS).map(tuple))


def lines(found: History) -> list[str]:
    return [
        f"{header_line(found.header)}\n",
        *(f"{record_line(one)}\n" for one in found.records),
    ]


@given(HISTORIES)
def test_what_is_written_is_read(found: History) -> None:
    """No field of any record is lost or changed on the way through a file."""
    assert read_history(lines(found)) == found


def test_a_line_that_was_cut_short_is_left_out() -> None:
    """A drill that was killed leaves half a line; what came before it can be judged."""
    whole = lines(history(1))
    assert read_history([*whole[:-1], whole[-1][:20]]).records == history(1).records[:-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "line 1 is no JSON"),
        (["[]\n"], "line 1 is no object"),
        (['{"format":99}\n'], "line 1: format 99, this version reads 1"),
        (['{"format":1,"scenario":"x"}\n'], "line 1: "),
        (['{"format":1,"colour":"x"}\n'], "line 1: "),
        ([lines(history(1))[0], "{}\n"], "line 2: "),
        ([lines(history(1))[0], "nonsense\n"], "line 2 is no JSON"),
        ([lines(history(1))[0], '{"is":"op","client":7}\n'], "line 2: "),
    ],
)
def test_what_is_no_history_is_refused_with_its_line(text: list[str], said: str) -> None:
    """Neither another file nor a damaged one is judged."""
    with pytest.raises(BadHistoryError, match=said):
        read_history(text)


def test_a_line_is_short() -> None:
    """What has its usual value is not written: a hundred thousand operations fit in a mail."""
    operation = next(one for one in history(1).records if type(one) is TAGS["op"])
    assert "told_to_retry" not in json.loads(record_line(operation))
