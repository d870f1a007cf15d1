"""What `backstay drill undo` says, and with which exit code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backstay.errors import StepFailedError
from backstay.operations import drill_undo
from fakes.program import Program

CLUSTER = """\
name: drilled
endpoint: {vip: 127.0.0.100}
hosts: [{name: a, address: 127.0.0.1, port: 1, roles: [control-plane]}]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "cluster.yaml"
    path.write_text(CLUSTER)
    return str(path)


def test_machines_that_do_not_answer_are_not_called_clean(backstay: Program, file: str) -> None:
    """Nobody was asked: exit code 4, and not a word of all being well."""
    said = backstay("drill", "undo", "-c", file)
    assert said.code == 4, said.err
    assert "nobody knows what a drill left there" in said.err
    assert "Nothing of any drill is left" not in said.err + said.out


def test_what_was_undone_is_told_though_something_is_left(
    backstay: Program, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes last."""

    async def undo(_spec: object, _machines: object, *, tell: Callable[[str, str], None]) -> None:
        tell("a", "table x")
        raise StepFailedError("what a drill left is not undone", where="b")

    monkeypatch.setattr(drill_undo, "undo", undo)
    said = backstay("drill", "undo", "-c", file)
    assert said.code == 1
    assert said.err.index("a: undone: table x") < said.err.index("is not undone")
    assert "Nothing of any drill is left" not in said.err


def test_where_nothing_was_left_that_is_said(
    backstay: Program, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then."""

    async def undo(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(drill_undo, "undo", undo)
    said = backstay("drill", "undo", "-c", file)
    assert (said.code, said.err) == (0, "Nothing of any drill is left.\n")
