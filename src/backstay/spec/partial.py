"""The readable part of a `cluster.yaml` that has mistakes, so that rules can look at the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backstay.spec.problems import Path

_STAND_IN = "unnamed"


@dataclass(frozen=True, slots=True)
class Readable:
    """Values without what is wrong; `hosts` maps a host's place now to its place in the file.

    `lost` are the paths of what was left out, or stands there by default instead.
    """

    value: Mapping[str, object]
    hosts: tuple[int, ...]
    lost: frozenset[Path]

    def path(self, path: Path) -> Path:
        """Return where something stands in the file."""
        match path:
            case ("hosts", int(index), *rest):
                return ("hosts", self.hosts[index], *rest)
            case _:
                return path


def readable(value: object, wrong: Iterable[Path]) -> Readable | None:
    """Return the values without those at the wrong paths; None when there is no mapping.

    A host that is wrong anywhere is left out whole, a part of anything else by itself, so that
    its default stands in for it.
    """
    lost = frozenset(wrong)
    if not isinstance(value, Mapping) or () in lost:
        return None
    hosts = () if ("hosts",) in lost else value["hosts"]
    bad_hosts = frozenset(path[1] for path in lost if path[:1] == ("hosts",) and len(path) > 1)
    kept = tuple(index for index in range(len(hosts)) if index not in bad_hosts)
    rest = _without(value, (), lost)
    return Readable(
        {"name": _STAND_IN, **rest, "hosts": [hosts[index] for index in kept]}, kept, lost
    )


def _without(value: Mapping[str, object], path: Path, lost: frozenset[Path]) -> dict[str, object]:
    return {
        key: _without(inner, (*path, key), lost) if isinstance(inner, Mapping) else inner
        for key, inner in value.items()
        if (*path, key) not in lost
    }
