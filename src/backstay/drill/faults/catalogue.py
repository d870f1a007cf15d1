"""Every scenario by its name, and named sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from backstay.drill.faults.between import LINKS, PLANNED, REST
from backstay.drill.faults.parts import WHOLE, machines, rolling, units
from backstay.drill.faults.scenario import Scenario
from backstay.errors import UsageError

SCENARIOS: Mapping[str, Scenario] = {
    one.name: one for one in (*units(), *machines(), *rolling(), *PLANNED, *LINKS, *REST)
}
"""Every scenario by its name."""

SUITES: Mapping[str, tuple[str, ...]] = {
    "quick": (
        "etcd-leader-kill",
        "apiserver-kill",
        "apiserver-restart",
        "machine-freeze-vip-holder",
        "partition-leader-peers",
        "vip-hand-over",
    ),
    "default": (
        *("etcd-leader-kill", "etcd-leader-freeze", "etcd-follower-kill", "etcd-kill-all"),
        *("apiserver-kill", "apiserver-freeze", "apiserver-stop", "apiserver-restart"),
        *("apiserver-rolling-restart", "controller-manager-kill", "controller-manager-freeze"),
        *("scheduler-kill", "controller-manager-restart", "scheduler-restart"),
        *("balancer-kill-vip-holder", "balancer-blind-vip-holder", "keepalived-kill"),
        *("kubelet-kill", "containerd-kill"),
        *("machine-freeze-vip-holder", "machine-freeze-etcd-leader", "machine-freeze-all-in-one"),
        *("machine-power-off-etcd-leader", "machine-power-off-all-in-one"),
        *("machine-kill-vip-holder", "machine-kill-all-in-one"),
        *("partition-leader-peers", "partition-one-way", "partition-one-way-follower"),
        *("partition-ring", "machine-cut-off", "link-lossy", "vrrp-blocked", "check-flapping"),
        *("connection-silent-drop", "names-fail"),
        *("etcd-power-cut-all", "disk-slow-leader", "disk-stalled-leader"),
        *("leader-hand-over", "vip-hand-over", "balancer-reload"),
    ),
    # Whatever is promised in numbers, and as often as a median needs it.
    "numbers": (
        *(f"machine-{power}-{name}" for power in ("freeze", "power-off", "kill") for name in WHOLE),
        *("apiserver-kill",) * 10,
        *("apiserver-freeze", "apiserver-restart", "apiserver-rolling-restart"),
        *("balancer-reload", "vip-hand-over", "keepalived-kill", "keepalived-freeze"),
        *("etcd-leader-kill",) * 10,
        *("leader-hand-over",) * 3,
        *("controller-manager-kill", "scheduler-kill"),
        *("controller-manager-restart", "scheduler-restart", "idle"),
    ),
    "planned": tuple(name for name, one in SCENARIOS.items() if one.is_planned),
    "all": tuple(SCENARIOS),
}
"""Names of scenarios by the name of the set: from three minutes to some hours.

A name that is there several times is drilled as often.
"""


def scenario(name: str) -> Scenario:
    """Return the scenario of that name; UsageError, with the nearest, if there is none."""
    if name in SCENARIOS:
        return SCENARIOS[name]
    listed = "they are listed: backstay drill list"
    raise UsageError(
        f"there is no scenario {name!r}", next_move=f"{_meant(name, SCENARIOS)}{listed}"
    )


def suite(name: str) -> tuple[Scenario, ...]:
    """Return the scenarios of a set; UsageError, with those there are, if there is none."""
    if name in SUITES:
        return tuple(SCENARIOS[one] for one in SUITES[name])
    listed = f"there are: {', '.join(SUITES)}"
    raise UsageError(f"there is no suite {name!r}", next_move=f"{_meant(name, SUITES)}{listed}")


def _meant(name: str, names: Iterable[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}? " if close else ""
