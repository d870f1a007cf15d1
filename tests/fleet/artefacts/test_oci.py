"""Image archives."""

from __future__ import annotations

import json
import os
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from backstay.fleet.artefacts.modules import Image
from backstay.fleet.artefacts.oci import pack

IMAGE = Image("backstay.local/thing:1", user="65535:65535")


def packed(folder: Path, *, content: bytes = b"program", image: Image = IMAGE) -> Path:
    """Pack a program that lies in a folder of its own."""
    folder.mkdir()
    program, target = folder / "thing", folder / "thing.tar"
    program.write_bytes(content)
    pack(program, image=image, name="thing", architecture="amd64", target=target)
    return target


def members(path: Path) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(path) as archive:
        streams = {one.name: archive.extractfile(one) for one in archive}
        return {name: stream.read() for name, stream in streams.items() if stream is not None}


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """Return what a descriptor points at, after checking that it is that."""
    content = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert descriptor["size"] == len(content)
    assert descriptor["digest"] == f"sha256:{sha256(content).hexdigest()}"
    return content


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    """Neither folder, owner, mode nor time of the file get into the archive."""
    first = packed(tmp_path / "a").read_bytes()
    other = tmp_path / "b" / "thing"
    again = packed(tmp_path / "b")
    other.chmod(0o600)
    os.utime(other, (1, 1))
    pack(other, image=IMAGE, name="thing", architecture="amd64", target=again)
    assert again.read_bytes() == first


def test_another_program_gives_other_bytes(tmp_path: Path) -> None:
    """The digest of the archive stands for the program in it."""
    first = packed(tmp_path / "a", content=b"one")
    assert packed(tmp_path / "b", content=b"two").read_bytes() != first.read_bytes()


def test_the_layout_hangs_together(tmp_path: Path) -> None:
    """From the index to the layer every digest and size is right."""
    files = members(packed(tmp_path / "a"))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(files, entry))
    config = json.loads(blob(files, manifest["config"]))
    layer = blob(files, manifest["layers"][0])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/thing"]
    assert config["config"]["User"] == "65535:65535"
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_the_image_has_the_name_that_containerd_reads(tmp_path: Path) -> None:
    """Both annotations carry the full reference."""
    files = members(packed(tmp_path / "a"))
    assert json.loads(files["index.json"])["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "backstay.local/thing:1",
        "org.opencontainers.image.ref.name": "backstay.local/thing:1",
    }


def test_the_layer_holds_one_program_that_can_run(tmp_path: Path) -> None:
    """Anybody may execute it, and nothing else is in the image."""
    files = members(packed(tmp_path / "a"))
    layer = tmp_path / "layer.tar"
    layer.write_bytes(max(files.values(), key=len))
    with tarfile.open(layer) as archive:
        (entry,) = archive.getmembers()
    assert (entry.name, entry.mode, entry.uid, entry.mtime) == ("thing", 0o755, 0, 0)


def test_nothing_is_left_beside_the_archive(tmp_path: Path) -> None:
    """The layer that was written meanwhile is gone."""
    target = packed(tmp_path / "a")
    assert {path.name for path in target.parent.iterdir()} == {"thing", "thing.tar"}
