"""Which hierarchies of control groups there are."""

from __future__ import annotations

from pathlib import Path

from backstay.lab.hierarchies import Version, hierarchies, read_hierarchies
from backstay.lab.names import PROCESSORS

V1_MOUNTS = """\
25 24 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
V1_GROUPS = """\
12:cpu,cpuacct:/
11:memory:/limited/by someone
10:rdma:/
1:name=systemd:/user.slice/session-1.scope
0::/user.slice/session-1.scope
"""
V2_MOUNTS = "30 24 0:26 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_GROUPS = "0::/user.slice/session-1.scope\n"


def test_in_version_1_machines_stay_below_the_group_we_are_in() -> None:
    """Limits set for us hold for them; a hierarchy that is not mounted is left out."""
    found = hierarchies(groups=V1_GROUPS, mounts=V1_MOUNTS)
    assert [(tree.version, str(tree.base)) for tree in found] == [
        (Version.V1, "/sys/fs/cgroup/cpu,cpuacct"),
        (Version.V1, "/sys/fs/cgroup/memory/limited/by someone"),
        (Version.V1, "/sys/fs/cgroup/systemd/user.slice/session-1.scope"),
        (Version.V2, "/sys/fs/cgroup/unified/user.slice/session-1.scope"),
    ]
    assert found[0].controllers == {"cpu", "cpuacct"}


def test_in_version_2_machines_stand_at_the_root() -> None:
    """The group we are in has processes, and so can have no children with controllers."""
    (tree,) = hierarchies(groups=V2_GROUPS, mounts=V2_MOUNTS)
    assert tree.version is Version.V2
    assert tree.base == Path("/sys/fs/cgroup")


def test_a_drill_among_the_labs_makes_nothing_below_them() -> None:
    """It starts machines again, whose groups stand where `lab up` made them."""
    groups = f"12:cpu,cpuacct:/mine/{PROCESSORS}\n"
    (tree,) = hierarchies(groups=groups, mounts=V1_MOUNTS)
    assert tree.base == Path("/sys/fs/cgroup/cpu,cpuacct/mine")


def test_a_mount_that_shows_a_part_of_the_tree_is_understood() -> None:
    """As in a container without a namespace of control groups."""
    mounts = "27 25 0:24 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    (tree,) = hierarchies(groups="11:memory:/docker/abc/inner\n", mounts=mounts)
    assert tree.base == Path("/sys/fs/cgroup/memory/inner")


def test_this_computer_has_some() -> None:
    """The real files are read, and what they tell of is there."""
    found = read_hierarchies()
    assert found
    assert all(tree.base.is_dir() for tree in found)
