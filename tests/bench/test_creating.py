"""What a hand would type is made of the plan: what apply wrote, and nothing else."""

from __future__ import annotations

from bench.creating import paths_of, unpacking

from backstay.resources.account import Account
from backstay.resources.files import Directory
from backstay.resources.kernel import Module, Sysctl
from backstay.resources.service import Service, Tier

RESOURCES = (
    Account("etcd"),
    Directory("/var/lib/etcd", "700", "etcd:etcd"),
    Sysctl("net.ipv4.ip_local_port_range", "1024 65535"),
    Module("overlay"),
    Service("etcd.service", "", Tier.ETCD),
    Service("kubelet.service", "", Tier.NODE),
)


def test_only_what_was_written_is_packed() -> None:
    """What a unit wrote into a directory of ours afterwards would not be a fresh machine's."""
    assert paths_of(RESOURCES) == "var/lib/etcd"


def test_accounts_come_before_the_files_they_own() -> None:
    """And units last, all at once."""
    assert unpacking(RESOURCES).splitlines() == [
        "set -e",
        "useradd --system --user-group --no-create-home etcd",
        "tar -C / -xpf -",
        "modprobe overlay",
        'sysctl -qw "net.ipv4.ip_local_port_range=1024 65535"',
        "systemctl daemon-reload",
        "systemctl start --no-block etcd.service kubelet.service",
    ]
