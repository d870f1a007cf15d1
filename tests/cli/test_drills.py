"""Several drills after one another: what cannot be drilled keeps nobody, and all is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest

from backstay.cli import drills
from backstay.cli.console import Console
from backstay.cli.drilling import Results
from backstay.cli.settings import Settings
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.wish import Wish
from backstay.errors import BackstayError, PreflightError, RefusedError
from backstay.lab import PowerSwitch
from backstay.spec.parse import parse
from fakes.drill_stories import GOOD, story

SPEC = parse(
    "name: drilled\nendpoint: {vip: 10.0.0.100}\n"
    "hosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]\n"
)
NOBODY = PreflightError("no machine is both", why="vip-holder: a")


def run(
    endings: Sequence[BaseException | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    junit: Path | None = None,
) -> tuple[int, str]:
    """Drill as often as there are endings, on a cluster where drills end so."""
    found = iter(endings)

    async def one(*_: object) -> tuple[Drilled, Results]:
        if (ending := next(found)) is not None:
            raise ending
        return drilled(story(objectives=("lost=0",)), GOOD), Results(tmp_path)

    monkeypatch.setattr(drills, "run_drill", one)
    monkeypatch.setattr(drills, "lab_machines", lambda _: PowerSwitch("lab"))
    out = StringIO()
    console = Console(Settings(output="json"), out, StringIO(), {})
    wishes = [Wish(SCENARIOS["idle"], "backstay drill run idle")] * len(endings)
    try:
        code = drills.run_all(console, SPEC, wishes, confirm="", parent=tmp_path, junit_file=junit)
    except BaseException as error:
        error.add_note(out.getvalue())
        raise
    return code, out.getvalue()


def test_a_suite_goes_on_after_what_cannot_be_drilled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says so, and nothing was proven: exit code 2."""
    junit = tmp_path / "drills.xml"
    code, out = run([None, NOBODY, None], monkeypatch, tmp_path, junit)
    items = json.loads(out)["items"]
    assert code == 2
    assert [one["verdict"] for one in items] == ["pass", "inconclusive", "pass"]
    assert items[1]["sentence"] == "Not drilled: no machine is both: vip-holder: a."
    assert 'errors="1"' in junit.read_text()


def test_one_drill_that_cannot_be_ends_as_any_verb_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the error, and its own exit code."""
    with pytest.raises(BackstayError, match="no machine is both"):
        run([NOBODY], monkeypatch, tmp_path)


def test_who_stops_a_suite_is_told_what_was_found_until_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half an hour of drills is not lost by Ctrl-C."""
    with pytest.raises(KeyboardInterrupt) as caught:
        run([None, KeyboardInterrupt(), None], monkeypatch, tmp_path)
    assert json.loads(caught.value.__notes__[0])["items"] != []


def test_a_report_that_cannot_be_kept_is_refused_before_anything_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody learns of a bad path after the suite."""
    with pytest.raises(RefusedError, match="no place for the report"):
        run([AssertionError("broken")], monkeypatch, tmp_path, tmp_path / "no" / "drills.xml")
