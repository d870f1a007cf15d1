"""The cluster's own times, which bounds may be multiples of: `gap<=2.2*election`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backstay.components.loadbalancer import FALL
from backstay.planning.tuning import gaps
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import PROMISED_MILLISECONDS, TIMERS

LEASE_SECONDS = 15.0
RETRY_SECONDS = 2.0
"""What the controllers have by themselves: `--leader-elect-lease-duration` and `-retry-period`."""

MILLISECONDS = 1000

TERMS: Mapping[str, tuple[str, Callable[[ClusterSpec], float]]] = {
    "election": (
        "etcd's election time-out",
        lambda spec: spec.etcd.election_milliseconds / MILLISECONDS,
    ),
    "vip": (
        "three adverts and a skew: when the next balancer takes the address of a silent one",
        lambda spec: gaps(spec.timers).address / MILLISECONDS,
    ),
    "check": (
        "the balancers' check time-out and as many intervals as an apiserver may miss",
        lambda spec: _check(spec) / MILLISECONDS,
    ),
    "lease-time": (
        "a lease of the controllers and a retry",
        lambda _: LEASE_SECONDS + RETRY_SECONDS,
    ),
    "promise": (
        "what the profile promises of writes when any one machine is lost",
        lambda spec: _promise(spec) / MILLISECONDS,
    ),
}
"""Each by its name: what it is, and how many seconds that is on a cluster."""


def terms_of(spec: ClusterSpec) -> Mapping[str, float]:
    """Return every term in seconds."""
    return {name: seconds(spec) for name, (_, seconds) in TERMS.items()}


def _check(spec: ClusterSpec) -> float:
    timers = spec.timers
    return timers.check_timeout_milliseconds + FALL * timers.check_interval_milliseconds


def _promise(spec: ClusterSpec) -> float:
    """Return the promise, stretched as the cluster's slowest timer is against its profile's."""
    own, usual = gaps(spec.timers), gaps(TIMERS[spec.profile])
    pairs = (
        (own.leader, usual.leader),
        (own.address, usual.address),
        (own.balancer, usual.balancer),
    )
    stretched = max(1.0, *(mine / theirs for mine, theirs in pairs))
    return PROMISED_MILLISECONDS[spec.profile] * stretched
