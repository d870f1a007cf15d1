"""A list of machines as people type it: an address, a name before it, roles after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from backstay.errors import UsageError
from backstay.spec.model import IPAddress, Role
from backstay.spec.problems import shown


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says of a machine; `name` and `roles` may be left to us."""

    address: IPAddress
    name: str = ""
    roles: frozenset[Role] = frozenset()


def read_lines(lines: Iterable[str]) -> Iterator[Line]:
    """Yield a machine for each line `ADDRESS`, `NAME ADDRESS ROLE…` or `NAME=ADDRESS`.

    Empty lines and those that begin with # are passed over; UsageError names the line.
    """
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].replace("=", " ").split()
        if words:
            yield _line(words, where=f"host {number}: {shown(line.strip())}")


def _line(words: Sequence[str], *, where: str) -> Line:
    name, rest = ("", words) if _address(words[0]) else (words[0], words[1:])
    address = _address(rest[0]) if rest else None
    if address is None:
        raise UsageError(
            f"{rest[0] if rest else name!r} is no address",
            where=where,
            why="machines are named by IPv4 or IPv6 addresses; names are not looked up",
            next_move="write NAME ADDRESS ROLE…; find an address by: getent hosts NAME",
        )
    known = {role.value for role in Role}
    if unknown := [word for word in rest[1:] if word not in known]:
        raise UsageError(
            f"there is no role {unknown[0]!r}",
            where=where,
            next_move=f"choose from {', '.join(sorted(known))}",
        )
    return Line(address, name, frozenset(map(Role, rest[1:])))


def _address(word: str) -> IPAddress | None:
    try:
        return ip_address(word)
    except ValueError:
        return None
