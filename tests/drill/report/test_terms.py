"""Bounds follow from the cluster's own timers."""

from __future__ import annotations

import pytest

from backstay.drill.report.objectives import parse_objectives
from backstay.drill.report.terms import TERMS, terms_of
from backstay.errors import UsageError
from backstay.spec.parse import parse

CLUSTER = """\
name: drilled
endpoint: {vip: 10.0.0.100}
hosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]
"""


def bounds(text: str, cluster: str) -> list[str]:
    return [str(one) for one in parse_objectives(text, terms_of(parse(CLUSTER + cluster)))]


PROMISES = (
    "gap<=1*promise,gap<=2.2*election,vip-move<=1.15*vip,gap<=1.3*check,lease<=1.2 * lease-time"
)


@pytest.mark.parametrize(
    ("cluster", "found"),
    [
        ("", ["gap<=2s", "gap<=1.76s", "vip-move<=0.785s", "gap<=1.95s", "lease<=20.4s"]),
        (
            "profile: fast",
            ["gap<=0.8s", "gap<=0.77s", "vip-move<=0.393s", "gap<=0.975s", "lease<=20.4s"],
        ),
    ],
)
def test_a_profile_s_promises_are_its_own(cluster: str, found: list[str]) -> None:
    """By the issue's arithmetic: three adverts and a skew, check time-out and fall, two draws."""
    assert bounds(PROMISES, cluster) == found


def test_slower_timers_promise_less() -> None:
    """Who writes an election of twice the profile's cannot have writes back as soon."""
    slow = "etcd: {electionMilliseconds: 1600}"
    assert bounds("gap<=1*promise,gap<=2.2*election", slow) == ["gap<=4s", "gap<=3.52s"]


def test_a_term_that_there_is_not_is_named() -> None:
    """With the one that was meant; and a count is no time."""
    with pytest.raises(UsageError) as caught:
        parse_objectives("gap<2*elections", dict.fromkeys(TERMS, 1.0))
    assert "did you mean election?" in caught.value.next_move
    with pytest.raises(UsageError):
        parse_objectives("failed<2*election", dict.fromkeys(TERMS, 1.0))
