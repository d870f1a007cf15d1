"""Runs are followed in three ways that tell the same facts."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from inline_snapshot import snapshot
from rich.console import Console as RichConsole

from backstay.cli.progress_json import Ndjson
from backstay.cli.progress_live import Region
from backstay.cli.progress_plain import Plain
from backstay.cli.running import Running, heartbeat
from backstay.cli.settings import Progress, Settings, chosen_progress, wants_colour
from backstay.fleet import events
from backstay.planning.look import ASCII, PLAIN, Look

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
STORY = (
    events.HostsRead(3, 3, 1.42),
    events.StageStarted("start"),
    events.StepStarted("cp-1", "start etcd"),
    events.StepDone("cp-1", "start etcd", 0.51),
    events.GateWaiting("etcd on cp-1 answers", "no leader", 0.0),
    events.GateDone("etcd on cp-1 answers", 3.24),
    events.Note("building kubelet", host="lab"),
    events.StageStarted("objects"),
    events.StepStarted("", "apply 3 objects"),
    events.Failed("", "apply 3 objects", "no route"),
    object(),
)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def test_plain_progress_is_one_line_per_event() -> None:
    """Each line has a time, the host, what, and how it went."""
    said: list[str] = []
    follower = Plain(said.append, PLAIN, lambda: NOON)
    for event in STORY:
        follower.tell(event)
    assert said == snapshot(
        [
            "12:00:00 read 3 hosts in 1.4s",
            "12:00:00 stage start",
            "12:00:00 cp-1 start etcd: start",
            "12:00:00 cp-1 start etcd: ok 0.5s",
            "12:00:00 gate etcd on cp-1 answers: ok 3.2s",
            "12:00:00 lab building kubelet",
            "12:00:00 stage objects",
            "12:00:00 apply 3 objects: start",
            "12:00:00 apply 3 objects: failed, no route",
        ]
    )


def test_plain_progress_says_what_is_under_way_when_nothing_happens() -> None:
    """A heartbeat names what runs, for how long, and the last answer; it is silent after talk."""
    said: list[str] = []
    clock = Clock()
    follower = Plain(said.append, PLAIN, lambda: NOON, Running(clock))
    follower.tell(events.GateWaiting("nodes Ready", "w-1: no CNI", 0.0))
    clock.now += 20
    follower.beat()
    follower.talk("word")
    follower.beat()
    assert said == ["12:00:00 nodes Ready: elapsed=20s w-1: no CNI", "word"]


def test_json_progress_is_one_object_per_line() -> None:
    """Every line is JSON with a type and a time, and the names are the documented ones."""
    said: list[str] = []
    follower = Ndjson(said.append, lambda: NOON)
    for event in STORY:
        follower.tell(event)
    follower.summary("change_summary", {"operation": "apply", "add": 1}, "text for people")
    objects = [json.loads(line) for line in said]
    assert {one["time"] for one in objects} == {"2026-01-02T12:00:00.000+00:00"}
    shown = [{key: value for key, value in one.items() if key != "time"} for one in objects]
    assert shown == snapshot(
        [
            {"type": "refresh_complete", "answered": 3, "asked": 3, "elapsed_seconds": 1.42},
            {"type": "stage_start", "stage": "start"},
            {"type": "apply_start", "stage": "start", "host": "cp-1", "step": "start etcd"},
            {
                "type": "apply_complete",
                "stage": "start",
                "host": "cp-1",
                "step": "start etcd",
                "elapsed_seconds": 0.51,
            },
            {
                "type": "apply_progress",
                "stage": "start",
                "host": "",
                "gate": "etcd on cp-1 answers",
                "passed": False,
                "answer": "no leader",
                "elapsed_seconds": 0.0,
            },
            {
                "type": "apply_progress",
                "stage": "start",
                "host": "",
                "gate": "etcd on cp-1 answers",
                "passed": True,
                "elapsed_seconds": 3.24,
            },
            {
                "type": "diagnostic",
                "stage": "start",
                "severity": "info",
                "summary": "building kubelet",
                "host": "lab",
            },
            {"type": "stage_start", "stage": "objects"},
            {"type": "apply_start", "stage": "objects", "host": "", "step": "apply 3 objects"},
            {
                "type": "apply_errored",
                "stage": "objects",
                "host": "",
                "step": "apply 3 objects",
                "why": "no route",
            },
            {"type": "change_summary", "stage": "objects", "operation": "apply", "add": 1},
        ]
    )


def test_json_progress_has_a_heartbeat_too() -> None:
    """What is under way is told again, with its time so far."""
    said: list[str] = []
    clock = Clock()
    follower = Ndjson(said.append, lambda: NOON, Running(clock))
    follower.tell(events.StepStarted("cp-1", "start etcd"))
    clock.now += 10
    follower.beat()
    assert json.loads(said[-1]) == {
        "type": "apply_progress",
        "time": "2026-01-02T12:00:00.000+00:00",
        "host": "cp-1",
        "step": "start etcd",
        "answer": "",
        "elapsed_seconds": 10.0,
    }


def _region(look: Look = PLAIN) -> tuple[Region, io.StringIO]:
    stream = io.StringIO()
    terminal = RichConsole(file=stream, force_terminal=True, width=100, color_system=None)
    return Region(terminal, look, 0.0), stream


def test_the_live_region_shows_what_is_under_way() -> None:
    """Steps and gates stand in the region while they last."""
    region, _ = _region()
    region.tell(events.StageStarted("start"))
    region.tell(events.StepStarted("cp-1", "start etcd"))
    region.tell(events.GateWaiting("etcd on cp-1 answers", "no leader", 0.0))
    drawn = region.__rich__().plain
    assert "cp-1       start etcd" in drawn
    assert "gate: etcd on cp-1 answers  no leader" in drawn
    assert drawn.splitlines()[-1].endswith("start")


def test_the_live_region_leaves_finished_stages_above_it() -> None:
    """A stage's line has a tick, its hosts and its time; a failed one has no tick."""
    region, stream = _region(Look(marks=ASCII))
    for event in STORY:
        region.tell(event)
    region.finish()
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert lines == snapshot(
        [
            "ok read 3 hosts 1.4s",
            "| lab building kubelet",
            "ok start cp-1 0.0s",
            "no apply 3 objects no route",
            "ok objects 0.0s",
        ]
    )


