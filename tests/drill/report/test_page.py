"""The page is safe to open, whatever names are in it, and says everything without its script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st

from backstay.drill.history import SECOND, History, Kind, Mark
from backstay.drill.oracle.verdict import Judgement
from backstay.drill.report.compare import comparison_page
from backstay.drill.report.document import document, drilled
from backstay.drill.report.markup import data, tag
from backstay.drill.report.objectives import QUANTITIES
from backstay.drill.report.page import page
from fakes.drill_pages import HOSTILE, TEMPLATE, hostile_comparison, hostile_page
from fakes.drill_stories import BAD, GOOD, story


class Elements(HTMLParser):
    """The names and attributes of a page's elements, and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def test_no_name_can_become_an_element() -> None:
    """Whatever is in a history is text: no image, no script, no attribute comes of it."""
    elements = Elements(hostile_page() + hostile_comparison()).found
    assert "img" not in {name for name, _ in elements}
    assert [one for one in elements if any(key.startswith("on") for key in one[1])] == []
    scripts = [attributes for name, attributes in elements if name == "script"]
    assert scripts == [{"type": "application/json", "id": "drill"}, {}]


@given(st.text())
def test_data_can_always_be_read_again_and_never_ends_its_element(text: str) -> None:
    """JSON that holds what ends a script is still only JSON."""
    element = data("x", {"text": text})
    inner = element.removeprefix('<script type="application/json" id="x">').removesuffix(
        "</script>"
    )
    assert json.loads(inner) == {"text": text}
    assert "<" not in inner


@given(st.text(), st.text())
@example(HOSTILE, HOSTILE)
def test_what_is_no_markup_is_escaped(text: str, value: str) -> None:
    """Both between elements and within their attributes."""
    parsed = Elements(tag("p", text, title=value))
    assert parsed.text == text
    assert parsed.found == [("p", {"title": value})]


def test_the_page_runs_and_loads_only_what_its_policy_names() -> None:
    """The hashes are those of the texts in the page, and there is no address in it."""
    text = page(drilled(story(), GOOD), TEMPLATE)
    content = next(
        attributes["content"] or ""
        for name, attributes in Elements(text).found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert content.startswith("default-src 'none'")
    for kind in ("style", "script"):
        inner = re.search(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert inner
        digest = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in content
    assert re.findall(r"(?:src|href)=\"(?!data:,)", text) == []
    assert " style=" not in text


def test_a_reader_without_the_script_has_everything_as_text() -> None:
    """The sentence, the objectives, the slices, the evidence and the command."""
    text = Elements(page(drilled(story(objectives=("gap<1s", "failed<=20")), BAD), TEMPLATE)).text
    for words in (
        "A promise was broken: lost writes.",
        "✗ missed",
        "✓ met",
        "etcd follows cp-3",
        "lost: write of a-004 by etcd-cp-1",
        "? inconclusive",
        "backstay drill run machine-freeze-vip-holder --seed 7",
        "1000 ms",
    ):
        assert words in text


def test_what_was_not_seen_is_said_so() -> None:
    """A history without leaders has no zero where a number is missing."""
    empty = History(story().header, ())
    text = Elements(page(drilled(empty, Judgement(())), TEMPLATE)).text
    assert "Until etcd had elected a leadernot seen" in text
    assert "Nobody wrote." in text


def test_a_member_that_is_elected_again_is_no_other_leader() -> None:
    """The time is that to a leader of a later term, and is told in the objective's words."""
    terms = ((0, "4"), (8, "5"))
    marks = tuple(Mark(at * SECOND, Kind.LEADER, "cp-1", "cp-1", term) for at, term in terms)
    fault = Mark(6 * SECOND, Kind.FAULT, "cp-1", "injected", "stall the disk")
    again = History(story().header, (*marks, fault, Mark(9 * SECOND, Kind.PHASE, "final")))
    text = Elements(page(drilled(again, GOOD), TEMPLATE)).text
    meaning = QUANTITIES["reelect"].meaning
    assert f"2.00 s {meaning}" in text
    assert f"{meaning.capitalize()}2.00 s" in text


def test_a_single_one_is_told_as_one() -> None:
    """The page with one lost write is the very page that is sent on."""
    one = Elements(page(drilled(story(), BAD), TEMPLATE)).text
    assert "1 acknowledged write lost" in one
    none = Elements(page(drilled(story(), GOOD), TEMPLATE)).text
    assert "0 acknowledged writes lost" in none
    assert "0 nodes were not Ready" in none


def test_who_saw_requests_fail_is_said_beside_their_number() -> None:
    """Clients of single nodes are not counted there: the table below has theirs."""
    text = Elements(page(drilled(story(), GOOD), TEMPLATE)).text
    assert "16 requests failed at the endpoint" in text


def test_the_page_says_what_its_seconds_count_from() -> None:
    """In a time of day with its zone, so that logs can be laid beside it."""
    text = Elements(page(drilled(story(), GOOD), TEMPLATE)).text
    assert "Seconds count from the drill’s beginning, 2026-11-23 14:00:00 UTC." in text


def test_two_drills_are_put_side_by_side() -> None:
    """Both sentences, and the better number in bold."""
    reports = [
        json.loads(json.dumps(document(drilled(story(name=name), judged))))
        for name, judged in (("ours", GOOD), ("theirs", BAD))
    ]
    text = comparison_page(reports[0], reports[1], TEMPLATE)
    assert '<th scope="row">Acknowledged writes lost</th><td><b>0</b></td><td>1</td>' in text
    assert "<script" not in text
    assert "cluster theirs" in text


def test_two_scenarios_are_not_compared_without_a_word() -> None:
    """Whoever reads the page knows that they differ by what was done."""
    ours = json.loads(json.dumps(document(drilled(story(), GOOD))))
    theirs = {**ours, "scenario": "etcd-leader-kill"}
    assert "Two different scenarios" in comparison_page(ours, theirs, TEMPLATE)
    assert "Two different scenarios" not in comparison_page(ours, ours, TEMPLATE)
