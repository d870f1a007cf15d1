"""The page's data: everything that happened, small."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

import pytest
from inline_snapshot import snapshot

from backstay.drill.history import SECOND, Action, History, Kind, Mark, Operation, Outcome
from backstay.drill.report.lanes import lanes
from backstay.drill.report.numbers import measure
from backstay.drill.report.timeline import slices, timeline
from fakes.drill_stories import story

STORY = story()


def test_the_columns_hold_every_operation() -> None:
    """Unfolded, they are the operations again, to the microsecond and in the order of calls."""
    values: Any = timeline(STORY, measure(STORY))
    rows = values["operations"]
    called = list(accumulate(rows["called_steps"]))
    unfolded = [
        (
            values["clients"][rows["client"][row]][0],
            ("write", "read")[rows["kind"][row] % 2],
            ("ok", "fail", "unknown")[rows["kind"][row] // 2],
            rows["keys"][rows["key"][row]],
            called[row],
            called[row] + rows["lasted"][row],
            rows["errors"][rows["error"][row]],
            list(accumulate(rows["revision_steps"]))[row] if row % 100 == 0 else None,
        )
        for row in range(len(called))
    ]
    ordered = sorted(STORY.of(Operation), key=lambda one: one.called)
    assert unfolded == [
        (
            one.client,
            one.action.value,
            one.outcome.value,
            one.key,
            one.called // 1000,
            one.returned // 1000,
            one.error,
            (one.revision or 0) if row % 100 == 0 else None,
        )
        for row, one in enumerate(ordered)
    ]


def test_an_operation_takes_some_thirty_bytes() -> None:
    """A hundred thousand of them are a file that can be mailed."""
    size = len(json.dumps(timeline(STORY, measure(STORY)), separators=(",", ":")))
    assert size / len(STORY.of(Operation)) < 40


def test_lanes_tell_who_led_held_and_fell() -> None:
    """Nobody, and two at once, are told as what they are."""
    told = {
        lane.name: [
            f"{one.begin / SECOND:.2f}-{one.end / SECOND:.2f} {one.text} ({one.tone})"
            for one in lane.spans
        ]
        for lane in lanes(STORY)
    }
    assert told == snapshot(
        {
            "fault": ["6.00-10.00 freeze machine on cp-1 (fault)"],
            "etcd leader": [
                "0.00-7.05 cp-1 (plain)",
                "7.05-7.24 nobody (bad)",
                "7.24-16.00 cp-3 (plain)",
            ],
            "virtual address": [
                "0.00-7.38 cp-1 (plain)",
                "7.38-10.06 cp-1, cp-2 (bad)",
                "10.06-16.00 cp-2 (plain)",
            ],
            "lease controller-manager": ["0.00-16.00 cp-3 (plain)"],
            "lease scheduler": ["0.00-9.10 cp-1 (plain)", "9.10-16.00 cp-2 (plain)"],
            "marked down": [
                "6.61-6.70 cp-1 by cp-2 (bad)",
                "6.70-10.90 cp-1 by cp-2, cp-1 by cp-3 (bad)",
                "10.90-10.95 cp-1 by cp-3 (bad)",
            ],
        }
    )


def leaders(*marks: Mark) -> list[str]:
    """The lane of etcd's leader in a drill of three members that ends after nine seconds."""
    ends = Mark(9 * SECOND, Kind.PHASE, "end")
    found = {lane.name: lane.spans for lane in lanes(History(STORY.header, (*marks, ends)))}
    return [f"{one.begin // SECOND}-{one.end // SECOND} {one.text}" for one in found["etcd leader"]]


def follows(second: int, member: str, leader: str, term: str = "4") -> Mark:
    return Mark(second * SECOND, Kind.LEADER, member, leader, term if leader else "")


FOLLOWED = tuple(follows(0, member, "cp-1") for member in ("cp-1", "cp-2", "cp-3"))


def test_who_alone_loses_sight_of_the_leader_does_not_end_its_time() -> None:
    """Neither a follower that is cut off, nor a leader of before that learns it late."""
    assert leaders(*FOLLOWED, follows(2, "cp-2", ""), follows(5, "cp-2", "cp-1")) == ["0-9 cp-1"]
    cut_off = (
        *(follows(2, "cp-2", ""), follows(3, "cp-3", "")),
        *(follows(4, "cp-2", "cp-2", "5"), follows(5, "cp-3", "cp-2", "5"), follows(6, "cp-1", "")),
    )
    assert leaders(*FOLLOWED, *cut_off) == ["0-3 cp-1", "3-4 nobody", "4-9 cp-2"]


