"""Scenarios as people read them before they drill one: all in a table, or each explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from backstay.cli.tables import GAP, table
from backstay.drill.faults.scenario import CALM
from backstay.drill.report.terms import TERMS, terms_of
from backstay.drill.report.wording import plural, seconds
from backstay.planning.look import Detail, Look, Tone, shortened
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import Profile

if TYPE_CHECKING:
    from backstay.drill.faults.scenario import Scenario

HEAD = ("NAME", "TARGET", "LASTS", "MUST HOLD")
TARGET_COLUMNS = 25
"""As long as a single role; who is several at once is explained by itself."""
FEWEST_COLUMNS = 12
INDENT = 13


def list_text(scenarios: Sequence[Scenario], suites: Mapping[str, int], look: Look) -> str:
    """Return a row for each scenario, within the width; explained when all is told.

    One that a suite has several times is there once, with how often.
    """
    if look.detail is Detail.FULL:
        return "\n\n".join(explanation(one, look) for one in dict.fromkeys(scenarios))
    rows = [_row(one, times, look) for one, times in Counter(scenarios).items()]
    others = zip(HEAD[:3], *(row[:3] for row in rows), strict=True)
    width = sum(max(map(len, column)) + len(GAP) for column in others)
    left = max(look.width - width, FEWEST_COLUMNS)
    cut = [(*row[:3], shortened(row[3], left, look.marks)) for row in rows]
    return f"{table(HEAD, cut, look=look)}\n\n{_about(scenarios, suites, look)}"


def _row(one: Scenario, times: int, look: Look) -> tuple[str, ...]:
    calm = set(CALM) <= set(one.objectives)
    own = [each for each in one.objectives if not (calm and each in CALM)]
    target = shortened(one.target, TARGET_COLUMNS, look.marks)
    name = one.name if times == 1 else f"{one.name} {look.marks.times}{times}"
    return name, target, f"{one.seconds:g} s", ",".join(own) or look.marks.dash


def _about(scenarios: Sequence[Scenario], suites: Mapping[str, int], look: Look) -> str:
    total = sum(one.seconds for one in scenarios)
    named = ", ".join(f"{name} ({count})" for name, count in suites.items())
    said = (
        f"{plural(len({*scenarios}), 'scenario')}, whose faults stand for {total:,.0f} s in all.",
        f"Where {CALM[0]} is not named, {','.join(CALM)} must hold too.",
        "Explained: backstay drill list NAME, or -o wide.",
        f"Suites: {named}: backstay drill list --suite NAME",
    )
    return "\n".join(line for sentence in said for line in wrap(sentence, look.width))


def explanation(one: Scenario, look: Look) -> str:
    """Return all that there is to say about a scenario, and what its bounds are multiples of."""
    facts = (
        ("target", one.target),
        ("lasts", f"{one.seconds:g} s"),
        ("must hold", ",".join(one.objectives)),
        *(("", line) for line in _terms(one)),
        ("shows", ", ".join(one.shows) or look.marks.dash),
        ("run it", f"backstay drill run {one.name}"),
    )
    lines = (f"{name:<{INDENT}}{said}" for name, said in facts)
    text = wrap(one.explanation, look.width)
    return "\n".join((look.paint(Tone.STRONG, one.name), *text, "", *lines))


def _terms(one: Scenario) -> Iterator[str]:
    """Yield each time of the cluster that a bound is a multiple of, with each profile's value."""
    used = {objective.partition("*")[2] for objective in one.objectives}
    for name in (each for each in TERMS if each in used):
        yield f"{name} is {TERMS[name][0]}:"
        yield f"  {_values(name)}"


def _values(term: str) -> str:
    found = {one: seconds(terms_of(_plain(one))[term]) for one in Profile}
    if len({*found.values()}) == 1:
        return f"{found[Profile.DEFAULT]} with any profile"
    return ", ".join(f"{value} with the profile {one}" for one, value in found.items())


def _plain(profile: Profile) -> ClusterSpec:
    """Return a cluster whose timers are all its profile's."""
    host = {"name": "cp-1", "address": "192.0.2.1", "roles": ["control-plane"]}
    return ClusterSpec.model_validate(
        {"name": "any", "endpoint": {"vip": "192.0.2.9"}, "hosts": [host], "profile": profile}
    )
