"""What programs wrote of panics, and whether the fault itself explains it."""

from __future__ import annotations

from math import inf

from backstay.drill.history import SECOND, History, LogLine, Note
from backstay.drill.oracle.notes import noted
from backstay.drill.oracle.stores import phases
from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report.wording import plural

CHECK = "logs"


def check(history: History) -> Finding:
    """Say whether a program wrote of a panic that was not to be expected of the fault."""
    lines = history.of(LogLine)
    expected = [one for one in lines if _is_foreseen(one, history)]
    if worse := tuple(_told(one) for one in lines if one not in expected):
        return Finding(CHECK, Verdict.FAIL, f"{plural(len(worse), 'line')} of a panic", worse)
    evidence = tuple(map(_told, expected))
    if deaf := sorted({one.state for one in noted(history) if one.subject == Note.DEAF}):
        what = f"the journal of {', '.join(deaf)} was not heard to its end"
        return Finding(CHECK, Verdict.INCONCLUSIVE, what, evidence)
    what = "no program wrote of a panic"
    if expected:
        what += f", but for {plural(len(expected), 'line')} that the fault itself explains"
    return Finding(CHECK, Verdict.PASS, what, evidence)


def _is_foreseen(line: LogLine, history: History) -> bool:
    """Return whether the fault makes its target write that, and stood when it was written."""
    began = phases(history)
    return (
        line.host in history.header.targets
        and began.get("fault", inf) <= line.at < began.get("healed", inf)
        and any(words in line.text for words in history.header.foreseen)
    )


def _told(line: LogLine) -> str:
    when = f"{line.at / SECOND:.3f} s: " if line.at else ""
    return f"{when}{line.host} {line.unit}: {line.text}"
