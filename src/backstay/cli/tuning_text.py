"""A tuning as people and as programs read it, and as it stands in cluster.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from pydantic.alias_generators import to_camel

from backstay.cli.tables import advice, table
from backstay.operations.tune import Tuning
from backstay.planning.document import API_VERSION
from backstay.planning.look import UNICODE, Detail, Look, Tone
from backstay.planning.tuning import Gaps, Measured, Proposal, gaps, most, worst
from backstay.spec.model import Etcd
from backstay.spec.profiles import TIMERS, Timers

MEASURED_HEAD = ("MEASURED", "WHERE", "P50", "P99", "SAMPLES")
TIMER_HEAD = ("TIMER", "NOW", "PROPOSED", "LEAST", "BECAUSE")
PROFILE_HEAD = (
    "TIMERS",
    "FIT",
    "LEADER LOST",
    "APISERVER FROZEN",
    "ADDRESS MOVED",
    "BALANCER FROZEN",
)


def text(tuning: Tuning, look: Look) -> str:
    """Return the answer, what was measured, each timer with its sum, what they imply, the lines."""
    full = look.detail is Detail.FULL
    shown = tuning.measured if full else tuple(worst(tuning.measured).values())
    parts = [
        _answer(tuning, look),
        table(MEASURED_HEAD, [_measured(one, look) for one in shown], look=look) if shown else "",
        table(TIMER_HEAD, list(_timers(tuning, look)), look=look),
        table(PROFILE_HEAD, list(_profiles(tuning, look)), look=look),
        "\n".join(look.paint(Tone.WARNING, f"! {one}") for one in _unmeasured(tuning)),
        advice(tuning.next_moves, look),
        _ending(tuning, look),
    ]
    return "\n\n".join(filter(None, parts))


def _answer(tuning: Tuning, look: Look) -> str:
    """Return whether what stands in cluster.yaml fits, in one sentence."""
    match tuning.fits:
        case True:
            words = f"{look.marks.tick} What cluster.yaml says fits these machines."
            return look.paint(Tone.GOOD, words)
        case None:
            words = "? What cluster.yaml says may fit: nothing that was measured is against it."
            return look.paint(Tone.WARNING, words)
    if tuning.proposal.timers is None:
        words = f"No timers fit these machines: {', '.join(_beyond(tuning.proposal))}."
    else:
        words = f"What cluster.yaml says is too quick for these machines: {_too_quick(tuning)}."
    return look.paint(Tone.BAD, f"{look.marks.cross} {words}")


def _beyond(proposal: Proposal) -> Iterator[str]:
    for name, one in proposal.beyond.items():
        need = f"{to_camel(name)} would have to be {one.milliseconds}"
        yield f"{need}, and can be {most(name)} at most"


def _too_quick(tuning: Tuning) -> str:
    now = tuning.now.values()
    return ", ".join(
        f"{to_camel(name)} is {now[name]}, and {one.milliseconds} is the least"
        for name, one in tuning.proposal.too_quick(tuning.now).items()
    )


def _unmeasured(tuning: Tuning) -> Iterator[str]:
    for name, why in tuning.silent.items():
        yield f"{name} was not measured: {why}"
    for one in tuning.proposal.missing:
        yield f"{one} was measured nowhere"


def _measured(one: Measured, look: Look) -> tuple[str, ...]:
    where = f"{one.host} {look.marks.arrow} {one.peer}" if one.peer else one.host
    p50, p99 = (f"{value:.1f} ms" for value in (one.spread.p50, one.spread.p99))
    return (one.quantity, where, p50, p99, f"{one.spread.count} ({one.source})")


def _timers(tuning: Tuning, look: Look) -> Iterator[tuple[str, ...]]:
    for one in _rows(tuning):
        numbers = (one.now, one.proposed, one.least)
        shown = (look.marks.dash if number is None else str(number) for number in numbers)
        because = one.because.replace(UNICODE.times, look.marks.times)
        yield (to_camel(one.name), *shown, because)


@dataclass(frozen=True, slots=True)
class Row:
    """One timer in milliseconds; None is what cannot be proposed, or has no least value."""

    name: str
    now: int
    proposed: int | None
    least: int | None
    because: str


def _rows(tuning: Tuning) -> Iterator[Row]:
    proposal = tuning.proposal
    proposed = {} if proposal.timers is None else proposal.timers.values()
    for name, now in tuning.now.values().items():
        least = proposal.least[name].milliseconds if name in proposal.least else None
        yield Row(name, now, proposed.get(name), least, proposal.because(name))


def _sets(tuning: Tuning) -> Iterator[tuple[str, Timers]]:
    yield "now", tuning.now
    if tuning.proposal.timers is not None:
        yield "proposed", tuning.proposal.timers
    yield from TIMERS.items()


def _profiles(tuning: Tuning, look: Look) -> Iterator[tuple[str, ...]]:
    marks = {True: look.marks.tick, False: look.marks.cross, None: "?"}
    for name, timers in _sets(tuning):
        found = gaps(timers)
        times = (found.leader, found.apiserver, found.address, found.balancer)
        fit = marks[tuning.proposal.fits(timers)]
        yield (name, fit, *(f"{one / 1000:.2f} s" for one in times))


def _ending(tuning: Tuning, look: Look) -> str:
    timers = tuning.proposal.timers
    if timers is None:
        return ""
    if timers == tuning.now:
        return look.paint(Tone.GOOD, "Nothing else is proposed: cluster.yaml says so already.")
    head = look.paint(Tone.STRONG, _proposed(tuning, timers))
    return f"{head}\n\n{lines(tuning.proposal)}"


def _proposed(tuning: Tuning, timers: Timers) -> str:
    """Return what the lines for cluster.yaml are: what is quicker need not be written."""
    if tuning.fits is False:
        return "In cluster.yaml it would be:"
    now = tuning.now.values()
    quicker = all(value <= now[name] for name, value in timers.values().items())
    fitting = "still fitting" if tuning.fits else "fitting what was measured"
    return f"{'Quicker' if quicker else 'Another choice'}, and {fitting}, would be:"


def lines(proposal: Proposal) -> str:
    """Return what to write into cluster.yaml: the profile, and what differs from it."""
    parts: dict[str, list[str]] = {}
    for name, value in proposal.own.items():
        part = "etcd" if name in Etcd.model_fields else "loadBalancer"
        parts.setdefault(part, []).append(f"  {to_camel(name)}: {value}")
    rest = (f"{part}:\n" + "\n".join(written) for part, written in parts.items())
    return "\n".join((f"profile: {proposal.profile}", *rest))


def document(tuning: Tuning) -> dict[str, object]:
    """Return the tuning as plain values for programs (docs/tuning-json.md)."""
    proposal = tuning.proposal
    return {
        "apiVersion": API_VERSION,
        "kind": "Tuning",
        "name": tuning.name,
        "fits": tuning.fits,
        "profile": None if proposal.profile is None else proposal.profile.value,
        "timers": [
            {**asdict(one), "name": to_camel(one.name), "most": most(one.name)}
            for one in _rows(tuning)
        ],
        "gaps": {
            str(name): {"fits": proposal.fits(timers), **_gaps(gaps(timers))}
            for name, timers in _sets(tuning)
        },
        "cluster_yaml": None if proposal.timers is None else lines(proposal),
        "measured": list(_documents(tuning.measured)),
        "missing": [one.value for one in proposal.missing],
        "silent": dict(tuning.silent),
    }


def _gaps(found: Gaps) -> Mapping[str, float]:
    return {
        "leader_milliseconds": found.leader,
        "apiserver_milliseconds": found.apiserver,
        "address_milliseconds": round(found.address, 1),
        "balancer_milliseconds": round(found.balancer, 1),
    }


def _documents(measured: Iterable[Measured]) -> Iterator[dict[str, object]]:
    for one in measured:
        yield {
            "quantity": one.quantity.value,
            "host": one.host,
            "peer": one.peer or None,
            "source": one.source.value,
            "p50_milliseconds": round(one.spread.p50, 3),
            "p99_milliseconds": round(one.spread.p99, 3),
            "samples": one.spread.count,
        }
