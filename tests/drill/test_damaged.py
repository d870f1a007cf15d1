"""A damaged file of a history is refused by its line, or judged and shown; it never ends us."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.cli.drilling import page_text
from backstay.drill.history_file import BadHistoryError, header_line, read_history, record_line
from backstay.drill.report.document import document
from backstay.operations.drill import judged
from fakes.drill_histories import history

GOOD = history(1, clients=2, each=4)
LINES = [header_line(GOOD.header), *map(record_line, GOOD.records)]
ODD = st.sampled_from(
    [None, True, -1, 0, 2**80, 1.5, 1e300, "", "x", "\ud800", [], [1], {}, {"a": []}, "</script>"]
)
JSON = ODD | st.text() | st.integers() | st.recursive(ODD, lambda one: st.lists(one, max_size=2))


@st.composite
def damaged(draw: st.DrawFn) -> list[str]:
    """A good file in which one field of one line is something else, or gone, or new."""
    place = draw(st.integers(0, len(LINES) - 1))
    fields = json.loads(LINES[place])
    name = draw(st.sampled_from([*fields, "value", "modified", "error", "new"]))
    if draw(st.booleans()):
        fields[name] = draw(JSON)
    else:
        fields.pop(name, None)
    lines = [*LINES[:place], json.dumps(fields), *LINES[place + 1 :]]
    return [f"{line}\n" for line in lines]


@given(damaged())
def test_what_can_be_read_can_be_judged_and_shown(lines: list[str]) -> None:
    """Whatever passes the reader passes everything behind it."""
    try:
        found = judged(read_history(lines))
    except BadHistoryError as error:
        assert str(error).startswith("line ")
        return
    page_text(found).encode()
    json.dumps(document(found))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[" * 100_000, "line 2"),
        ('{"is":["op"]}', "line 2: "),
        ('{"is":"op","client":["a"]}', "line 2: client cannot be"),
        ('{"is":"mark","at":1e400,"kind":"note","subject":""}', "line 2: at cannot be 'inf'"),
        ('{"is":"mark","at":1,"kind":"note","subject":"\\udc80"}', "line 2: subject cannot be"),
    ],
)
def test_what_is_damaged_is_told_with_its_line(line: str, said: str) -> None:
    """The field and what it holds, as far as a line of a terminal goes."""
    with pytest.raises(BadHistoryError, match=said):
        read_history([f"{LINES[0]}\n", f"{line}\n"])


def test_an_operation_of_nobody_is_refused() -> None:
    """Numbers are given by client."""
    operation = next(line for line in LINES if '"is":"op"' in line)
    stranger = json.dumps({**json.loads(operation), "client": "nobody"})
    with pytest.raises(BadHistoryError, match="line 2: there is no client 'nobody'"):
        read_history([f"{LINES[0]}\n", f"{stranger}\n"])
