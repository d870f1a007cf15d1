"""What the benchmark of drills says of the other cluster is that cluster's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.drills import findings, held, settings_in, table
from bench.kubeadm import _haproxy, _keepalived

from backstay.fleet.health import ApiAnswers
from backstay.planning.health import Lease, Node

ETCD = "    - etcd\n    - --name=cp-1\n    - --snapshot-count=10000\n"


def test_timers_of_a_cluster_by_kubeadm_are_those_of_its_files() -> None:
    """What no file says is what the program does by itself; nothing is taken from cluster.yaml."""
    addresses = dict.fromkeys(("cp-1", "cp-2", "cp-3"), "10.0.0.1")
    text = ETCD + _haproxy(addresses) + _keepalived(0, "10.0.0.100")
    assert settings_in(text) == {
        "etcd heartbeat": "100 ms",
        "etcd election": "1000 ms",
        "balancer check interval": "10s",
        "balancer check interval after a failure": "5s",
        "balancer connect time-out": "5s",
        "VRRP advert interval": "1 s",
    }


def test_flags_that_are_there_are_told() -> None:
    """Whoever tunes the other side shall see it in the report."""
    found = settings_in(f"{ETCD}    - --election-timeout=2500\n    advert_int 2\n")
    assert (found["etcd election"], found["VRRP advert interval"]) == ("2500 ms", "2 s")


def report(folder: Path, scenario: str, **numbers: object) -> None:
    """Leave what a drill leaves, as far as the table reads it."""
    nothing = dict.fromkeys(("reelected_seconds", "vip_moved_seconds", "out_seconds"))
    whole = {"lost_writes": 0, "operations": 1000, "told_to_retry": 0, "failed": 0}
    told = {**nothing, **whole, "lease_gap_seconds": {}, **numbers}
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"scenario": scenario, "numbers": told}))


def test_the_table_is_of_all_reports_that_are_there(tmp_path: Path) -> None:
    """Medians of times, the most of counts; what was not drilled has its place, and a dash."""
    for number, (gap, failed) in enumerate(((1.0, 3), (3.0, 1), (1.5, 0))):
        folder = tmp_path / "ours" / str(number)
        report(folder, "etcd-leader-kill", write_gap_seconds=gap, failed=failed)
    other = {"write_gap_seconds": 0.25, "lease_gap_seconds": {"a": 15.0, "b": 17.0}}
    report(tmp_path / "theirs" / "0", "controller-manager-kill", **other)
    lines = list(table(tmp_path))
    assert lines[2:4] == [
        "| `etcd-leader-kill` | 1.50 s ×3 | 3 | 0 | – | – | – | – | – |",
        "| `controller-manager-kill` | – | – | – | – | 250 ms | 0 | 0 | lease 17.0 s |",
    ]
    assert "ours: 3 drills, 3,000 operations, 0 acknowledged writes lost" in lines[-2]


NOW = datetime(2026, 11, 29, 21, 55, 38, tzinfo=UTC)
NODES = {"cp-1": Node(ready=True, kubelet="v1.37.2")}
PLANES = ("cp-1", "cp-2", "cp-3")


def leases(**seconds: float) -> ApiAnswers:
    """Return leases of cp-1 that were renewed so long ago."""
    names = {"manager": "kube-controller-manager", "scheduler": "kube-scheduler"}
    found = {
        names[name]: Lease("cp-1", NOW - timedelta(seconds=ago)) for name, ago in seconds.items()
    }
    return ApiAnswers(NODES, found)


def test_who_crashed_holds_no_lease_though_it_still_names_it() -> None:
    """As it was after all of etcd was killed: nobody was there to be drilled."""
    seen = leases(manager=20.7, scheduler=1.0)
    assert held(seen, NOW) == {"kube-scheduler": "cp-1"}
    assert list(findings(seen, PLANES, {}, NOW)) == [
        "nobody has the lease of kube-controller-manager"
    ]


def test_a_cluster_by_kubeadm_is_not_well_while_a_pod_waits_to_be_started_again() -> None:
    """Its node is Ready, its member serves, and its lease has not run out."""
    seen = leases(manager=1.0, scheduler=1.0)
    idle = {"cp-1": ["kube-controller-manager"], "cp-2": []}
    assert list(findings(seen, PLANES, dict.fromkeys(PLANES, ()), NOW)) == []
    assert list(findings(seen, PLANES, idle, NOW)) == [
        "kube-controller-manager does not run on cp-1"
    ]
