"""A drill for programs: plain values (docs/drill-report.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backstay.drill.history import SECOND, Header, History, Mark
from backstay.drill.oracle.stores import is_whole
from backstay.drill.oracle.verdict import Judgement, Verdict
from backstay.drill.report.numbers import Group, Numbers, measure
from backstay.drill.report.objectives import (
    Answer,
    Result,
    evaluate,
    lost_writes,
    parse_objectives,
    so_far,
)
from backstay.drill.report.times import Gap, Times
from backstay.drill.report.wording import plural

API_VERSION = "backstay.dev/v1"


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill with all that was made of it."""

    history: History
    judgement: Judgement
    numbers: Numbers
    results: tuple[Result, ...]

    @property
    def header(self) -> Header:
        """What was done, and to whom."""
        return self.history.header

    @property
    def scenario(self) -> str:
        """The name of what was done."""
        return self.header.scenario

    @property
    def verdict(self) -> Verdict:
        """The judge's word, or fail if an objective was missed, or inconclusive if unknown."""
        answers = {one.answer for one in self.results}
        if self.judgement.verdict is Verdict.FAIL or Answer.MISSED in answers:
            return Verdict.FAIL
        if self.judgement.verdict is Verdict.INCONCLUSIVE or Answer.UNKNOWN in answers:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    @property
    def sentence(self) -> str:
        """The drill in a sentence or two that need no explanation."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What users felt, whether anything was lost, and what was missed."""
        has_fault = Times.of(self.history).has_fault
        felt = _interruption(self.numbers) if has_fault else "The drill ended before its fault."
        unseen = "Not seen" if is_whole(self.history) else "Not seen to the end"
        return (felt, _loss(self.judgement), *_objectives(self.results, unseen))

    @property
    def seconds(self) -> float:
        """How long it was, from its first mark to its last."""
        return max((one.at for one in self.history.of(Mark)), default=0) / SECOND


@dataclass(frozen=True, slots=True)
class Undrilled:
    """A scenario of a suite that could not be drilled: nothing is proven."""

    scenario: str
    why: str
    broke_off: bool = False
    """Whether it ended in the middle, when something may have been broken already."""

    @property
    def verdict(self) -> Verdict:
        """What was not tried is not decided."""
        return Verdict.INCONCLUSIVE

    @property
    def sentence(self) -> str:
        """Why it was not drilled."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Why it was not drilled, as a drill says what came of it."""
        if self.broke_off:
            return (f"{self.why[:1].upper()}{self.why[1:]}.",)
        return (f"Not drilled: {self.why}.",)


def outline(found: Drilled | Undrilled) -> Drilled | Undrilled:
    """Return what is told of one among many: its history has no more than marks.

    After fifty drills their operations were 600 MB, and whoever looked for garbage among them kept
    the clients of the next drill waiting for a second.
    """
    if isinstance(found, Undrilled):
        return found
    return replace(found, history=replace(found.history, records=found.history.of(Mark)))


def drilled(history: History, judgement: Judgement) -> Drilled:
    """Return a judged history with its numbers, held against the objectives of its header."""
    numbers = measure(history)
    objectives = parse_objectives(",".join(history.header.objectives))
    results = evaluate(objectives, numbers, judgement)
    known = results if is_whole(history) else tuple(map(so_far, results))
    return Drilled(history, judgement, numbers, known)


NOTICED_SECONDS = 0.1
"""A shorter gap is what a client sees between two answers anyway."""


def _interruption(numbers: Numbers) -> str:
    gap = numbers.write_gap
    if gap is None:
        return "Nobody wrote."
    requests = plural(numbers.failed, "request") if numbers.failed else "no request"
    failed = f"{requests} failed at the endpoint"
    if gap.seconds < NOTICED_SECONDS:
        return f"Writes went on, and {failed}."
    return f"Writes stopped for {gap.seconds:.1f} s, and {failed}."


def _loss(judgement: Judgement) -> str:
    if judgement.verdict is Verdict.PASS:
        return "Nothing that was acknowledged was lost."
    if judgement.verdict is Verdict.FAIL:
        failed = (one.check for one in judgement.findings if one.verdict is Verdict.FAIL)
        return f"A promise was broken: {', '.join(dict.fromkeys(failed))}."
    doubtful = (one.what for one in judgement.findings if one.verdict is Verdict.INCONCLUSIVE)
    return f"Nothing is proven: {'; '.join(dict.fromkeys(doubtful))}."


