"""From where the cluster is looked at while machines of it are lost."""

from __future__ import annotations

import pytest

from backstay.drill.entry import onlooker
from backstay.spec.parse import parse
from fakes.cluster_texts import cluster, machines

PLANES = ("control-plane-1", "control-plane-2", "control-plane-3")
SPEC = parse(
    cluster(
        hosts={**machines(3), **machines(1, roles="worker", prefix="10.0.0.2")},
        endpoint="{vip: 10.0.0.9}",
    )
)


@pytest.mark.parametrize(
    ("avoided", "through"),
    [
        ((), "worker-1"),
        ((PLANES[0],), "worker-1"),
        (("worker-1",), PLANES[0]),
        (("worker-1", PLANES[0]), PLANES[1]),
        ((*PLANES, "worker-1"), "worker-1"),
    ],
)
def test_no_way_leads_through_a_machine_that_is_lost(
    avoided: tuple[str, ...], through: str
) -> None:
    """The forwarded port ends with it, and whoever uses it would be taken for a lost client."""
    assert onlooker(SPEC, avoided) == through
