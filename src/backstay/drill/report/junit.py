"""Drills as JUnit's XML, which every CI reads: a suite each, a case for each promise."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree import ElementTree as ET

from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report.document import Drilled
from backstay.drill.report.objectives import Answer, Result

NOT_PROVEN = "error"
BROKEN = "failure"


def junit(drills: Iterable[Drilled]) -> str:
    """Return one document for all of them; what could not be decided is an error."""
    root = ET.Element("testsuites", name="backstay drill")
    for one in drills:
        scenario, started = _clean(one.header.scenario), _clean(one.header.started)
        suite = ET.SubElement(root, "testsuite", name=scenario, timestamp=started)
        for finding in one.judgement.findings:
            _of_finding(suite, scenario, finding)
        for result in one.results:
            _of_objective(suite, scenario, result)
        for kind, tag in (("tests", "testcase"), ("failures", BROKEN), ("errors", NOT_PROVEN)):
            suite.set(kind, str(len(suite.findall(f".//{tag}"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


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
