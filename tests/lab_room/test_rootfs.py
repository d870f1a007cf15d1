"""Writing into the root file system of a machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from backstay.lab.rootfs import make_directories, write_file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_are_what_they_shall_be(tmp_path: Path, umask: int) -> None:
    """Whatever the umask of whoever runs the lab."""
    old = os.umask(umask)
    try:
        write_file(tmp_path, "a/b/c", "text", mode=0o640)
        make_directories(tmp_path, "a/d")
    finally:
        os.umask(old)
    modes = [
        stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c", "a/d")
    ]
    assert modes == [0o755, 0o755, 0o640, 0o755]


def test_a_link_in_the_image_is_replaced_not_followed(tmp_path: Path) -> None:
    """A link of the image points into this computer when it is followed from here."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/resolv.conf").symlink_to(outside)
    write_file(tmp_path / "root", "etc/resolv.conf", "theirs", mode=0o644)
    assert outside.read_text() == "mine"
    assert (tmp_path / "root/etc/resolv.conf").read_text() == "theirs"
