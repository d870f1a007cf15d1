"""A drill for programs: one object, and one suite of JUnit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.drill.history import History
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.document import document, drilled
from backstay.drill.report.junit import junit
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
            "read_gap_seconds",
            "reelected_seconds",
            "vip_moved_seconds",
            "vip_moves",
            "write_gap_seconds",
        }
    )


def sentence(judgement: Judgement, *objectives: str) -> str:
    return drilled(story(objectives=objectives), judgement).sentence.strip()


def test_the_sentence_needs_no_explanation() -> None:
    """First what users felt, then whether anything was lost, then what was missed."""
    doubt = Judgement((Finding("hashes", Verdict.INCONCLUSIVE, "no hash of cp-2"),))
    said = [sentence(GOOD, "gap<2s"), sentence(BAD), sentence(doubt, "gap<1s", "lost=0")]
    felt = "Writes stopped for 1.4 s, and 16 requests failed. "
    assert [one.removeprefix(felt) for one in said] == snapshot(
        [
            "Nothing that was acknowledged was lost. All objectives were met.",
            "A promise was broken: lost writes.",
            "Nothing is proven: no hash of cp-2. Missed: gap<1s, lost=0.",
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


def test_junit_has_a_case_for_every_promise() -> None:
    """What failed is a failure, what could not be decided an error."""
    bad = drilled(story(objectives=("gap<1s", "service kept:gap<2s")), BAD)
    root = ET.fromstring(junit([drilled(story(), GOOD), bad]))  # noqa: S314  # our own text
    suites = [
        [suite.get(name) for name in ("name", "tests", "failures", "errors")] for suite in root
    ]
    assert suites == [
        ["machine-freeze-vip-holder", "4", "0", "0"],
        ["machine-freeze-vip-holder", "6", "2", "2"],
    ]
    told = [(case.get("name"), inner.tag) for case in root[1] for inner in case]
    assert told == [
        ("lost writes: etcd", "failure"),
        ("linearizability: not decided in 20 s", "error"),
        ("gap<1s", "failure"),
        ("service kept:gap<2s", "error"),
    ]


@given(st.text(), st.text())
def test_no_text_makes_bad_xml(what: str, line: str) -> None:
    """A log line may hold escapes of a terminal, and halves of characters."""
    judgement = Judgement((Finding("logs", Verdict.FAIL, what, (line,)),))
    history = History(replace(STORY.header, scenario=what, started=line), ())
    root = ET.fromstring(junit([drilled(history, judgement)]))  # noqa: S314  # our own text
    assert [one.tag for one in root] == ["testsuite"]


STORY = History(story().header, ())
