"""Drilling one scenario after the other, and telling of all of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from backstay.cli.broken_off import BrokenOffError, said
from backstay.cli.console import Console, Report
from backstay.cli.drill_text import drill_text, verdict_line
from backstay.cli.drilling import (
    Job,
    Results,
    agree,
    default_parent,
    keep,
    lab_machines,
    results_in,
    run_drill,
    write_report,
)
from backstay.cli.interrupt import terminable
from backstay.cli.stopping import Orderly
from backstay.cli.suite_text import suite_text
from backstay.drill.oracle.verdict import Verdict, worst
from backstay.drill.report.document import (
    API_VERSION,
    Drilled,
    Undrilled,
    document,
    outline,
    undrilled_document,
)
from backstay.drill.report.junit import junit
from backstay.drill.report.repeats import Repeats, repeats, repeats_document
from backstay.drill.wish import Wish
from backstay.errors import (
    BackstayError,
    GateTimeoutError,
    InterruptedRunError,
    StepFailedError,
    UsageError,
)
from backstay.fleet.world import utc_now
from backstay.spec.model import ClusterSpec

if TYPE_CHECKING:
    from backstay.drill.machines import Machines

ANSWER_IS_NO = 2
WHOLE_SECONDS = 120.0
"""How long a cluster may take, after one drill of several, until the next one finds it whole."""
STOPPING = (
    "Stopping, and undoing what was broken. Press again to leave that to the machines, "
    "which undo it by themselves."
)


class Shape(Enum):
    """How all is told: one drill at length, or a row for each."""

    ONE = "one"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of all drills together; `left_out` are scenarios that are not possible here."""

    wishes: Sequence[Wish]
    shape: Shape = Shape.MANY
    confirm: str | None = None
    parent: Path | None = None
    junit: Path | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one drill, and where its files are."""

    attempt: Drilled | Undrilled
    results: Results

    @property
    def document(self) -> dict[str, object]:
        """All of it for programs."""
        one = self.attempt
        found = document(one) if isinstance(one, Drilled) else undrilled_document(one)
        return {**found, "files": self.results.files}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each drill so far."""

    found: list[Outcome] = field(default_factory=list)

    @property
    def attempts(self) -> tuple[Drilled | Undrilled, ...]:
        """What became of each."""
        return tuple(one.attempt for one in self.found)

    @property
    def repeats(self) -> tuple[Repeats, ...]:
        """The same by scenario."""
        return repeats(self.attempts)

    @property
    def verdict(self) -> Verdict:
        """Whether everything was drilled, and passed together with its repetitions."""
        return worst(one.verdict for one in self.repeats)


def run_all(console: Console, spec: ClusterSpec, asked: Asked) -> int:
    """Drill all, tell of all, and return the exit code.

    Of several, one that cannot be drilled does not keep the others from it; stopped in between,
    what was found until then is told.
    """
    if asked.junit is not None:
        # What an earlier run left there would be read as this one's, were this one refused.
        write_report(asked.junit, junit(()))
    machines = lab_machines(spec)
    agree(console, spec, machines, asked.confirm)
    parent = asked.parent or default_parent(spec)
    run = Run(Orderly(console, STOPPING), spec, machines, parent, is_alone=len(asked.wishes) == 1)
    if asked.left_out:
        names = ", ".join(asked.left_out)
        console.talk(f"left out, since nobody here holds the power of machines: {names}")
    try:
        with terminable():
            for wish in asked.wishes:
                run.drill(wish)
    except BaseException:
        _tell_if_possible(console, run.outcomes, asked)
        raise
    _tell(console, run.outcomes, asked)
    return 0 if run.outcomes.verdict is Verdict.PASS else ANSWER_IS_NO


