"""What is mounted on this computer."""

from __future__ import annotations

from pathlib import Path

from backstay.lab.mounts import mount_points, mounts_below

TEXT = r"""
25 24 0:22 / / rw - ext4 /dev/vda rw
26 25 0:22 / /a\040b\134c rw shared:1 - tmpfs tmpfs rw
""".lstrip()


def test_signs_that_the_kernel_hides_are_shown() -> None:
    """A blank is written as its number."""
    assert mount_points(TEXT) == ("/", "/a b\\c")


def test_this_computer_has_some() -> None:
    """The real file; what is mounted below / does not include / itself."""
    assert "/proc" in mount_points()
    assert "/proc" not in mounts_below(Path("/proc"))
    assert mounts_below(Path("/no/such/place")) == ()
