"""JUnit of drills: the same names in each run, and never another word than the exit code's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.history import History
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.document import Drilled, Undrilled, drilled
from backstay.drill.report.junit import junit
from backstay.drill.report.objectives import result_of
from backstay.drill.report.repeats import repeats
from fakes.drill_stories import BAD, GOOD, story

STORY = History(story().header, ())


def parsed(attempts: Iterable[Drilled | Undrilled], left_out: Iterable[str] = ()) -> ET.Element:
    return ET.fromstring(junit(attempts, left_out))  # noqa: S314  # our own text


def named(name: str, found: Drilled) -> Drilled:
    header = replace(found.header, scenario=name)
    return replace(found, history=replace(found.history, header=header))


def counts(one: ET.Element) -> list[str | None]:
    return [one.get(name) for name in ("tests", "failures", "errors", "skipped")]


def test_there_is_a_case_for_every_promise() -> None:
    """What failed is a failure, what could not be decided an error, what is left out is skipped."""
    bad = drilled(story(objectives=("gap<1s", "service kept:gap<2s")), BAD)
    undrilled = Undrilled("idle", "nobody is both")
    root = parsed([named("good", drilled(story(), GOOD)), bad, undrilled], ["machine-kill-worker"])
    assert [(one.get("name"), *counts(one)) for one in root] == [
        ("good", "4", "0", "0", "0"),
        ("machine-freeze-vip-holder", "6", "2", "2", "0"),
        ("idle", "1", "0", "1", "0"),
        ("machine-kill-worker", "1", "0", "0", "1"),
    ]
    assert counts(root) == ["12", "2", "3", "1"]
    told = [(case.get("name"), inner.tag) for case in root[1] for inner in case]
    assert told == [
        ("lost writes: etcd", "failure"),
        ("linearizability", "error"),
        ("gap<1s", "failure"),
        ("service kept:gap<2s", "error"),
    ]


def test_names_are_the_same_in_each_run() -> None:
    """A CI keeps the history of a name; what was counted this time is no part of it."""

    def names(rate: str) -> list[str | None]:
        findings = (
            Finding("load", Verdict.PASS, f"{rate} operations per second were answered"),
            Finding("lost writes", Verdict.PASS, f"etcd: none of {rate} is lost"),
        )
        root = parsed([drilled(story(objectives=("gap<2s",)), Judgement(findings))])
        return [one.get("name") for one in root[0]]

    assert names("282") == names("280") == ["load", "lost writes: etcd", "gap<2s"]


def test_a_message_says_what_was_seen_and_asked_with_units() -> None:
    """Nobody has to look up what 1.44155 is."""
    objectives = ("gap<1s", "failed<=2", "service kept:gap<2s")
    root = parsed([drilled(story(objectives=objectives), GOOD)])
    messages = [inner.get("message") for case in root[0] for inner in case]
    assert messages == [
        "gap was 1.46 s, asked gap<1s",
        "failed was 16, asked failed<=2",
        "gap was not seen, asked service kept:gap<2s",
    ]


def test_a_suite_has_its_time() -> None:
    """Seconds of the drills, and of all suites together."""
    root = parsed([named("one", drilled(story(), GOOD)), named("other", drilled(story(), GOOD))])
    assert [one.get("time") for one in (*root, root)] == ["16.000", "16.000", "32.000"]


def gap_of(seconds: float) -> Drilled:
    found = drilled(story(objectives=("median gap<=1.4405s", "failed<=16")), GOOD)
    first, *others = found.results
    return replace(found, results=(result_of(first.objective, seconds), *others))


def test_repeated_drills_are_judged_together() -> None:
    """Two unlucky gaps of five do not break a median: JUnit says what the exit code says."""
    many = [gap_of(one) for one in (1.44, 1.45, 1.43, 1.42, 1.46)]
    root = parsed(many)
    assert repeats(many)[0].verdict is Verdict.PASS
    assert [counts(one) for one in root] == [["22", "0", "0", "0"]]
    names = [one.get("name") for one in root[0]]
    assert len(set(names)) == len(names)
    assert names[0] == "load (drill 1)"
    missed = parsed([gap_of(one) for one in (1.5, 1.5, 1.4)])
    (message,) = (inner.get("message") for case in missed[0] for inner in case)
    assert message == "gap was 1.50 s (median of 3), asked median gap<=1.4405s"


def test_a_median_is_not_asked_of_a_single_drill() -> None:
    """A case that is left out is no failure, and a CI shows it."""
    root = parsed([drilled(story(objectives=("median gap<=1s",)), GOOD)])
    assert counts(root) == ["5", "0", "0", "1"]


@given(st.text(), st.text())
def test_no_text_makes_bad_xml(what: str, line: str) -> None:
    """A log line may hold escapes of a terminal, and halves of characters."""
    judgement = Judgement((Finding("logs", Verdict.FAIL, what, (line,)),))
    history = History(replace(STORY.header, scenario=what, started=line), ())
    root = parsed([drilled(history, judgement), Undrilled(line + "x", what)], [what])
    assert {one.tag for one in root} == {"testsuite"}
