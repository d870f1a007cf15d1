"""Clients of a drill come first on the processors that they share with a lab."""

from __future__ import annotations

import os

import pytest

from backstay.operations.drill_priority import CLIENTS_NICE, favoured


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may come first")
def test_clients_come_first_for_as_long_as_they_work() -> None:
    """And not a moment longer, whatever becomes of them."""
    before, seen = nice(), []

    def stopped() -> None:
        with favoured():
            seen.append(nice())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (seen, nice()) == ([CLIENTS_NICE], before)


def test_who_may_not_come_first_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill of a lab needs root anyway, one of another cluster does not."""

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    before = nice()
    with favoured():
        assert nice() == before
