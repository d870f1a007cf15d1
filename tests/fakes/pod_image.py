"""A small image for pods of the tests: Debian's static busybox, and curl with its libraries.

The static busybox can serve files, and crashes when it looks up a name; curl can look up names.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

REFERENCE = "backstay.local/busybox:test"
APPLETS = ("sh", "httpd")


def archive(folder: Path) -> Path:
    """Write the image's archive (as `docker save` does) and return its path."""
    busybox, curl = shutil.which("busybox"), shutil.which("curl")
    assert busybox, "busybox-static is not installed: make test does it"
    assert curl, "curl is not installed: make test does it"
    files = {"bin/busybox": busybox, "bin/curl": curl}
    files |= {path.lstrip("/"): path for path in _libraries(curl)}
    contents = {name: Path(path).read_bytes() for name, path in files.items()}
    layer = _tar({**contents, "tmp/.keep": b""})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]
    parts = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    path = folder / "busybox.tar"
    path.write_bytes(_tar(parts, links=False))
    return path


def _libraries(program: str) -> list[str]:
    """Return the paths of all shared libraries that the program loads."""
    told = subprocess.run(("ldd", program), capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", told)))


def _tar(files: dict[str, bytes], *, links: bool = True) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for applet in APPLETS if links else ():
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return stream.getvalue()
