"""Cut links between machines on the switch, invisibly to both, and heal them.

A packet dropped on its way out is reported to its sender; one dropped by the bridge is not, which
is what a broken cable is like.
"""

from __future__ import annotations

import json
from typing import Any

from backstay.lab.commands import run
from backstay.lab.names import switch_handle

TABLE = "cuts"
CHAIN = "forward"


async def cut(lab: str, *, first: str, second: str) -> None:
    """Drop everything between two ports of the switch, both ways; again is the same as once."""
    await _nft(
        lab,
        f"add table bridge {TABLE}",
        f"add chain bridge {TABLE} {CHAIN} {{ type filter hook forward priority 0; }}",
        *(f"add rule {_rule(pair)}" for pair in ((first, second), (second, first))),
    )


async def heal(lab: str) -> None:
    """Undo all cuts of a lab."""
    await _nft(lab, f"add table bridge {TABLE}", f"delete table bridge {TABLE}")


async def cuts(lab: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of ports between which nothing passes, sorted."""
    listing = json.loads(await run(*_inside(lab), "nft", "-j", "list", "ruleset", "bridge"))
    rules = [entry["rule"]["expr"] for entry in listing["nftables"] if "rule" in entry]
    return tuple(sorted({_pair(rule) for rule in rules}))


def _rule(pair: tuple[str, str]) -> str:
    incoming, outgoing = pair
    return f'bridge {TABLE} {CHAIN} iifname "{incoming}" oifname "{outgoing}" drop'


def _pair(rule: list[dict[str, Any]]) -> tuple[str, str]:
    first, second = sorted(part["match"]["right"] for part in rule if "match" in part)
    return first, second


async def _nft(lab: str, *commands: str) -> None:
    await run(*_inside(lab), "nft", "-f", "-", stdin="\n".join(commands) + "\n")


def _inside(lab: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", switch_handle(lab))
