"""What the benchmark of drills says of the other cluster is that cluster's own."""

from __future__ import annotations

from bench.drills import settings_in
from bench.kubeadm import _haproxy, _keepalived

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
