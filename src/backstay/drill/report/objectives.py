"""What is asked of a drill, such as `gap<2s,lost=0`, and whether it was met.

A bound holds each time. What only chance decides, as how long an election takes, may be bounded in
the median of several drills as well: `median gap<2s`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from backstay.drill.history import Connection, Path
from backstay.drill.oracle.lost import CHECK as LOST
from backstay.drill.oracle.verdict import Judgement, Verdict
from backstay.drill.report.numbers import Numbers
from backstay.drill.report.times import Gap
from backstay.errors import UsageError

PART = re.compile(
    r"(?:(?P<typical>median)\s+)?"
    r"(?:(?P<group>[a-z]+ [a-z]+)\s*:\s*)?(?P<name>[a-z0-9-]+)\s*(?P<relation><=|>=|<|>|=)\s*"
    r"(?P<bound>\d{1,9}(?:\.\d{1,9})?)(?:(?P<unit>ms|s)|\s*\*\s*(?P<term>[a-z-]+))?"
)
DECIMALS = 9
"""Of a bound in seconds: nanoseconds, which are the drill's clock."""

DECIMALS_OF_TERMS = 3
"""Of a bound in the cluster's own timers, which are whole milliseconds."""

NO_TERMS: Mapping[str, float] = MappingProxyType({})

GROUPS = tuple(f"{path} {connection}" for path in Path for connection in Connection)
"""The groups of clients that an objective may be about."""

RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
MILLISECONDS = 1000

MEDIAN = "median"
FEWEST = 3
"""Drills that have a median: of two, one unlucky election is half of all."""


class Answer(StrEnum):
    """Whether an objective was met; what was not seen was not met either.

    A median is not asked of a single drill, which may be the unlucky one.
    """

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound on one of the quantities, of one group of clients if it says so; times in seconds.

    `is_median` is one on the median of several drills, and nothing that a single one can miss.
    """

    name: str
    relation: str
    bound: float
    group: str = ""
    is_median: bool = False

    def __str__(self) -> str:
        """Return it as it is typed."""
        of = f"{MEDIAN} " if self.is_median else ""
        of += f"{self.group}:" if self.group else ""
        bound = f"{self.bound:.{DECIMALS}f}".rstrip("0").rstrip(".")
        unit = "s" if QUANTITIES[self.name].is_time else ""
        return f"{of}{self.name}{self.relation}{bound}{unit}"

    def is_met_by(self, seen: float) -> bool:
        """Return whether a number keeps the bound."""
        return RELATIONS[self.relation](seen, self.bound)


@dataclass(frozen=True, slots=True)
class Result:
    """An objective, what was seen, and the answer."""

    objective: Objective
    seen: float | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that can be bounded: what it is in words, and where it comes from.

    `is_of_clients` is what is measured for every group of clients too; `may_fall` is what may be
    less at a drill's end than in its middle; `gap` is what the number is the length of.
    """

    meaning: str
    value: Callable[[Numbers, Judgement], float | None]
    is_time: bool = False
    is_of_clients: bool = False
    may_fall: bool = False
    gap: Callable[[Numbers], Gap | None] = lambda _: None


def _silence(
    meaning: str, gap: Callable[[Numbers], Gap | None], *, is_of_clients: bool = False
) -> Quantity:
    return Quantity(
        meaning,
        lambda numbers, _: _seconds(gap(numbers)),
        is_time=True,
        is_of_clients=is_of_clients,
        gap=gap,
    )


def _seconds(gap: Gap | None) -> float | None:
    return None if gap is None else gap.seconds


def lost_writes(judgement: Judgement) -> float | None:
    """Return how many acknowledged writes are not there at the end; None if nobody could tell."""
    found = [one for one in judgement.findings if one.check == LOST]
    if not found or any(one.verdict is Verdict.INCONCLUSIVE for one in found):
        return None
    return float(sum(one.count for one in found if one.verdict is Verdict.FAIL))


def _longest(found: Mapping[str, float]) -> float | None:
    return max(found.values(), default=None)


def _p99(numbers: Numbers) -> float | None:
    return None if numbers.p99 is None else numbers.p99 / MILLISECONDS


