"""What is mounted on this computer, as we see it."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
MOUNT_POINT_FIELD = 4
ESCAPED = re.compile(r"\\([0-7]{3})")


def mount_points(text: str | None = None) -> tuple[str, ...]:
    """Return all mount points in the order in which they were mounted: proc(5), mountinfo."""
    lines = (MOUNTINFO.read_text() if text is None else text).splitlines()
    return tuple(_unescaped(line.split()[MOUNT_POINT_FIELD]) for line in lines)


def mounts_below(directory: Path) -> tuple[str, ...]:
    """Return mount points in the directory, the innermost first."""
    inside = (point for point in mount_points() if point.startswith(f"{directory}/"))
    return tuple(sorted(inside, reverse=True))


def _unescaped(field: str) -> str:
    return ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
