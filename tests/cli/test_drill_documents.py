"""docs/drill-report.md names everything that can be typed, as it is in the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.drill.faults.targets import ROLES
from backstay.drill.report.objectives import QUANTITIES
from backstay.drill.report.terms import TERMS, terms_of
from backstay.spec.parse import parse

TEXT = (Path(__file__).parents[2] / "docs" / "drill-report.md").read_text(encoding="utf-8")
CLUSTER = """\
name: a
endpoint: {vip: 10.0.0.9}
hosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]
"""


@pytest.mark.parametrize("name", [*ROLES, *QUANTITIES, *TERMS])
def test_every_word_of_targets_and_objectives_is_explained(name: str) -> None:
    """In a row of a table."""
    rows = (line for line in TEXT.splitlines() if line.startswith("| `"))
    assert any(f"`{name}`" in row.split(" | ")[0] for row in rows)


@pytest.mark.parametrize("term", TERMS)
def test_terms_have_the_values_of_the_profiles(term: str) -> None:
    """To the millisecond, and in the words of the program."""
    meaning, _ = TERMS[term]
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{term}` |"))
    values = [terms_of(parse(CLUSTER + f"profile: {one}"))[term] for one in ("default", "fast")]
    assert row.endswith("| " + " | ".join(f"{round(one, 3):g} s" for one in values) + " |")
    assert meaning in row
