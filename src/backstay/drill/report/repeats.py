"""The same scenario drilled several times.

A bound is one on the worst of them; an objective that says so is one on their median, as one
unlucky election is no broken promise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from backstay.drill.oracle.verdict import Verdict, worst
from backstay.drill.report.document import Drilled, Undrilled, objective_document
from backstay.drill.report.numbers import Numbers
from backstay.drill.report.objectives import (
    FEWEST,
    MEDIAN,
    Answer,
    Objective,
    Result,
    bounded,
    lost_writes,
    result_of,
)

VERDICTS = {
    Answer.MISSED: Verdict.FAIL,
    Answer.UNKNOWN: Verdict.INCONCLUSIVE,
    Answer.MET: Verdict.PASS,
    Answer.NOT_ASKED: Verdict.PASS,
}


@dataclass(frozen=True, slots=True)
class Repeats:
    """All attempts at one scenario, one at least."""

    attempts: tuple[Drilled | Undrilled, ...]

    @property
    def scenario(self) -> str:
        """What was drilled."""
        return self.attempts[0].scenario

    @property
    def drills(self) -> tuple[Drilled, ...]:
        """Those that were drilled."""
        return tuple(one for one in self.attempts if isinstance(one, Drilled))

    @property
    def undrilled(self) -> tuple[Undrilled, ...]:
        """Those that could not be drilled."""
        return tuple(one for one in self.attempts if isinstance(one, Undrilled))

    @property
    def results(self) -> tuple[Result, ...]:
        """Each objective with the worst of what was seen, or the median if that is asked."""
        columns = zip(*(one.results for one in self.drills), strict=True)
        return tuple(_together(column) for column in columns)

    @property
    def verdict(self) -> Verdict:
        """Return the judge's worst word, and the objectives' of all drills together."""
        judged = (one.judgement.verdict for one in self.drills)
        answered = (VERDICTS[one.answer] for one in self.results)
        return worst((*judged, *answered, *(one.verdict for one in self.undrilled)))

    @property
    def is_repeated(self) -> bool:
        """Whether there is more than one attempt."""
        return len(self.attempts) > 1

    def how(self, objective: Objective) -> str:
        """Return what a number of all drills is, such as `median of 10`; empty for a single one."""
        if not self.is_repeated:
            return ""
        typical = MEDIAN if objective.is_median else "worst"
        return f"{typical} of {len(self.drills)}"

    def seen(self, value: Callable[[Numbers], float | None]) -> list[float]:
        """Return a number of each drill that saw it."""
        return [found for one in self.drills if (found := value(one.numbers)) is not None]

    def middle(self, value: Callable[[Numbers], float | None]) -> float | None:
        """Return the median of a time; None if no drill saw it."""
        return median(found) if (found := self.seen(value)) else None

    def most(self, value: Callable[[Numbers], float | None]) -> float | None:
        """Return the most of something that is counted; None if no drill saw it."""
        return max(self.seen(value), default=None)

    @property
    def lost(self) -> float | None:
        """How many acknowledged writes are gone in all; None if a drill could not tell."""
        found = [lost_writes(one.judgement) for one in self.drills]
        known = [one for one in found if one is not None]
        return sum(known) if known and known == found else None


def repeats(attempts: Iterable[Drilled | Undrilled]) -> tuple[Repeats, ...]:
    """Return the attempts by scenario, in the order in which each was first tried."""
    found: dict[str, list[Drilled | Undrilled]] = defaultdict(list)
    for one in attempts:
        found[one.scenario].append(one)
    return tuple(Repeats(tuple(each)) for each in found.values())


def repeats_document(one: Repeats) -> dict[str, object]:
    """Return what all drills of a scenario say together."""
    return {
        "scenario": one.scenario,
        "drills": len(one.drills),
        "not_drilled": len(one.undrilled),
        "verdict": one.verdict.value,
        "objectives": [objective_document(each) for each in one.results],
    }


def _together(column: Sequence[Result]) -> Result:
    objective = column[0].objective
    seen = [one.seen for one in column if one.seen is not None]
    if not objective.is_median:
        worst = bounded(objective, _worst(objective, seen) if seen else None)
        is_known = len(seen) == len(column) or worst.answer is Answer.MISSED
        return worst if is_known else bounded(objective, None)
    middle = median(seen) if len(seen) == len(column) else None
    return (bounded if len(column) >= FEWEST else result_of)(objective, middle)


def _worst(objective: Objective, seen: Sequence[float]) -> float:
    missed = [one for one in seen if not objective.is_met_by(one)] or seen
    return min(missed) if objective.relation.startswith(">") else max(missed)
