"""A tuning as people and as programs read it, and as it stands in cluster.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic.alias_generators import to_camel

from backstay.cli.tables import table
from backstay.operations.tune import Tuning
from backstay.planning.document import API_VERSION
from backstay.planning.look import Detail, Look, Tone
from backstay.planning.tuning import Gaps, Measured, Proposal, fits, gaps, worst
from backstay.spec.model import Etcd
from backstay.spec.profiles import TIMERS, Timers

MEASURED_HEAD = ("MEASURED", "WHERE", "P50", "P99", "SAMPLES")
TIMER_HEAD = ("TIMER", "NOW", "PROPOSED", "LEAST", "BECAUSE")
PROFILE_HEAD = ("TIMERS", "FIT", "LEADER LOST", "APISERVER FROZEN", "ADDRESS MOVED")


def text(tuning: Tuning, look: Look) -> str:
    """Return what was measured, each timer with its arithmetic, what it implies, and the lines."""
    full = look.detail is Detail.FULL
    shown = tuning.measured if full else tuple(worst(tuning.measured).values())
    parts = [
        table(MEASURED_HEAD, [_measured(one, look) for one in shown], look=look),
        table(TIMER_HEAD, list(_timers(tuning)), look=look),
        table(PROFILE_HEAD, list(_profiles(tuning, look)), look=look),
        *(
            look.paint(Tone.WARNING, f"! {name} was not measured: {why}")
            for name, why in tuning.silent.items()
        ),
        _ending(tuning, look),
    ]
    return "\n\n".join(parts)


def _measured(one: Measured, look: Look) -> tuple[str, ...]:
    where = f"{one.host} {look.marks.arrow} {one.peer}" if one.peer else one.host
    p50, p99 = (f"{value:.1f} ms" for value in (one.spread.p50, one.spread.p99))
    return (one.quantity, where, p50, p99, f"{one.spread.count} ({one.source})")


def _timers(tuning: Tuning) -> Iterator[tuple[str, ...]]:
    now = tuning.now.values()
    for name, value in tuning.proposal.timers.values().items():
        least = tuning.proposal.least.get(name)
        yield (
            to_camel(name),
            str(now[name]),
            str(value),
            *(("", "") if least is None else (str(least.milliseconds), least.arithmetic)),
        )


def _sets(tuning: Tuning) -> Iterator[tuple[str, Timers]]:
    yield "now", tuning.now
    yield "proposed", tuning.proposal.timers
    yield from TIMERS.items()


def _profiles(tuning: Tuning, look: Look) -> Iterator[tuple[str, ...]]:
    for name, timers in _sets(tuning):
        found = gaps(timers)
        fit = look.marks.tick if fits(timers, tuning.proposal.least) else look.marks.cross
        times = (found.leader, found.apiserver, found.address)
        yield (name, fit, *(f"{one / 1000:.2f} s" for one in times))


def _ending(tuning: Tuning, look: Look) -> str:
    if tuning.proposal.timers == tuning.now:
        return look.paint(Tone.GOOD, "cluster.yaml says so already.")
    said = "" if tuning.fits else "What cluster.yaml says now is too quick for these machines. "
    head = look.paint(Tone.STRONG, f"{said}In cluster.yaml it would be:")
    return f"{head}\n\n{lines(tuning.proposal)}"


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
        "profile": proposal.profile.value,
        "timers": [
            {
                "name": to_camel(name),
                "now": tuning.now.values()[name],
                "proposed": value,
                "least": None if least is None else least.milliseconds,
                "because": None if least is None else least.arithmetic,
            }
            for name, value in proposal.timers.values().items()
            for least in (proposal.least.get(name),)
        ],
        "gaps": {
            str(name): {"fits": fits(timers, proposal.least), **_gaps(gaps(timers))}
            for name, timers in _sets(tuning)
        },
        "cluster_yaml": lines(proposal),
        "measured": list(_documents(tuning.measured)),
        "silent": dict(tuning.silent),
    }


def _gaps(found: Gaps) -> Mapping[str, float]:
    return {
        "leader_milliseconds": found.leader,
        "apiserver_milliseconds": found.apiserver,
        "address_milliseconds": round(found.address, 1),
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
