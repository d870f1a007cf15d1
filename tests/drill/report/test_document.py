"""A drill for programs: one object, and sentences that need no explanation."""

from __future__ import annotations

import json
from typing import Any

from inline_snapshot import snapshot

from backstay.drill.history import History
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.document import document, drilled
from fakes.drill_stories import BAD, GOOD, story


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
    felt = "Writes stopped for 1.5 s, and 16 requests failed. "
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
    assert "1 request failed" in found.sentence


def test_an_objective_that_was_missed_fails_the_drill_and_an_unknown_one_leaves_a_doubt() -> None:
    """Even where the judge is content."""
    verdicts = [
        drilled(story(objectives=(text,)), GOOD).verdict
        for text in ("gap<2s", "gap<1s", "service kept:gap<2s")
    ]
    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]
