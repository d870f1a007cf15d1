"""What a drill says while it runs."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from backstay.cli.console import Console
from backstay.cli.drill_live import Region, following, lasting
from backstay.cli.settings import Progress, Settings
from backstay.drill.history import SECOND, Kind, Mark, Note
from backstay.drill.run import Course
from backstay.planning.look import PLAIN
from fakes.drill_stories import story

FAULT = Mark(6 * SECOND, Kind.FAULT, "cp-1", "injected", "freeze machine")
NODE = Mark(7 * SECOND, Kind.NODE, "cp-1", "True")


def said(settings: Settings, *marks: Mark) -> str:
    err = StringIO()
    with following(Console(settings, StringIO(), err, {})) as tell:
        for one in (story().header, *(marks or (FAULT, NODE))):
            tell(one)
    return err.getvalue()


def test_people_read_a_line_for_each_event_worth_a_word() -> None:
    """That a node is still Ready is not."""
    assert (
        said(Settings(progress=Progress.PLAIN)) == "   6.00 s  injected: freeze machine on cp-1\n"
    )


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (
            (Note.GONE, "cp-1", "freeze etcd"),
            "the fault stood no more when it was undone: cp-1, freeze etcd",
        ),
        (
            (Note.MOVED, "etcd-leader", "it was cp-1"),
            "the target was not what it was chosen for any more: etcd-leader, it was cp-1",
        ),
        ((Note.DEAF, "cp-1"), "not every journal was heard to its end: cp-1"),
        ((Note.STOPPING, "Stopping, and undoing."), "Stopping, and undoing."),
    ],
)
def test_people_read_what_a_note_means(note: tuple[str, ...], words: str) -> None:
    """No word that only the judge knows."""
    told = said(Settings(progress=Progress.PLAIN), Mark(SECOND, Kind.NOTE, *note))
    assert told == f"   1.00 s  {words}\n"


@pytest.mark.parametrize("progress", Progress)
def test_quiet_is_quiet(progress: Progress) -> None:
    """Whoever would be told."""
    assert said(Settings(quiet=True, progress=progress)) == ""


def test_programs_get_every_mark_as_an_object() -> None:
    """With the time of day, and when on the drill's clock that was."""
    found = [json.loads(line) for line in said(Settings(progress=Progress.JSON)).splitlines()]
    assert all(one.pop("time") for one in found)
    assert found[0] == {
        "type": "drill_mark",
        "at_seconds": 6.0,
        "kind": "fault",
        "subject": "cp-1",
        "state": "injected",
        "detail": "freeze machine",
    }
    assert [one["kind"] for one in found] == ["fault", "node"]


def test_every_phase_whose_length_is_known_has_one() -> None:
    """The last reads take as long as they take."""
    assert lasting(Course(fault=10.0)) == {
        "warm-up": 4.0,
        "fault": 10.0,
        "healed": 60.0,
        "settle": 2.0,
    }
    assert lasting(None) == {}


def test_the_clock_goes_on_when_nothing_happens() -> None:
    """It is ours, and begins with the drill's."""
    now = 100 * SECOND
    region = Region(PLAIN, clock=lambda: now)
    region.take(story().header)
    region.take(Mark(0, Kind.PHASE, "warm-up"))
    now = 103 * SECOND
    assert region.__rich__().plain == "warm-up  3 s"
