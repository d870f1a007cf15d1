"""What a judge says: pass, fail, or that it cannot tell; and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Three values, since a check that could not finish proves nothing."""

    PASS = "pass"  # noqa: S105  # a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says: in one sentence, with the lines of the history that show it.

    `evidence` is cut short where there is much of it; `count` says how many things it stands for.
    """

    check: str
    verdict: Verdict
    what: str
    evidence: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all checks say together."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the worst: one failure fails, and without one a doubt remains a doubt."""
        return worst(one.verdict for one in self.findings)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return fail before inconclusive before pass; nothing that was checked is inconclusive."""
    found = set(verdicts)
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE
