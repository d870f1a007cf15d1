"""A drill for programs: one object, and sentences that need no explanation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

from inline_snapshot import snapshot

from backstay.drill.history import SECOND, History, Mark
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.document import Drilled, document, drilled, outline
from backstay.drill.report.objectives import Answer
from fakes.drill_histories import moment
from fakes.drill_stories import BAD, FAULT, GOOD, story


def test_the_document_is_json_and_holds_what_was_seen() -> None:
    """Numbers are plain, and what was not seen is null."""
    found: Any = json.loads(json.dumps(document(drilled(story(objectives=("gap<2s",)), GOOD))))
    assert sorted(found) == snapshot(
        [
            "apiVersion",
            "cluster",
            "command",
            "explanation",
            "findings",
            "kind",
            "load",
            "numbers",
            "objectives",
            "scenario",
            "seed",
            "sentence",
            "settings",
            "started",
            "targets",
            "verdict",
            "versions",
        ]
    )
    assert found["objectives"] == [
        {"objective": "gap<2s", "seen": found["numbers"]["write_gap_seconds"], "answer": "met"}
    ]
    assert found["numbers"]["lost_writes"] == 0
    assert found["numbers"]["nodes_not_ready"] == []
    empty: Any = document(drilled(History(story().header, ()), Judgement(())))
    nothing = {name for name, value in empty["numbers"].items() if value is None}
    assert nothing == snapshot(
        {
            "detected_seconds",
            "elections",
            "etcd_write_gap_seconds",
            "healed_seconds",
            "lost_writes",
            "nodes_not_ready",
            "out_seconds",
            "read_gap_seconds",
            "reelected_seconds",
            "vip_moved_seconds",
            "vip_moves",
            "vip_split_seconds",
            "watches_cut",
            "write_gap_seconds",
        }
    )


def sentence(judgement: Judgement, *objectives: str) -> str:
    return drilled(story(objectives=objectives), judgement).sentence


def test_the_sentence_needs_no_explanation() -> None:
    """First what users felt, then whether anything was lost, then what was missed or not seen."""
    doubt = Judgement((Finding("hashes", Verdict.INCONCLUSIVE, "no hash of cp-2"),))
    said = [
        sentence(GOOD, "gap<2s"),
        sentence(BAD),
        sentence(doubt, "gap<1s", "lost=0"),
        sentence(GOOD, "gap<2s", "share<50"),
    ]
    felt = "Writes stopped for 1.5 s, and 16 requests failed at the endpoint. "
    assert [one.removeprefix(felt) for one in said] == snapshot(
        [
            "Nothing that was acknowledged was lost. All objectives were met.",
            "A promise was broken: lost writes.",
            "Nothing is proven: no hash of cp-2. Missed: gap<1s. Not seen: lost=0.",
            "Nothing that was acknowledged was lost. Not seen: share<50.",
        ]
    )


def test_one_request_is_no_requests() -> None:
    """The noun agrees with its number."""
    history = story()
    user = next(one for one in history.records if getattr(one, "error", "") == "timeout")
    found = drilled(History(history.header, (user,)), GOOD)
    assert "1 request failed at the endpoint." in found.sentence


ASKED = ("elections>=1", "gap<2s", "etcd-gap<50ms", "failed=0", "p99<1ms", "median gap<1s")


def cut(at: int) -> Drilled:
    """A drill whose history ends at a moment, as where it was killed or its disk was full."""
    whole = story(objectives=ASKED)
    kept = tuple(one for one in whole.records if moment(one) < at)
    doubts = 2 * (Finding("fault", Verdict.INCONCLUSIVE, "the drill was cut short"),)
    return drilled(replace(whole, records=kept), Judgement(doubts))


def test_a_drill_that_was_cut_short_before_its_fault_says_nothing_of_one() -> None:
    """What was seen in the warm-up is no consequence, and what was not seen is not missed."""
    found = cut(FAULT // 2)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert {one.answer for one in found.results} == {Answer.UNKNOWN, Answer.NOT_ASKED}
    assert found.sentences == snapshot(
        (
            "The drill ended before its fault.",
            "Nothing is proven: the drill was cut short.",
            "Not seen to the end: elections>=1, gap<2s, etcd-gap<0.05s, failed=0, p99<0.001s.",
        )
    )
    seconds = {name: value for name, value in numbers(found).items() if "_seconds" in name}
    assert not any(seconds.values())


def test_a_drill_that_was_cut_short_misses_only_what_is_too_much_already() -> None:
    """An election may still come, a gap may still grow, and a percentile may fall."""
    found = cut(FAULT + SECOND)
    assert found.verdict is Verdict.FAIL
    assert found.sentences == snapshot(
        (
            "Writes went on, and 7 requests failed at the endpoint.",
            "Nothing is proven: the drill was cut short.",
            "Missed: etcd-gap<0.05s, failed=0.",
            "Not seen to the end: elections>=1, gap<2s, p99<0.001s.",
        )
    )
    assert {str(one.objective): one.answer.value for one in found.results} == snapshot(
        {
            "elections>=1": "unknown",
            "gap<2s": "unknown",
            "etcd-gap<0.05s": "missed",
            "failed=0": "missed",
            "p99<0.001s": "unknown",
            "median gap<1s": "not asked",
        }
    )
    assert numbers(found)["healed_seconds"] is None


def numbers(found: Drilled) -> dict[str, Any]:
    return dict(cast("dict[str, Any]", document(found)["numbers"]))


def test_an_objective_that_was_missed_fails_the_drill_and_an_unknown_one_leaves_a_doubt() -> None:
    """Even where the judge is content."""
    verdicts = [
        drilled(story(objectives=(text,)), GOOD).verdict
        for text in ("gap<2s", "gap<1s", "service kept:gap<2s")
    ]
    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]


def test_of_one_among_many_the_same_is_told_without_what_clients_did() -> None:
    """A suite would remember a million operations by its end."""
    whole = drilled(story(objectives=("gap<2s",)), GOOD)
    short = outline(whole)
    assert isinstance(short, Drilled)
    assert {type(one) for one in short.history.records} == {Mark}
    assert document(short) == document(whole)
    assert (short.verdict, short.seconds) == (whole.verdict, whole.seconds)
