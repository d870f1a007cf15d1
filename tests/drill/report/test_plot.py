"""A drill as lines of a terminal."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.drill.history import SECOND, History, Kind, Mark, Note
from backstay.drill.report.plot import events, plot
from backstay.planning.look import ASCII, Look, Tone
from fakes.drill_stories import story


def test_each_group_has_a_line_and_each_event_its_arrow() -> None:
    """Crosses stand where nothing was acknowledged, exclamation marks where some failed."""
    assert plot(story(rate=40), Look(width=84)).splitlines() == snapshot(
        [
            "latency      ▁ 1 ms … █ 1 s, log scale   × nothing acknowledged   ! some failed",
            "vip kept     ▃▃▃▃▄▃▃▄▃▃▃▃▃▃▃▃▃▄▄▃▃▃▄▃▃▃!×××××!!!▃▄▃▃▃▄▃▃▄▄▃▄▃▃▃▃▃▃▄▃▃▃▃▃▃▃▄▃▃▃▃",
            "vip new      ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▂▃▃▄▃▃▃▃▃▃▃!×××××▇▃▃▃▂▃▃▃▃▃▃▃▃▃▃▃▃▃▄▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃",
            "node kept    ▃▃▄▃▃▃▃▃▄▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃!×××××!!!!!!!!!!!!!▃▃▃▃▃▃▄▄▃▃▃▃▃▄▃▃▃▄▄▄▃",
            "etcd kept    ▃▃▃▄▃▄▃▃▃▃▃▃▃▃▄▃▃▃▃▃▃▃▃▃▄▃!×××××!!!!!!!!!!!!!▄▃▃▃▃▃▃▃▄▃▃▃▃▄▃▄▃▃▃▃▄",
            "                                       ↑ 6.00 s  freeze machine on cp-1",
            "                                            ↑ 7.24 s  etcd follows cp-3",
            "                                             ↑ 7.38 s  cp-2 holds the virtual addr…",
            "             9.10 s  cp-2 has the lease of kube-sc… ↑",
            "                10.00 s  undone: freeze machine on cp-1 ↑",
        ]
    )


def test_a_narrow_terminal_without_unicode_reads_the_same() -> None:
    """Words are cut, arrows are not."""
    assert plot(story(rate=40), Look(width=50, marks=ASCII)).splitlines() == snapshot(
        [
            "latency      _ 1 ms ... # 1 s, log scale   x nothing acknowledged   ! some failed",
            "vip kept     --==-----=-=-!xx!!=-====---=---=--",
            "vip new      ---------=---!xx!--------=--------",
            "node kept    -=--=--------!xx!!!!!!!---==--=-==",
            "etcd kept    --==---=----=!xx!!!!!!!=---=--=--=",
            "                          ^ 6.00 s  freeze mac...",
            "                             ^ 7.24 s  etcd fo...",
            "                             ^ 7.38 s  cp-2 ho...",
            "             9.10 s  cp-2 has... ^",
            "             10.00 s  undone: f... ^",
        ]
    )


@given(st.integers(min_value=40, max_value=200))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whatever its width."""
    lines = plot(STORY, Look(width=width)).splitlines()
    assert max(len(one) for one in lines[1:]) <= width


STORY = story(rate=5)


def test_failures_are_painted() -> None:
    """Bad where nothing was acknowledged, a warning where some was."""
    painted = set()

    def paint(tone: Tone, text: str) -> str:
        painted.add((tone, text))
        return text

    plot(story(), Look(paint=paint))
    assert {(Tone.BAD, "×"), (Tone.WARNING, "!")} <= painted


def test_without_operations_there_is_nothing_to_plot() -> None:
    """No empty axes."""
    assert plot(History(story().header, ()), Look()) == ""


def test_a_note_is_told_in_words() -> None:
    """With what it is about: no reader knows what the judge calls it."""
    note = Mark(9 * SECOND, Kind.NOTE, Note.GONE, "cp-1", "freeze machine")
    (found,) = set(events(replace(STORY, records=(*STORY.records, note)))) - set(events(STORY))
    assert found.words == "the fault stood no more when it was undone: cp-1, freeze machine"
