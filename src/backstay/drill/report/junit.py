"""Drills as JUnit's XML, which every CI reads: a suite each, a case for each promise."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report.document import Drilled, Undrilled
from backstay.drill.report.objectives import Answer, Result

NOT_PROVEN = "error"
BROKEN = "failure"


def junit(drills: Iterable[Drilled | Undrilled]) -> str:
    """Return one document for all of them; what could not be decided or drilled is an error."""
    root = ET.Element("testsuites", name="backstay drill")
    for one in drills:
        suite = ET.SubElement(root, "testsuite")
        if isinstance(one, Undrilled):
            _of_undrilled(suite, one)
        else:
            _of_drill(suite, one)
        for kind, tag in (("tests", "testcase"), ("failures", BROKEN), ("errors", NOT_PROVEN)):
            suite.set(kind, str(len(suite.findall(f".//{tag}"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _of_drill(suite: ET.Element, one: Drilled) -> None:
    scenario = _clean(one.scenario)
    suite.set("name", scenario)
    suite.set("timestamp", _clean(one.header.started))
    for finding in one.judgement.findings:
        _of_finding(suite, scenario, finding)
    for result in one.results:
        _of_objective(suite, scenario, result)


def _of_undrilled(suite: ET.Element, one: Undrilled) -> None:
    scenario = _clean(one.scenario)
    suite.set("name", scenario)
    case = ET.SubElement(suite, "testcase", classname=scenario, name="drilled")
    ET.SubElement(case, NOT_PROVEN, message=_clean(one.why))


def _of_finding(suite: ET.Element, scenario: str, finding: Finding) -> None:
    name = _clean(f"{finding.check}: {finding.what.partition(':')[0]}")
    case = ET.SubElement(suite, "testcase", classname=scenario, name=name)
    if finding.verdict is not Verdict.PASS:
        kind = BROKEN if finding.verdict is Verdict.FAIL else NOT_PROVEN
        said = ET.SubElement(case, kind, message=_clean(finding.what))
        said.text = _clean("\n".join(finding.evidence))


def _of_objective(suite: ET.Element, scenario: str, result: Result) -> None:
    case = ET.SubElement(suite, "testcase", classname=scenario, name=str(result.objective))
    if result.answer is not Answer.MET:
        kind = BROKEN if result.answer is Answer.MISSED else NOT_PROVEN
        seen = "nothing was seen" if result.seen is None else f"seen: {result.seen:g}"
        ET.SubElement(case, kind, message=seen)


def _clean(text: str) -> str:
    """Return the text without what XML 1.0 cannot carry, such as a terminal's escapes."""
    return "".join(one for one in text if one.isprintable() or one in "\n\t")