@pytest.mark.parametrize(
    "gone",
    [
        Mark(SECOND, Kind.UNIT, "cp-1", "exited", "etcd: Main process exited, code=killed"),
        Mark(SECOND, Kind.FAULT, "cp-1", "injected", "freeze etcd"),
        Mark(SECOND, Kind.FAULT, "cp-1", "injected", "kill the machine"),
    ],
)
def test_a_leader_that_is_gone_follows_itself_no_more(gone: Mark) -> None:
    """The first that loses sight of it leaves one: nobody leads, whatever it said at last."""
    told = (gone, follows(2, "cp-2", ""), follows(4, "cp-3", "cp-3", "5"))
    assert leaders(*FOLLOWED, *told) == ["0-2 cp-1", "2-4 nobody", "4-9 cp-3"]


@pytest.mark.parametrize(
    "other",
    [
        Mark(SECOND, Kind.UNIT, "cp-1", "exited", "kubelet: Main process exited, code=killed"),
        Mark(SECOND, Kind.FAULT, "cp-1", "injected", "freeze kube-apiserver"),
        Mark(SECOND, Kind.FAULT, "w-1", "injected", "freeze the machine"),
        Mark(SECOND, Kind.FAULT, "cp-1", "failed", "freeze the machine"),
    ],
)
def test_what_befalls_others_is_nothing_to_etcd(other: Mark) -> None:
    """Other units, other machines, and faults that never came about."""
    assert leaders(*FOLLOWED, other, follows(2, "cp-2", "")) == ["0-9 cp-1"]


def test_who_was_frozen_for_a_moment_follows_as_before() -> None:
    """It never noticed, and says nothing; whoever is cut off later is the only one."""
    frozen = (
        Mark(SECOND, Kind.FAULT, "cp-3", "injected", "freeze etcd"),
        Mark(2 * SECOND, Kind.FAULT, "cp-3", "undone", "freeze etcd"),
    )
    assert leaders(*FOLLOWED, *frozen, follows(3, "cp-2", "")) == ["0-9 cp-1"]


def test_elections_and_hand_overs_are_told_in_two_words_and_in_all() -> None:
    """Whoever began to lead or to hold, from the fault on, and nobody who did before."""
    values: Any = timeline(STORY, measure(STORY))
    assert values["turns"] == [
        [7_240_000, "leader cp-3", "etcd follows cp-3"],
        [7_380_000, "address cp-2", "cp-2 holds the virtual address"],
        [9_100_000, "scheduler cp-2", "cp-2 has the lease of kube-scheduler"],
    ]


def test_what_went_down_twice_is_told_once_at_a_time() -> None:
    """A unit that is stopping and then inactive is down from the first to its start."""
    marks = [
        Mark(number * SECOND, Kind.UNIT, "cp-1", state, "etcd")
        for number, state in enumerate(("stopping", "inactive", "starting", "active", "exited"))
    ]
    (lane,) = lanes(History(STORY.header, (*marks, Mark(6 * SECOND, Kind.PHASE, "end"))))
    assert [(one.begin, one.end, one.text) for one in lane.spans] == [
        (0, 3 * SECOND, "etcd on cp-1"),
        (4 * SECOND, 6 * SECOND, "etcd on cp-1"),
    ]


def test_slices_hold_every_operation_once() -> None:
    """The table counts what the picture shows."""
    found = slices(STORY)
    operations = STORY.of(Operation)
    counted = [sum(getattr(one, name) for one in found) for name in ("acknowledged", "unknown")]
    outcomes = [one.outcome for one in operations]
    assert counted == [outcomes.count(Outcome.OK), outcomes.count(Outcome.UNKNOWN)]
    assert [text for one in found for text in one.events][:2] == [
        "freeze machine on cp-1",
        "etcd follows cp-3",
    ]


def test_a_long_drill_has_longer_slices() -> None:
    """Ten minutes are no table of six hundred rows."""
    long = History(STORY.header, (Mark(600 * SECOND, Kind.PHASE, "end"),))
    assert len(slices(long)) <= 121
    assert slices(long)[0].longest is None


def test_what_is_outside_of_the_drill_is_in_its_first_or_last_slice() -> None:
    """A damaged file may have what returned long after the last reads, or before the beginning."""
    client = STORY.header.clients[0].name
    odd = tuple(
        Operation(client, Action.READ, "a", called, called + 1, Outcome.OK)
        for called in (-90 * SECOND, 90 * SECOND)
    )
    fault = Mark(-90 * SECOND, Kind.FAULT, "cp-1", "injected", "kill etcd")
    found = slices(History(STORY.header, (*odd, fault, Mark(3 * SECOND, Kind.PHASE, "final"))))
    assert [one.acknowledged for one in found] == [1, 0, 0, 1]
    assert found[0].events == ("kill etcd on cp-1",)


def test_a_history_without_anything_has_an_empty_timeline() -> None:
    """No marks, no operations, no lanes."""
    empty = History(STORY.header, ())
    values: Any = timeline(empty, measure(empty))
    assert (values["end"], values["lanes"], values["operations"]["client"]) == (0, [], [])
