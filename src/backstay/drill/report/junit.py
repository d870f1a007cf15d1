"""Drills as JUnit's XML, which every CI reads: a suite for each scenario, a case for each promise.

Names are the same in each run: whatever changes from run to run stands in messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report.document import Drilled, Undrilled
from backstay.drill.report.objectives import FEWEST, QUANTITIES, Answer, Result
from backstay.drill.report.repeats import Repeats, repeats
from backstay.drill.report.wording import count, seconds

NOT_PROVEN = "error"
BROKEN = "failure"
LEFT_OUT = "skipped"
TAGS = {"tests": "testcase", "failures": BROKEN, "errors": NOT_PROVEN, "skipped": LEFT_OUT}


def junit(attempts: Iterable[Drilled | Undrilled], left_out: Iterable[str] = ()) -> str:
    """Return one document for all; what could not be decided or drilled is an error.

    `left_out` are the scenarios that cannot be drilled here: they are skipped.
    """
    root = ET.Element("testsuites", name="backstay drill")
    for one in repeats(attempts):
        _of_scenario(_suite(root, one.scenario), one)
    for name in left_out:
        case = _case(_suite(root, name), "drilled")
        ET.SubElement(case, LEFT_OUT, message="nobody here holds the power of these machines")
    for each in (*root, root):
        for kind, tag in TAGS.items():
            each.set(kind, str(len(each.findall(f".//{tag}"))))
    root.set("time", f"{sum(float(each.get('time', 0)) for each in root):.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, scenario: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=_clean(scenario))


def _case(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=_clean(name))


def _of_scenario(suite: ET.Element, found: Repeats) -> None:
    """Add what the judge says of each drill, and what all together say to each objective."""
    for number, one in enumerate(found.attempts, start=1):
        which = f" (drill {number})" if found.is_repeated else ""
        if isinstance(one, Undrilled):
            ET.SubElement(_case(suite, f"drilled{which}"), NOT_PROVEN, message=_clean(one.why))
        else:
            for finding in one.judgement.findings:
                _of_finding(suite, finding, which)
    for result in found.results:
        _of_objective(suite, result, found.how(result.objective))
    suite.set("time", f"{sum(one.seconds for one in found.drills):.3f}")
    if found.drills:
        suite.set("timestamp", _clean(found.drills[0].header.started))


def _of_finding(suite: ET.Element, finding: Finding, which: str) -> None:
    store, is_of_store, _ = finding.what.partition(": ")
    name = f"{finding.check}: {store}" if is_of_store else finding.check
    case = _case(suite, f"{name}{which}")
    if finding.verdict is not Verdict.PASS:
        kind = BROKEN if finding.verdict is Verdict.FAIL else NOT_PROVEN
        said = ET.SubElement(case, kind, message=_clean(finding.what))
        said.text = _clean("\n".join(finding.evidence))


def _of_objective(suite: ET.Element, result: Result, how: str) -> None:
    case = _case(suite, str(result.objective))
    if result.answer is Answer.NOT_ASKED:
        ET.SubElement(case, LEFT_OUT, message=f"of {FEWEST} drills or more")
    elif result.answer is not Answer.MET:
        kind = BROKEN if result.answer is Answer.MISSED else NOT_PROVEN
        ET.SubElement(case, kind, message=_message(result, how))


def _message(result: Result, how: str) -> str:
    """Return a sentence such as `gap was 1.44 s (median of 10), asked gap<1s`."""
    name = result.objective.name
    words = seconds if QUANTITIES[name].is_time else count
    said = f"{name} was {words(result.seen, dash='not seen')}"
    return f"{said}{f' ({how})' if how else ''}, asked {result.objective}"


def _clean(text: str) -> str:
    """Return the text without what XML 1.0 cannot carry, such as a terminal's escapes."""
    return "".join(one for one in text if one.isprintable() or one in "\n\t")