@dataclass(frozen=True, slots=True)
class Run:
    """Drills one after the other on one cluster; `is_alone` is one whose error ends the run."""

    orderly: Orderly
    spec: ClusterSpec
    machines: Machines | None
    parent: Path
    is_alone: bool
    outcomes: Outcomes = field(default_factory=Outcomes)

    def drill(self, wish: Wish) -> None:
        """Drill once, and keep what came of it."""
        results = results_in(self.parent, wish.scenario.name, utc_now())
        attempt = self._attempt(wish, results)
        shown = attempt if self.is_alone else outline(attempt)
        self.outcomes.found.append(Outcome(shown, results))
        if isinstance(attempt, Drilled):
            keep(attempt, results)
        if not self.is_alone:
            console = self.orderly.console
            console.talk(verdict_line(attempt, console.look(console.err)))
        if self.orderly.is_stopped:
            raise InterruptedRunError("stopped after a drill; nothing is broken")

    def _attempt(self, wish: Wish, results: Results) -> Drilled | Undrilled:
        patience = WHOLE_SECONDS if self.outcomes.found else 0.0
        job = Job(self.orderly, self.spec, wish, self.machines, results)
        try:
            found = self.orderly.run(run_drill(job, patience=patience))
        except KeyboardInterrupt as error:
            raise _stopped(wish, results, BY_MACHINES) from error
        except UsageError:
            raise
        except (BackstayError, ExceptionGroup) as error:
            self._require_going_on(wish, results, error)
            undrilled = Undrilled(wish.scenario.name, said(error), results.history.exists())
            if isinstance(error, BrokenOffError) and not error.is_undone:
                self.outcomes.found.append(Outcome(undrilled, results))
                raise
            return undrilled
        if found is None:
            raise _stopped(wish, results, UNDONE)
        return found

    def _require_going_on(self, wish: Wish, results: Results, error: Exception) -> None:
        """Raise what ends the run: being stopped, the end of its time, or its only error."""
        if self.orderly.is_stopped:
            raise _stopped(wish, results, BY_MACHINES) from error
        if self.orderly.is_late and isinstance(error, GateTimeoutError):
            what = f"{error.what}; {UNDONE}"
            raise _ended(GateTimeoutError, what, wish, results) from error
        if self.is_alone or self.orderly.is_late:
            raise error


UNDONE = "what was broken is undone"
BY_MACHINES = "what is still broken the machines undo by themselves"


def _stopped(wish: Wish, results: Results, how: str) -> BackstayError:
    return _ended(InterruptedRunError, f"stopped; {how}", wish, results)


def _ended(kind: type[BackstayError], what: str, wish: Wish, results: Results) -> BackstayError:
    """Return how a drill ended too early: what is broken now, what is kept, what to do next."""
    from backstay.drill.inject import armed_seconds

    name, within = wish.scenario.name, armed_seconds(wish.scenario.fault, wish.course.fault)
    kept = f"its history until then: {results.history}"
    begun = results.history.exists()
    return kind(
        what.replace(BY_MACHINES, f"{BY_MACHINES} within {within:g} s"),
        where=name,
        why=f"{name} has not ended; {kept}" if begun else f"{name} had broken nothing yet",
        next_move="to be sure that nothing is left: backstay drill undo",
    )


def _tell_if_possible(console: Console, outcomes: Outcomes, asked: Asked) -> None:
    """Tell what was found until a run ended; why it ended is not hidden by a full disk."""
    try:
        _tell(console, outcomes, asked)
    except BackstayError as error:
        console.talk(said(error))


def _tell(console: Console, outcomes: Outcomes, asked: Asked) -> None:
    if not outcomes.found:
        return
    console.show(_of_one(outcomes) if asked.shape is Shape.ONE else _of_many(outcomes, asked))
    for one in outcomes.found:
        said = (f"{name} {path}" for name, path in one.results.files.items() if name != "report")
        console.talk("   ".join(said))
    if asked.junit is not None:
        text = junit(outcomes.attempts, asked.left_out)
        write_report(asked.junit, text, failure=StepFailedError)


def _of_one(outcomes: Outcomes) -> Report:
    ((one,), (drill,)) = outcomes.found, outcomes.repeats[0].drills
    return Report(one.document, lambda look: drill_text(drill, look), (drill.scenario,))


def _of_many(outcomes: Outcomes, asked: Asked) -> Report:
    return Report(
        {
            "apiVersion": API_VERSION,
            "kind": "DrillSuite",
            "verdict": outcomes.verdict.value,
            "scenarios": [repeats_document(one) for one in outcomes.repeats],
            "left_out": list(asked.left_out),
            "items": [one.document for one in outcomes.found],
        },
        lambda look: suite_text(outcomes.repeats, look),
        [one.scenario for one in outcomes.attempts],
    )