def _share(numbers: Numbers) -> float | None:
    whole = sum(numbers.sessions.values())
    return 100 * max(numbers.sessions.values()) / whole if whole else None


QUANTITIES: Mapping[str, Quantity] = {
    "gap": _silence(
        "longest time without an acknowledged write through the virtual address",
        lambda numbers: numbers.write_gap,
        is_of_clients=True,
    ),
    "read-gap": _silence(
        "the same of linearizable reads",
        lambda numbers: numbers.read_gap,
        is_of_clients=True,
    ),
    "etcd-gap": _silence(
        "the same of writes to etcd itself, by any member",
        lambda numbers: numbers.etcd_write_gap,
    ),
    "client-gap": _silence(
        "longest time that any one client, with a kept connection by default, had no answer",
        lambda numbers: numbers.client_gap,
        is_of_clients=True,
    ),
    "watch-gap": _silence(
        "longest time that a watch at the endpoint was behind",
        lambda numbers: numbers.watch_gaps.get(f"{Path.VIP} watch"),
    ),
    "cut": Quantity(
        "watches and `exec` at the endpoint that an error ended",
        lambda numbers, _: numbers.watches_cut,
    ),
    "lost": Quantity(
        "acknowledged writes that are not there at the end",
        lambda _, judgement: lost_writes(judgement),
    ),
    "failed": Quantity(
        "requests at the endpoint that failed, reads that client-go asks again too",
        lambda numbers, _: float(numbers.failed),
        is_of_clients=True,
    ),
    "handed": Quantity(
        "requests at the endpoint that client-go hands to its caller as failed",
        lambda numbers, _: float(numbers.handed),
    ),
    "retried": Quantity(
        "answers at the endpoint that say to try again",
        lambda numbers, _: float(numbers.told_to_retry),
        is_of_clients=True,
    ),
    "p99": Quantity(
        "of the slowest group at the endpoint",
        lambda numbers, _: _p99(numbers),
        is_time=True,
        is_of_clients=True,
        may_fall=True,
    ),
    "detect": Quantity(
        "until a balancer or a member noticed", lambda numbers, _: numbers.detected, is_time=True
    ),
    "out": Quantity(
        "until every balancer had left out the target's apiserver",
        lambda numbers, _: numbers.out,
        is_time=True,
    ),
    "reelect": Quantity(
        "until etcd had elected a leader", lambda numbers, _: numbers.reelected, is_time=True
    ),
    "elections": Quantity("elections of etcd's leader", lambda numbers, _: numbers.elections),
    "vip-move": Quantity(
        "until another machine held the virtual address",
        lambda numbers, _: numbers.vip_moved,
        is_time=True,
    ),
    "moves": Quantity("moves of the virtual address", lambda numbers, _: numbers.vip_moves),
    "split": Quantity(
        "how long more than one machine held the virtual address once the fault was undone",
        lambda numbers, _: numbers.vip_split,
        is_time=True,
    ),
    "lease": Quantity(
        "until the next holder had the lease",
        lambda numbers, _: _longest(numbers.lease_gaps),
        is_time=True,
    ),
    "overlap": Quantity(
        "how long the old holder of a lease went on beside the next one",
        lambda numbers, _: _longest(numbers.lease_overlaps),
        is_time=True,
    ),
    "share": Quantity(
        "of the balancers' connections at the end, the most that lead to one apiserver, in percent",
        lambda numbers, _: _share(numbers),
        may_fall=True,
    ),
    "notready": Quantity(
        "nodes that were not Ready at some time",
        lambda numbers, _: len(numbers.not_ready) if numbers.nodes else None,
    ),
    "renewal": Quantity(
        "longest time that a node did not renew its lease",
        lambda numbers, _: _longest(numbers.renewal_gaps),
        is_time=True,
    ),
    "heal": Quantity(
        "from the undoing until the last failure was over and all was up again",
        lambda numbers, _: numbers.healed,
        is_time=True,
    ),
}


