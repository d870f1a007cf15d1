"""Several drills after one another: what cannot be drilled keeps nobody, and all is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest

from backstay.cli import drills
from backstay.cli.broken_off import BrokenOffError
from backstay.cli.console import Console
from backstay.cli.drilling import Job, Results, keep
from backstay.cli.drills import Asked, Shape
from backstay.cli.settings import Output, Settings
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.wish import Wish
from backstay.errors import (
    BackstayError,
    GateTimeoutError,
    InterruptedRunError,
    PreflightError,
    RefusedError,
    StepFailedError,
    UnreachableError,
)
from backstay.lab import PowerSwitch
from backstay.spec.parse import parse
from fakes.drill_stories import GOOD, story

SPEC = parse(
    "name: drilled\nendpoint: {vip: 10.0.0.100}\n"
    "hosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]\n"
)
NOBODY = PreflightError("no machine is both", why="vip-holder: a")
WISH = Wish(SCENARIOS["apiserver-kill"], "backstay drill run apiserver-kill")
PASSED = drilled(story(objectives=("lost=0",)), GOOD)


class Broken:
    """Something that is broken for as long as nobody ends the drill, as real faults are."""

    def __init__(self) -> None:
        self.is_undone = False

    async def drill(self, when: Callable[[], None]) -> Drilled:
        """Drill until somebody ends it."""
        asyncio.get_running_loop().call_later(0.05, when)
        try:
            await asyncio.sleep(30)
        finally:
            # Undoing takes a round trip.
            await asyncio.sleep(0.01)
            self.is_undone = True
        return PASSED


Ending = BaseException | Callable[[], object] | None


@dataclass
class Here:
    """A cluster where drills end as they are told, and what is said meanwhile."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    settings: Settings
    out: StringIO
    err: StringIO

    def drill(self, *endings: Ending, **asked: object) -> int:
        """Drill as often as there are endings."""
        found = iter(endings)

        async def one(job: Job, *, patience: float) -> Drilled:
            del patience
            ending = next(found)
            if isinstance(ending, BaseException):
                raise ending
            job.results.history.write_text("{}\n")
            if ending is None:
                return PASSED
            work = ending()
            return await work  # type: ignore[misc]  # each its own

        self.monkeypatch.setattr(drills, "run_drill", one)
        self.monkeypatch.setattr(drills, "lab_machines", lambda _: PowerSwitch("lab"))
        console = Console(self.settings, self.out, self.err, {})
        wishes = [WISH] * len(endings)
        return drills.run_all(
            console, SPEC, replace(Asked(wishes, parent=self.folder / "kept"), **asked)
        )

    @property
    def told(self) -> dict[str, object]:
        """The document on standard output."""
        found = json.loads(self.out.getvalue())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    settings = Settings(output=Output.JSON)
    return Here(tmp_path, monkeypatch, settings, StringIO(), StringIO())


def test_a_suite_goes_on_after_what_cannot_be_drilled(here: Here) -> None:
    """It says so, and nothing was proven: exit code 2."""
    junit = here.folder / "drills.xml"
    assert here.drill(None, NOBODY, None, junit=junit) == 2
    items = here.told["items"]
    assert isinstance(items, list)
    assert [one["verdict"] for one in items] == ["pass", "inconclusive", "pass"]
    assert items[1]["sentence"] == "Not drilled: no machine is both: vip-holder: a."
    assert 'errors="1"' in junit.read_text()


def test_one_drill_that_cannot_be_ends_as_any_verb_does(here: Here) -> None:
    """With the error, and its own exit code."""
    with pytest.raises(BackstayError, match="no machine is both"):
        here.drill(NOBODY)


def test_the_shape_of_what_is_told_follows_from_what_was_asked(here: Here) -> None:
    """A drill is a Drill, a suite of one is a DrillSuite; each names its files."""
    assert here.drill(None, shape=Shape.ONE) == 0
    one = here.told
    assert (one["kind"], one["apiVersion"]) == ("Drill", "backstay.dev/v1")
    assert isinstance(one["files"], dict)
    assert all(Path(path).exists() for path in one["files"].values())
    assert set(one["files"]) == {"history", "page", "report"}
    here.out.truncate(0)
    here.out.seek(0)
    assert here.drill(None) == 0
    many = here.told
    assert (many["kind"], many["verdict"]) == ("DrillSuite", "pass")
    assert many["scenarios"] == [
        {
            "scenario": "machine-freeze-vip-holder",
            "drills": 1,
            "not_drilled": 0,
            "verdict": "pass",
            "objectives": [{"objective": "lost=0", "seen": 0.0, "answer": "met"}],
        }
    ]


def test_a_single_drill_says_its_verdict_once(here: Here) -> None:
    """In what it prints, and not before that as the drills of a suite do."""
    here.settings = Settings()
    here.drill(None, shape=Shape.ONE)
    assert "PASS" in here.out.getvalue()
    assert "PASS" not in here.err.getvalue()
    here.drill(None, None)
    assert here.err.getvalue().count("PASS") == 2