def _objectives(results: Sequence[Result], unseen: str) -> Iterator[str]:
    for word, answer in (("Missed", Answer.MISSED), (unseen, Answer.UNKNOWN)):
        if found := [str(one.objective) for one in results if one.answer is answer]:
            yield f"{word}: {', '.join(found)}."
    asked = [one for one in results if one.answer is not Answer.NOT_ASKED]
    if asked and all(one.answer is Answer.MET for one in asked):
        yield "All objectives were met."


def document(found: Drilled) -> dict[str, object]:
    """Return everything but the operations themselves."""
    header = found.header
    return {
        "apiVersion": API_VERSION,
        "kind": "Drill",
        "scenario": header.scenario,
        "explanation": header.explanation,
        "cluster": header.cluster,
        "started": header.started,
        "command": header.command,
        "seed": header.seed,
        "targets": list(header.targets),
        "verdict": found.verdict.value,
        "sentence": found.sentence,
        "objectives": [objective_document(one) for one in found.results],
        "findings": [
            {
                "check": one.check,
                "verdict": one.verdict.value,
                "what": one.what,
                "evidence": list(one.evidence),
            }
            for one in found.judgement.findings
        ],
        "numbers": {"lost_writes": lost_writes(found.judgement), **_numbers(found.numbers)},
        "versions": dict(header.versions),
        "settings": dict(header.settings),
        "load": dict(header.load),
    }


def undrilled_document(one: Undrilled) -> dict[str, object]:
    """Return what there is to say of a scenario that was not drilled."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Drill",
        "scenario": one.scenario,
        "verdict": one.verdict.value,
        "sentence": one.sentence,
    }


def objective_document(one: Result) -> Mapping[str, object]:
    """Return an objective with what was seen and its answer."""
    return {"objective": str(one.objective), "seen": one.seen, "answer": one.answer.value}


def _seconds(gap: Gap | None) -> float | None:
    return None if gap is None else gap.seconds


def _numbers(numbers: Numbers) -> Mapping[str, object]:
    return {
        "operations": numbers.operations,
        "acknowledged": numbers.acknowledged,
        "failed": numbers.failed,
        "handed": numbers.handed,
        "failed_before": numbers.failed_before,
        "told_to_retry": numbers.told_to_retry,
        "write_gap_seconds": _seconds(numbers.write_gap),
        "read_gap_seconds": _seconds(numbers.read_gap),
        "etcd_write_gap_seconds": _seconds(numbers.etcd_write_gap),
        "client_gap_seconds": {name: gap.seconds for name, gap in numbers.client_gaps.items()},
        "watches_cut": numbers.watches_cut,
        "watch_gap_seconds": {name: gap.seconds for name, gap in numbers.watch_gaps.items()},
        "detected_seconds": numbers.detected,
        "out_seconds": numbers.out,
        "reelected_seconds": numbers.reelected,
        "elections": numbers.elections,
        "vip_moved_seconds": numbers.vip_moved,
        "vip_moves": numbers.vip_moves,
        "vip_split_seconds": numbers.vip_split,
        "healed_seconds": numbers.healed,
        "lease_gap_seconds": dict(numbers.lease_gaps),
        "lease_overlap_seconds": dict(numbers.lease_overlaps),
        "nodes_not_ready": list(numbers.not_ready) if numbers.nodes else None,
        "renewal_gap_seconds": dict(numbers.renewal_gaps),
        "sessions": dict(numbers.sessions),
        "errors": dict(numbers.errors),
        "groups": [_group(one) for one in numbers.groups],
    }


def _group(one: Group) -> Mapping[str, object]:
    return {
        "clients": one.name,
        "action": one.action.value,
        "operations": one.operations,
        "ok": one.ok,
        "failed": one.failed,
        "unknown": one.unknown,
        "told_to_retry": one.told_to_retry,
        "held_back": one.held_back,
        "p50_milliseconds": one.p50,
        "p99_milliseconds": one.p99,
        "longest_milliseconds": one.longest,
        "gap_seconds": _seconds(one.gap),
    }
