"""A small image for pods of the tests, made of Debian's static busybox."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

REFERENCE = "backstay.local/busybox:test"
APPLETS = ("sh", "wget", "httpd", "nslookup", "sleep", "cat")


def archive(folder: Path) -> Path:
    """Write the image's archive (as `docker save` does) and return its path."""
    program = shutil.which("busybox")
    assert program, "busybox-static is not installed: make test does it"
    layer = _tar({"bin/busybox": Path(program).read_bytes(), "tmp/.keep": b""})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    path = folder / "busybox.tar"
    path.write_bytes(_tar(files, links=False))
    return path


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
