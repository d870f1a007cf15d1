"""Write into the root file system of a machine, with the modes that it shall have.

The user's umask is about the user's files; a machine's `/etc` is no use to it at mode 0700.
"""

from __future__ import annotations

from pathlib import Path

DIRECTORY_MODE = 0o755


def make_directories(root: Path, name: str) -> None:
    """Make the directory `name` below `root`, and those on the way, with mode 0755."""
    path = root
    for part in Path(name).parts:
        path /= part
        if not path.is_dir():
            path.mkdir()
            path.chmod(DIRECTORY_MODE)


def write_file(root: Path, name: str, text: str, *, mode: int) -> None:
    """Write a file below `root`; nobody sees it with a wider mode than it shall have."""
    make_directories(root, str(Path(name).parent))
    path = root / name
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
