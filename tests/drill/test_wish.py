"""How long a drill waits follows from how much its clients do."""

from __future__ import annotations

import pytest

from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.load.plan import load_plan
from backstay.drill.wish import Wish

PLANES = ("cp-1", "cp-2", "cp-3")


@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0, 4.0])
def test_every_client_calls_while_calm_is_waited_for(scale: float) -> None:
    """Otherwise a client that has nothing to do yet would be taken for one without an answer."""
    plan = load_plan(
        run="a", seed=0, planes=PLANES, members=PLANES, service=True, seconds=60.0, scale=scale
    )
    course = Wish(SCENARIOS["idle"], "backstay drill run idle", scale=scale).course
    assert course.calm > 1 / min(one.rate for one in plan.workers)
    assert course.calm >= 1.0
