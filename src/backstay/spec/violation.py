"""What a rule says when it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backstay.spec.model import ClusterSpec
from backstay.spec.problems import Path


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule, and the path of the value that it concerns."""

    message: str
    path: Path
    suggestion: str = ""


Rule = Callable[[ClusterSpec], Iterator[Violation]]
"""Looks at a whole specification of the right shape, and yields what is wrong with it."""
