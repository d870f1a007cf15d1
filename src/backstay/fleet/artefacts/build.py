"""Builds module sets with the pinned Go, one set at a time; what is finished stays finished."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import admit
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.environment import environment
from backstay.fleet.artefacts.heartbeat import heartbeat
from backstay.fleet.artefacts.modules import ModuleSet
from backstay.fleet.artefacts.oci import pack
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.programs import run
from backstay.fleet.artefacts.scratch import scratch
from backstay.fleet.artefacts.space import begin, finish
from backstay.fleet.events import Listener, Note
from backstay.resources.content import Artefact

LINK_FLAGS = ("-s", "-w", "-buildid=")
"""No symbols and no build id: smaller by a third, and nothing that depends on the computer."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds with one Go into one cache; of the environment `base` only ways to modules count."""

    places: Places
    go: Path
    tell: Listener
    base: Mapping[str, str]

    async def build(
        self, modules: ModuleSet, *, expected: Mapping[str, str | None]
    ) -> Mapping[str, Artefact]:
        """Build a set and return what is now in the cache, by name.

        `expected` digests are checked, None is a first use. Raises ArtefactError when the build
        fails or gives other bytes.
        """
        started = time.monotonic()
        self.tell(Note(f"building {modules.name}: {', '.join(modules.names)}"))
        await asyncio.to_thread(begin, self.places, modules)
        with scratch(self.places, modules.name) as folder:
            outputs = await self._compile(modules, folder)
            made = await asyncio.to_thread(self._admit_all, modules, outputs, expected)
        finish(self.places)
        seconds = time.monotonic() - started
        self.tell(Note(f"built {modules.name} in {seconds:.0f} s"))
        return made

    async def _compile(self, modules: ModuleSet, folder: Path) -> Path:
        source, outputs, work = folder / "source", folder / "out", folder / "work"
        with as_file(files(__package__) / "data" / "modules" / modules.folder) as shipped:
            shutil.copytree(shipped, source)
        for fresh in (outputs, work):
            fresh.mkdir()
        said: list[str] = []
        argv = (str(self.go), *build_arguments(modules, outputs))
        # The linker writes gigabytes: not into a /tmp that may be memory.
        seen = environment(self.places, self.base) | modules.environment | {"GOTMPDIR": str(work)}
        async with heartbeat(self.tell, lambda: _progress(modules.name, said)):
            outcome = await run(argv, folder=source, environment=seen, heard=said.append)
        if outcome.status != 0:
            raise ArtefactError(
                f"building {modules.name} failed",
                where=" ".join(argv[:2]),
                why=outcome.tail,
                next_move="run again: what was compiled is kept",
            )
        return outputs

    def _admit_all(
        self, modules: ModuleSet, outputs: Path, expected: Mapping[str, str | None]
    ) -> Mapping[str, Artefact]:
        made = {}
        for program, name in modules.outputs.items():
            path = outputs / program
            if modules.image is not None:
                path = outputs / name
                pack(
                    outputs / program,
                    image=modules.image,
                    name=program,
                    architecture=architecture(),
                    target=path,
                )
            made[name] = admit(
                self.places,
                path,
                name=name,
                expected=expected.get(name),
                origin=f"go build of {modules.folder}",
                why="the same sources with the same Go should give the same bytes",
            )
        return made


def _progress(name: str, said: list[str]) -> str:
    # With -v go names each package that it compiles; downloads begin with "go: ".
    compiled = sum(not line.startswith("go: ") for line in said)
    last = said[-1] if said else "linking"
    return f"building {name}: {compiled} packages compiled; last: {last}"


def build_arguments(modules: ModuleSet, outputs: Path) -> tuple[str, ...]:
    """Return the arguments of go: none of them lets this computer into the bytes."""
    return (
        "build",
        "-v",
        "-trimpath",
        "-buildvcs=false",
        *modules.flags,
        "-ldflags=" + " ".join((*LINK_FLAGS, *modules.link)),
        "-o",
        f"{outputs}/",
        *modules.packages,
    )