def test_the_live_region_stays_small() -> None:
    """Many machines at once do not push what is done off the screen."""
    region, _ = _region()
    region.tell(events.StageStarted("files"))
    for number in range(50):
        region.tell(events.StepStarted(f"w-{number}", "14 things"))
    lines = region.__rich__().plain.splitlines()
    assert len(lines) == 14
    assert "and 38 more" in lines[-2]


def test_a_heartbeat_comes_from_a_thread_and_ends_with_its_block() -> None:
    """It beats while the block is busy, and never afterwards."""
    beats: list[int] = []
    with heartbeat(lambda: beats.append(1), seconds=0.01):
        while len(beats) < 3:
            pass
    count = len(beats)
    assert count >= 3
    with pytest.raises(RuntimeError), heartbeat(lambda: None, seconds=0.01):
        raise RuntimeError
    assert len(beats) == count


@pytest.mark.parametrize(
    ("asked", "environment", "terminal", "expected"),
    [
        (Progress.AUTO, {}, True, Progress.LIVE),
        (Progress.AUTO, {}, False, Progress.PLAIN),
        (Progress.AUTO, {"TERM": "dumb"}, True, Progress.PLAIN),
        (Progress.AUTO, {"CI": "true"}, True, Progress.PLAIN),
        (Progress.JSON, {}, True, Progress.JSON),
        (Progress.LIVE, {"CI": "true"}, False, Progress.LIVE),
    ],
)
def test_a_run_is_live_only_before_a_person(
    asked: Progress, environment: dict[str, str], *, terminal: bool, expected: Progress
) -> None:
    """Auto means live on a terminal that can, and plain everywhere else; what is asked is done."""
    settings = Settings(progress=asked)
    assert chosen_progress(settings, environment, terminal=terminal) is expected


@pytest.mark.parametrize(
    ("settings", "environment", "terminal", "expected"),
    [
        (Settings(), {}, True, True),
        (Settings(), {}, False, False),
        (Settings(), {"NO_COLOR": ""}, True, True),
        (Settings(), {"NO_COLOR": "1"}, True, False),
        (Settings(), {"FORCE_COLOR": "1"}, False, True),
        (Settings(), {"FORCE_COLOR": "0"}, False, False),
        (Settings(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        (Settings(), {"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        (Settings(), {"TERM": "dumb"}, True, False),
        (Settings(no_color=True), {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_who_gets_colours(
    settings: Settings, environment: dict[str, str], *, terminal: bool, expected: bool
) -> None:
    """--no-color and NO_COLOR beat FORCE_COLOR, which beats the terminal's own abilities."""
    assert wants_colour(settings, environment, terminal=terminal) is expected
