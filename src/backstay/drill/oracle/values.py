"""Every value is written once, so that whoever sees it must have it from there, and since then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backstay.drill.history import Operation, Outcome
from backstay.drill.oracle.stores import Seen, Store, sightings, told


@dataclass(frozen=True, slots=True)
class Values:
    """Where a store's values come from: their writes, and who saw them first, by revision too."""

    writes: Mapping[tuple[str, str | None], Operation]
    seen: Mapping[tuple[str, str | None], Seen]
    at: Mapping[int, Seen]

    def against(self, one: Seen) -> Iterator[str]:
        """Yield what speaks against somebody's having seen this."""
        if one.value is None:
            return
        written = self.writes.get((one.key, one.value))
        if written is None:
            yield f"{told(one)}, which nobody wrote"
        elif written.outcome is Outcome.FAIL:
            yield f"{told(one)}, whose write had failed: {told(written)}"
        if one.modified is None:
            return
        for other in (self.seen[one.key, one.value], self.at[one.modified]):
            if (other.key, other.value, other.modified) != (one.key, one.value, one.modified):
                yield f"{told(one)}, but {told(other)}"


def values(store: Store) -> Values:
    """Return what is known of a store's values, from those who wrote them if they know."""
    seen: dict[tuple[str, str | None], Seen] = {}
    at: dict[int, Seen] = {}
    for one in sightings(store):
        if one.value is not None and one.modified is not None:
            seen.setdefault((one.key, one.value), one)
            at.setdefault(one.modified, one)
    return Values({(one.key, one.value): one for one in store.writes}, seen, at)
