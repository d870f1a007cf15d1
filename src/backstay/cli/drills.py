"""Drilling one scenario after the other, and telling of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backstay.cli.console import Console, Report
from backstay.cli.drill_text import drill_text, verdict_line
from backstay.cli.drilling import Results, agree, default_parent, lab_machines, run_drill
from backstay.cli.session import finished
from backstay.cli.suite_text import suite_text
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import (
    Drilled,
    Undrilled,
    document,
    undrilled_document,
)
from backstay.drill.report.junit import junit
from backstay.drill.report.repeats import Repeats, repeats, repeats_document
from backstay.drill.wish import Wish
from backstay.errors import BackstayError, InterruptedRunError, RefusedError, UsageError
from backstay.spec.model import ClusterSpec

ANSWER_IS_NO = 2


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each drill so far, and where its files are."""

    found: list[Drilled | Undrilled] = field(default_factory=list)
    results: list[Results] = field(default_factory=list)

    @property
    def drills(self) -> tuple[Drilled, ...]:
        """Those that were drilled."""
        return tuple(one for one in self.found if isinstance(one, Drilled))

    @property
    def repeats(self) -> tuple[Repeats, ...]:
        """Those that were drilled, by scenario."""
        return repeats(self.drills)

    @property
    def passed(self) -> bool:
        """Whether everything was drilled, and passed together with its repetitions."""
        everything = len(self.drills) == len(self.found)
        return everything and all(one.verdict is Verdict.PASS for one in self.repeats)


def run_all(
    console: Console,
    spec: ClusterSpec,
    wishes: Sequence[Wish],
    *,
    confirm: str,
    parent: Path | None,
    junit_file: Path | None,
) -> int:
    """Drill all, tell of all, and return the exit code.

    Of several, one that cannot be drilled does not keep the others from it; stopped in between,
    what was found until then is told.
    """
    machines = lab_machines(spec)
    agree(console, spec, machines, confirm)
    _require_writable(junit_file)
    outcomes = Outcomes()
    try:
        for wish in wishes:
            work = run_drill(console, spec, wish, machines, parent or default_parent(spec))
            try:
                found, results = finished(work, console.settings)
            except (InterruptedRunError, UsageError):
                raise
            except (BackstayError, ExceptionGroup) as error:
                if len(wishes) == 1:
                    raise
                outcomes.found.append(Undrilled(wish.scenario.name, _why(error)))
            else:
                outcomes.found.append(found)
                outcomes.results.append(results)
            console.talk(verdict_line(outcomes.found[-1], console.look(console.err)))
    finally:
        if outcomes.found:
            _tell(console, outcomes, junit_file, alone=len(wishes) == 1)
    return 0 if outcomes.passed else ANSWER_IS_NO


def _why(error: BackstayError | ExceptionGroup[Exception]) -> str:
    if isinstance(error, BackstayError):
        return ": ".join(part for part in (error.what, error.why.replace("\n", "; ")) if part)
    return "; ".join(
        _why(one) if isinstance(one, BackstayError | ExceptionGroup) else repr(one)
        for one in error.exceptions
    )


def _require_writable(file: Path | None) -> None:
    """Raise RefusedError before anything is broken for a report that could not be kept."""
    if file is not None:
        try:
            file.open("a", encoding="utf-8").close()
        except OSError as error:
            raise RefusedError(
                "there is no place for the report", where=str(file), why=str(error)
            ) from error


def _tell(console: Console, outcomes: Outcomes, junit_file: Path | None, *, alone: bool) -> None:
    if junit_file is not None:
        junit_file.write_text(junit(outcomes.found), encoding="utf-8")
    console.show(_of_one(outcomes) if alone else _of_many(outcomes))
    for results in outcomes.results:
        console.talk(f"report {results.page}   history {results.history}")


def _of_one(outcomes: Outcomes) -> Report:
    (one,) = outcomes.drills
    return Report(document(one), lambda look: drill_text(one, look), (one.scenario,))


def _of_many(outcomes: Outcomes) -> Report:
    found = outcomes.found
    items = [
        document(one) if isinstance(one, Drilled) else undrilled_document(one) for one in found
    ]
    together = [repeats_document(one) for one in outcomes.repeats if one.is_repeated]
    return Report(
        {"items": items, "repeats": together},
        lambda look: suite_text(found, look),
        [one.scenario for one in found],
    )
