"""What a drill's document says in single numbers, in words that need no explanation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from enum import Enum
from typing import Any

from backstay.drill.report import wording
from backstay.planning.look import UNICODE


class Unit(Enum):
    """How a figure is written."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    COUNT = "count"

    def words(self, value: float | None, *, dash: str = UNICODE.dash) -> str:
        """Return a value as people read it, a dash for one that was not seen."""
        return dash if value is None else _WORDS[self](value)


_WORDS: Mapping[Unit, Callable[[float], str]] = {
    Unit.SECONDS: wording.seconds,
    Unit.MILLISECONDS: wording.milliseconds,
    Unit.COUNT: wording.count,
}


class Better(Enum):
    """Which of two values is the better one."""

    LOWER = "lower"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: its key among a document's numbers, and what it means.

    A title with braces is of many things by name.
    """

    key: str
    title: str
    unit: Unit
    better: Better = Better.LOWER


@dataclass(frozen=True, slots=True)
class Seen:
    """A figure with its value; None is what was not seen, and never the same as zero."""

    title: str
    unit: Unit
    value: float | None
    better: Better

    @property
    def words(self) -> str:
        """The value as people read it."""
        return self.unit.words(self.value)


FIGURES = (
    Figure("lost_writes", "Acknowledged writes lost", Unit.COUNT),
    Figure("write_gap_seconds", "Longest time without an acknowledged write", Unit.SECONDS),
    Figure("read_gap_seconds", "Longest time without an answered read", Unit.SECONDS),
    Figure("etcd_write_gap_seconds", "Longest time without a write to etcd itself", Unit.SECONDS),
    Figure("client_gap_seconds", "Longest time that one client ({}) had no answer", Unit.SECONDS),
    Figure("watch_gap_seconds", "Longest time that the {} was behind", Unit.SECONDS),
    Figure("failed", "Requests that failed", Unit.COUNT),
    Figure("handed", "Of these, not asked again by client-go", Unit.COUNT),
    Figure("watches_cut", "Watches and `exec` that an error ended", Unit.COUNT),
    Figure("told_to_retry", "Answers to try again", Unit.COUNT),
    Figure("detected_seconds", "Until somebody noticed", Unit.SECONDS),
    Figure("out_seconds", "Until every balancer had left the apiserver out", Unit.SECONDS),
    Figure("reelected_seconds", "Until etcd had elected a leader", Unit.SECONDS),
    Figure("elections", "Elections of etcd's leader", Unit.COUNT),
    Figure("vip_moved_seconds", "Until the virtual address had moved", Unit.SECONDS),
    Figure("vip_moves", "Moves of the virtual address", Unit.COUNT),
    Figure("vip_split_seconds", "Two holders of the address after the end", Unit.SECONDS),
    Figure("lease_gap_seconds", "Until the next holder had the lease {}", Unit.SECONDS),
    Figure("lease_overlap_seconds", "Two holders at once of the lease {}", Unit.SECONDS),
    Figure("nodes_not_ready", "Nodes that were not Ready", Unit.COUNT),
    Figure("renewal_gap_seconds", "Longest silence of the node {}", Unit.SECONDS),
    Figure("healed_seconds", "From the end of the fault until all was well", Unit.SECONDS),
    Figure("operations", "Operations", Unit.COUNT, Better.NEITHER),
    Figure("acknowledged", "Acknowledged operations", Unit.COUNT, Better.NEITHER),
)


def figures(numbers: Mapping[str, Any]) -> Iterator[Seen]:
    """Yield every figure of a document's numbers; one for each name, and lists are counted."""
    for one in FIGURES:
        found = numbers.get(one.key)
        if isinstance(found, Mapping):
            for name, value in found.items():
                yield Seen(one.title.format(name), one.unit, value, one.better)
        else:
            value = len(found) if isinstance(found, Sized) else found
            yield Seen(one.title, one.unit, value, one.better)
