"""All checks together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil

from backstay.drill.history import SECOND, Client, FinalHash, History, Operation
from backstay.drill.oracle import clients, linearizability, logs, lost, notes, revisions, watches
from backstay.drill.oracle.stores import Store, is_whole, phases, stores
from backstay.drill.oracle.values import values
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict

FLOOR = 0.5
"""Of the asked rate that a warm-up must reach: with less load a fault proves nothing."""

FLOOR_OF_GROUP = 1 / 3
"""Of what each group of clients asked by itself. Few clients with kept connections wait for each
answer, and fall behind on a busy computer that still answers all of them."""

BUSY = "this computer or the cluster is busy, so drill again, or with --scale 0.5"

RATE = "operations_per_second"
"""The key of Header.load that says how much was asked for."""


def judge(history: History, *, now: Callable[[], float], seconds: float = 20.0) -> Judgement:
    """Judge a history; `now` is a clock in seconds, for the time that may be spent on searching."""
    found = stores(history)
    deadline = now() + seconds
    orders = linearizability.check(found, expired=lambda: now() > deadline)
    return Judgement(tuple(_findings(history, found, orders)))


def _findings(
    history: History, found: Sequence[Store], orders: Mapping[str, Finding]
) -> Iterator[Finding]:
    yield floor(history, found)
    yield clients.check(history)
    end = phases(history).get("final") if is_whole(history) else None
    for store in found:
        known = values(store)
        yield revisions.check(store, known)
        yield lost.check(store, known)
        yield watches.check(store, known, end=end)
        yield orders[store.name]
    yield hashes(history)
    yield logs.check(history)
    yield from notes.check(history)


def floor(history: History, found: Sequence[Store]) -> Finding:
    """Say whether there was enough load before the fault to prove anything."""
    check = "load"
    began, ended = (phases(history).get(one) for one in ("warm-up", "fault"))
    asked = history.header.load.get(RATE)
    if began is None or ended is None or ended <= began or not asked:
        is_cut = began is not None and not is_whole(history)
        what = notes.CUT_SHORT if is_cut else "there was no warm-up"
        return Finding(check, Verdict.INCONCLUSIVE, what)
    seconds = (ended - began) / SECOND
    answered = [
        one for store in found for one in store.acknowledged if began <= one.returned < ended
    ]
    rate = len(answered) / seconds
    what = f"{rate:.0f} of {asked:.0f} operations per second were answered in the warm-up"
    thin = tuple(_thin(history.header.clients, answered, seconds))
    if rate >= FLOOR * asked and not thin:
        return Finding(check, Verdict.PASS, what)
    is_low = rate < FLOOR * asked
    short = f"and {FLOOR * asked:.0f} are needed" if is_low else "but one kind of client had few"
    return Finding(check, Verdict.INCONCLUSIVE, f"{what}, {short}; {BUSY}", thin)


def _thin(asking: Sequence[Client], answered: Iterable[Operation], seconds: float) -> Iterator[str]:
    """Yield the groups of clients that had too few answers, whatever others had."""
    groups = {one.name: one.group for one in asking}
    count = Counter(groups.get(one.client) for one in answered)
    asked: dict[str, int] = defaultdict(int)
    for one in asking:
        asked[one.group] += int(one.rate * seconds)
    for group, least in sorted(asked.items()):
        if count[group] < FLOOR_OF_GROUP * least:
            needed = ceil(FLOOR_OF_GROUP * least)
            yield f"{group}: {count[group]} of {least} operations were answered, {needed} needed"


def hashes(history: History) -> Finding:
    """Say whether all members have the same store."""
    check = "hashes"
    found = {one.member: one for one in history.of(FinalHash)}
    evidence = tuple(
        f"{member}: {one.hash:#010x} at revision {one.revision}"
        for member, one in sorted(found.items())
    )
    at = {one.revision for one in found.values()}
    if len({(one.revision, one.hash) for one in found.values()}) > len(at):
        return Finding(check, Verdict.FAIL, "the members' stores differ", evidence)
    if missing := [one for one in history.header.members if one not in found]:
        what = f"no hash of {', '.join(missing)}"
        return Finding(check, Verdict.INCONCLUSIVE, what, evidence)
    if len(at) != 1:
        what = "the members' hashes are not of one revision"
        return Finding(check, Verdict.INCONCLUSIVE, what, evidence)
    what = f"{len(found)} members have the same store at revision {min(at)}"
    return Finding(check, Verdict.PASS, what, evidence)
