"""What was noted while a drill ran, and keeps it from proving anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backstay.drill.history import SECOND, History, Kind, Mark, Note
from backstay.drill.oracle.stores import is_whole
from backstay.drill.oracle.verdict import Finding, Verdict

DOUBTS: Mapping[str, Mapping[str, str]] = {
    "fault": {
        Note.MOVED: "the target was not what it was chosen for any more",
        Note.GONE: "the fault stood no more when it was undone",
    },
    "settled": {
        Note.NOT_SETTLED: "not all clients were answered again",
        Note.NOT_WELL: "the cluster did not get well again",
        Note.WATCHER_FAILED: "not everything was watched to the end",
        Note.DEAF: "not every journal was heard to its end",
    },
}
"""By check, the subjects of notes that leave a doubt, and what they mean."""

MEANINGS = {subject: what for doubts in DOUBTS.values() for subject, what in doubts.items()}

WELL = {
    "fault": "it stood where it was meant to, until it was undone",
    "settled": "all clients were answered again, and the cluster was well",
}


CUT_SHORT = "the drill was cut short"


def check(history: History) -> Iterator[Finding]:
    """Say whether a doubt was noted of the fault, and of what came after it."""
    marks = noted(history)
    for name, doubts in DOUBTS.items():
        found = [one for one in marks if one.subject in doubts]
        if found:
            what = "; ".join(dict.fromkeys(doubts[one.subject] for one in found))
            yield Finding(name, Verdict.INCONCLUSIVE, what, tuple(map(_told, found)))
        elif is_whole(history):
            yield Finding(name, Verdict.PASS, WELL[name])
        else:
            yield Finding(name, Verdict.INCONCLUSIVE, CUT_SHORT)


def noted(history: History) -> Sequence[Mark]:
    """Return all notes."""
    return [one for one in history.of(Mark) if one.kind is Kind.NOTE]


def in_words(one: Mark) -> str:
    """Return what a note says, for people."""
    of_what = ", ".join(part for part in (one.state, one.detail) if part)
    return f"{MEANINGS.get(one.subject, one.subject)}: {of_what}"


def _told(one: Mark) -> str:
    return f"{one.at / SECOND:.3f} s: {one.subject}: {one.state} {one.detail}".rstrip(" :")