def parse_objectives(text: str, terms: Mapping[str, float] = NO_TERMS) -> tuple[Objective, ...]:
    """Return the objectives that a text with commas asks for; raises UsageError.

    `terms` are times that bounds may be multiples of, in seconds, such as `gap<2.2*election`.
    """
    return tuple(_objective(part.strip(), terms) for part in text.split(",") if part.strip())


def _objective(text: str, terms: Mapping[str, float]) -> Objective:
    found = PART.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no objective",
            why="it is not a name, one of < <= = >= >, and a number with s or ms if it is a time",
            next_move="for example: --objective 'gap<2s,vip new:failed<=2,lost=0'",
        )
    quantity = _known(found["name"], QUANTITIES, "nothing is measured as")
    group = _known(found["group"], GROUPS, "no clients are called") if found["group"] else ""
    _require_fitting(text, quantity, group=group, unit=found["unit"] or found["term"])
    bound = _bound(found, terms)
    return Objective(quantity, found["relation"], bound, group, found["typical"] is not None)


def _bound(found: re.Match[str], terms: Mapping[str, float]) -> float:
    number = float(found["bound"])
    if found["term"]:
        known = _known(found["term"], terms, "no time of the cluster is called")
        return round(number * terms[known], DECIMALS_OF_TERMS)
    return round(number / (MILLISECONDS if found["unit"] == "ms" else 1), DECIMALS)


def _known(name: str, names: Iterable[str], trouble: str) -> str:
    """Return the name; raises UsageError, with the one that was meant, if there is no such name."""
    if name in names:
        return name
    close = get_close_matches(name, names, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"{trouble} {name!r}", next_move=f"{meant}there are: {', '.join(names)}")


def _require_fitting(text: str, name: str, *, group: str, unit: str | None) -> None:
    quantity = QUANTITIES[name]
    if (unit is not None) != quantity.is_time:
        wanted = "a time, with s or ms" if quantity.is_time else "a number without a unit"
        raise UsageError(f"{text!r} is no objective", why=f"{name} is {wanted}")
    if group and not quantity.is_of_clients:
        why = f"{name} is not measured for each group of clients"
        raise UsageError(f"{text!r} is no objective", why=why)


def evaluate(
    objectives: Iterable[Objective], numbers: Numbers, judgement: Judgement
) -> tuple[Result, ...]:
    """Say of each objective whether it was met."""
    return tuple(_result(one, numbers, judgement) for one in objectives)


def so_far(found: Result) -> Result:
    """Return the answer of a drill that was cut short: what was not seen might still have come.

    Only what is too much already is missed for certain.
    """
    is_missed = found.answer is Answer.MISSED and _is_beyond(found)
    if is_missed or found.answer is Answer.NOT_ASKED:
        return found
    return replace(found, answer=Answer.UNKNOWN)


def _is_beyond(found: Result) -> bool:
    """Return whether a bound that is missed is one from above, which nothing can mend."""
    one = found.objective
    is_from_above = one.relation != "=" or (found.seen or 0) > one.bound
    return is_from_above and ">" not in one.relation and not QUANTITIES[one.name].may_fall


def _result(objective: Objective, numbers: Numbers, judgement: Judgement) -> Result:
    mine = numbers.of(objective.group) if objective.group else numbers
    quantity = QUANTITIES[objective.name]
    seen = quantity.value(mine, judgement) if mine.groups else None
    found, gap = result_of(objective, seen), quantity.gap(mine)
    if found.answer is Answer.MISSED and gap is not None:
        # Our own pause may have made it so long, and the cluster kept its bound.
        least = gap.without(numbers.pauses)
        return result_of(objective, None) if objective.is_met_by(least) else found
    return found


def result_of(objective: Objective, seen: float | None) -> Result:
    """Return the answer to what a drill saw; None is unknown."""
    if objective.is_median:
        return Result(objective, seen, Answer.NOT_ASKED)
    return bounded(objective, seen)


def bounded(objective: Objective, seen: float | None) -> Result:
    """Return the answer to a number of one drill or of several; None is unknown."""
    if seen is None:
        return Result(objective, None, Answer.UNKNOWN)
    return Result(objective, seen, Answer.MET if objective.is_met_by(seen) else Answer.MISSED)
