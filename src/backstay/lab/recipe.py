"""What is in the root file system that all machines of a lab share; pure values and a digest.

A machine differs from a bare Debian server in as little as possible: what it lacks is what a
machine without hardware cannot have, what it has more is what lets a kubelet run in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

SUITE = "bookworm"
MIRROR_DIRECTORY = "/opt/backstay/mirror"
"""Where a machine sees the artefact cache of this computer, read-only."""

PACKAGES = (
    *("systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "kmod", "mount", "curl"),
    *("iproute2", "nftables", "iptables", "conntrack", "ethtool", "socat", "iputils-ping"),
    *("haproxy", "keepalived", "ca-certificates", "libseccomp2"),
)

DROPPED_PATHS = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

PREPARE_UNIT = """\
[Unit]
Description=Make this container as much of a machine as a kubelet needs
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service systemd-journald.service
ConditionVirtualization=container

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-prepare

[Install]
WantedBy=sysinit.target
"""

PREPARE_SCRIPT = """\
#!/bin/sh
# systemd-nspawn mounts these read-only; the kubelet and runc write to them.
set -eu
for hierarchy in /sys/fs/cgroup/*; do
    if [ ! -L "$hierarchy" ] && mountpoint -q "$hierarchy"; then
        mount -o remount,bind,rw "$hierarchy"
    fi
done
mount -o remount,bind,rw /proc/sys
# Volumes that a pod mounts must be seen by the kubelet, and the other way round.
mount --make-rshared /
"""

MANAGER_CONF = """\
[Manager]
DefaultTimeoutStopSec=5s
"""

JOURNAL_CONF = """\
[Journal]
# On disk, so that the journal of a machine that was killed can be read.
Storage=persistent
SystemMaxUse=128M
# journald reads /dev/kmsg of the one kernel that all machines share.
ReadKMsg=no
"""

SSHD_CONF = """\
# The only key is the one the lab made: its public half is pinned in cluster.yaml.
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 100
MaxSessions 100
"""

FILES: Mapping[str, str] = {
    "etc/systemd/system/lab-prepare.service": PREPARE_UNIT,
    "usr/local/lib/lab-prepare": PREPARE_SCRIPT,
    "etc/systemd/system.conf.d/lab.conf": MANAGER_CONF,
    "etc/systemd/journald.conf.d/lab.conf": JOURNAL_CONF,
    "etc/ssh/sshd_config.d/lab.conf": SSHD_CONF,
}

EXECUTABLES = ("usr/local/lib/lab-prepare",)

MASKED_UNITS = (
    *("systemd-firstboot.service", "console-getty.service", "getty.target"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer"),
    # The kernel and its debugging are this computer's.
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-fs-fuse-connections.mount"),
)

MASKED_SYSCTLS = ("50-default.conf", "50-pid-max.conf", "99-protect-links.conf")
"""Defaults of the distribution: the kernel is this computer's, and has its owner's values."""

LINKS: Mapping[str, str] = {
    "etc/systemd/system/sysinit.target.wants/lab-prepare.service": "../lab-prepare.service",
    **{f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED_UNITS},
    **{f"etc/sysctl.d/{name}": "/dev/null" for name in MASKED_SYSCTLS},
}

REMOVED = (
    "etc/systemd/system/multi-user.target.wants/haproxy.service",
    "etc/systemd/system/multi-user.target.wants/keepalived.service",
    "etc/ssh/ssh_host_*",
    "etc/machine-id",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/apt.conf.d/99mmdebstrap",
)
"""Services that backstay starts when it has configured them, and what each machine has its own."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the image is like, except the day it is made on."""

    suite: str = SUITE
    packages: tuple[str, ...] = PACKAGES
    dropped_paths: tuple[str, ...] = DROPPED_PATHS
    files: Mapping[str, str] = field(default_factory=lambda: FILES)
    links: Mapping[str, str] = field(default_factory=lambda: LINKS)
    removed: tuple[str, ...] = REMOVED


RECIPE = Recipe()


def digest(recipe: Recipe) -> str:
    """Return the name of the recipe's image in the cache, 16 hexadecimal digits."""
    text = json.dumps(asdict(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bootstrap_command(recipe: Recipe, *, root: str, sources: str, options: str) -> tuple[str, ...]:
    """Return the call of mmdebstrap; `sources` and `options` are files for apt."""
    return (
        "mmdebstrap",
        "--variant=minbase",
        # Its mounts and processes vanish with it, also when it is killed.
        "--mode=unshare",
        "--format=directory",
        f"--include={','.join(recipe.packages)}",
        f"--aptopt={options}",
        *(f"--dpkgopt=path-exclude={path}" for path in recipe.dropped_paths),
        recipe.suite,
        root,
        sources,
    )
