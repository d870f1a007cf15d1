"""The readable part of a `cluster.yaml` that has mistakes, so that rules can look at the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from backstay.spec.problems import Path


@dataclass(frozen=True, slots=True)
class Readable:
    """Values without what is wrong; `hosts` maps a host's place now to its place in the file."""

    value: Mapping[str, object]
    hosts: tuple[int, ...]

    def path(self, path: Path) -> Path:
        """Return where something stands in the file."""
        match path:
            case ("hosts", int(index), *rest):
                return ("hosts", self.hosts[index], *rest)
            case _:
                return path


def readable(value: object, wrong: Iterable[Path]) -> Readable | None:
    """Return the values without those at the wrong paths; None when too little is left.

    A host that is wrong anywhere is left out whole, a part of anything else by itself, so that
    its default stands in for it. Without hosts or a name nothing can be said of the rest.
    """
    paths = frozenset(wrong)
    bad_hosts = frozenset(path[1] for path in paths if path[:1] == ("hosts",) and len(path) > 1)
    others = frozenset(path for path in paths if path[:1] != ("hosts",))
    if not isinstance(value, Mapping) or () in paths or paths & {("hosts",), ("name",)}:
        return None
    hosts = value.get("hosts", ())
    kept = tuple(index for index in range(len(hosts)) if index not in bad_hosts)
    rest = _without(value, (), others.__contains__)
    return Readable({**rest, "hosts": [hosts[index] for index in kept]}, kept)


def _without(
    value: Mapping[str, object], path: Path, wrong: Callable[[Path], bool]
) -> dict[str, object]:
    return {
        key: _without(inner, (*path, key), wrong) if isinstance(inner, Mapping) else inner
        for key, inner in value.items()
        if not wrong((*path, key))
    }