def test_a_report_that_cannot_be_kept_hides_not_why_the_run_ended(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something stays broken: that, and its exit code, is what whoever began it must learn."""
    left = BrokenOffError(UnreachableError("lost"), here.folder / "history.jsonl", "a: table x")

    def full(path: Path, _: str, *, failure: type[BackstayError] = RefusedError) -> None:
        if failure is StepFailedError:
            raise failure("there is no place for the report", where=str(path))

    monkeypatch.setattr(drills, "write_report", full)
    with pytest.raises(BrokenOffError) as caught:
        here.drill(None, left, junit=here.folder / "drills.xml")
    assert caught.value is left
    assert "there is no place for the report" in here.err.getvalue()
    assert len(here.told["items"]) == 2  # type: ignore[arg-type]  # a list


def test_what_is_left_out_is_said_and_skipped(here: Here) -> None:
    """Nobody takes half a suite for the whole."""
    junit = here.folder / "drills.xml"
    here.drill(None, junit=junit, left_out=("machine-kill-worker",))
    assert "left out" in here.err.getvalue()
    assert "machine-kill-worker" in here.err.getvalue()
    assert 'skipped="1"' in junit.read_text()
    assert here.told["left_out"] == ["machine-kill-worker"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_a_suite_is_told_what_was_found_and_what_is_still_broken(
    here: Here, number: signal.Signals
) -> None:
    """Half an hour of drills is not lost, the fault is undone first, and the history is named."""
    fault = Broken()
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(InterruptedRunError) as caught:
        here.drill(None, lambda: fault.drill(lambda: os.kill(os.getpid(), number)), None)
    assert fault.is_undone
    assert caught.value.exit_code == 130
    assert caught.value.what == "stopped; what was broken is undone"
    assert caught.value.next_move.endswith("backstay drill undo")
    assert "history.jsonl" in caught.value.why
    assert "Press again" in here.err.getvalue()
    items = here.told["items"]
    assert isinstance(items, list)
    assert len(items) == 1
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_who_stops_twice_leaves_the_rest_to_the_machines(here: Here) -> None:
    """They undo it by themselves, and it is said within how many seconds."""

    async def stubborn() -> Drilled:
        loop = asyncio.get_running_loop()
        for delay in (0.05, 0.1):
            loop.call_later(delay, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(30)
        return PASSED

    with pytest.raises(InterruptedRunError, match=r"by themselves within \d+ s"):
        here.drill(stubborn)


def test_a_fault_that_could_not_be_undone_is_not_called_undone(here: Here) -> None:
    """Whoever stops then hears that the machines do it."""

    async def failing() -> Drilled:
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise StepFailedError("no undo") from None
        return PASSED

    with pytest.raises(InterruptedRunError, match="the machines undo by themselves"):
        here.drill(failing, None)


def test_who_stops_while_a_history_is_judged_still_gets_the_verdict(here: Here) -> None:
    """The loop is busy then; the drill counts, and the next one does not begin."""

    async def judged() -> Drilled:
        os.kill(os.getpid(), signal.SIGINT)
        return PASSED

    with pytest.raises(InterruptedRunError, match="nothing is broken"):
        here.drill(judged, AssertionError("another began"))
    items = here.told["items"]
    assert isinstance(items, list)
    assert [one["verdict"] for one in items] == ["pass"]


def test_the_time_limit_is_one_for_all_drills(here: Here) -> None:
    """The second ends when the run's time is over, undone; the third never begins."""
    here.settings = Settings(output=Output.JSON, timeout=0.4)
    fault = Broken()

    async def short() -> Drilled:
        await asyncio.sleep(0.3)
        return PASSED

    loop_time: list[float] = []

    async def second() -> Drilled:
        began = asyncio.get_running_loop().time()
        try:
            return await fault.drill(lambda: None)
        finally:
            loop_time.append(asyncio.get_running_loop().time() - began)

    with pytest.raises(GateTimeoutError) as caught:
        here.drill(short, second, AssertionError("another began"))
    assert loop_time[0] < 0.3
    assert fault.is_undone
    assert caught.value.what == (
        "the run did not end within 0.4 s (--timeout); what was broken is undone"
    )
    assert "goes on" not in caught.value.next_move
    assert len(here.told["items"]) == 1  # type: ignore[arg-type]  # a list


def test_a_report_that_cannot_be_kept_is_refused_before_anything_is_broken(here: Here) -> None:
    """Nobody learns of a bad path after the suite."""
    with pytest.raises(RefusedError, match="no place for the report"):
        here.drill(AssertionError("broken"), junit=here.folder / "no" / "drills.xml")


def test_a_refused_run_leaves_no_report_of_an_earlier_one(here: Here) -> None:
    """A CI would read yesterday's tests as today's."""
    junit = here.folder / "drills.xml"
    junit.write_text("yesterday's")
    with pytest.raises(RefusedError):
        here.drill(RefusedError("the cluster is not whole"), junit=junit)
    assert "yesterday" not in junit.read_text()
    assert "<testsuites" in junit.read_text()


def test_a_disk_that_fills_up_loses_no_table(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is told, and then that the reports are not there."""

    def full(_: Drilled, results: Results) -> None:
        keep(PASSED, Results(results.folder / "gone"))

    monkeypatch.setattr(drills, "keep", full)
    with pytest.raises(StepFailedError, match="no place for the report"):
        here.drill(None, None)
    assert len(here.told["items"]) == 1  # type: ignore[arg-type]  # a list
