"""A cluster of three and a worker, and who is what in it."""

from __future__ import annotations

from backstay.drill.faults.targets import Roles, Site

PLANES = ("cp-1", "cp-2", "cp-3")
SITE = Site(
    members=PLANES,
    planes=PLANES,
    balancers=PLANES,
    workers=("w-1", "w-2"),
    addresses={
        **{name: f"10.0.0.{number}" for number, name in enumerate(PLANES, start=1)},
        "w-1": "10.0.0.11",
        "w-2": "10.0.0.12",
    },
    ssh=dict.fromkeys((*PLANES, "w-1", "w-2"), 22),
    endpoint_port=8443,
    vip="10.0.0.100",
)
ROLES = Roles(
    SITE,
    etcd_leader="cp-2",
    vip_holder="cp-2",
    leases={"kube-controller-manager": "cp-1", "kube-scheduler": "cp-3"},
)
