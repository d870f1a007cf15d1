"""What is measured without machines is what it is said to be."""

from __future__ import annotations

import asyncio

from backstay.pki.requests import requests
from backstay.spec.parse import parse
from bench import deciding


def test_the_plan_is_of_all_hosts() -> None:
    """A plan that left some out would be quick."""
    text = deciding.plan_offline(deciding.cluster_yaml(260))
    hosts = [*(f"cp-{n}" for n in (1, 2, 3)), *(f"w-{n}" for n in range(260))]
    assert [host for host in hosts if host not in text.split()] == []


def test_as_many_pairs_by_openssl_as_by_us() -> None:
    """Authorities on both sides are those of the specification, and each request is one pair."""
    spec = parse(deciding.cluster_yaml(1), name="cluster.yaml")
    wanted = [one for all_ in requests(spec).values() for one in all_]
    made = asyncio.run(deciding.issue_all(deciding.cluster_yaml(1)))
    assert made == len(wanted) > 40
