"""Packs one program as an OCI image archive; the same program gives the same bytes everywhere."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from backstay.fleet.artefacts.modules import Image

MEDIA = "application/vnd.oci.image"
"""Media types and the layout: https://github.com/opencontainers/image-spec."""

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pack(program: Path, *, image: Image, name: str, architecture: str, target: Path) -> None:
    """Write the archive of an image whose only file is `/name`; `target` is overwritten."""
    layer = target.with_name(target.name + ".layer")
    try:
        with tarfile.open(layer, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, name, program, mode=0o755)
        _write_layout(layer, image=image, name=name, architecture=architecture, target=target)
    finally:
        layer.unlink(missing_ok=True)


def _write_layout(layer: Path, *, image: Image, name: str, architecture: str, target: Path) -> None:
    with layer.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    config = _json(_config(image, name, architecture, digest))
    manifest = _json(_manifest(config, digest, layer.stat().st_size))
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(_index(manifest, image.reference)))
        for content in (manifest, config):
            _add(archive, f"blobs/sha256/{sha256(content).hexdigest()}", content)
        _add(archive, f"blobs/sha256/{digest}", layer)


def _config(image: Image, name: str, architecture: str, layer: str) -> Mapping[str, object]:
    run: dict[str, object] = {"Env": [PATH], "Entrypoint": [f"/{name}"]}
    if image.user:
        run["User"] = image.user
    return {
        "architecture": architecture,
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _manifest(config: bytes, layer: str, layer_size: int) -> Mapping[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _descriptor("config.v1+json", sha256(config).hexdigest(), len(config)),
        "layers": [_descriptor("layer.v1.tar", layer, layer_size)],
    }


def _index(manifest: bytes, reference: str) -> Mapping[str, object]:
    # containerd names the image after the first annotation, other tools after the second.
    annotations = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    }
    descriptor = _descriptor("manifest.v1+json", sha256(manifest).hexdigest(), len(manifest))
    return {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.index.v1+json",
        "manifests": [{**descriptor, "annotations": annotations}],
    }


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes | Path, *, mode: int = 0o644) -> None:
    # Owner root and time zero are what TarInfo starts with: nothing of this computer gets in.
    member = tarfile.TarInfo(name)
    member.mode = mode
    if isinstance(content, bytes):
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        return
    member.size = content.stat().st_size
    with content.open("rb") as stream:
        archive.addfile(member, stream)
