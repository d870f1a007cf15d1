"""The source that always works: building with the pinned Go out of the shipped module lists."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import cached
from backstay.fleet.artefacts.build import Builder
from backstay.fleet.artefacts.busy import alone
from backstay.fleet.artefacts.compiler import c_toolchain
from backstay.fleet.artefacts.environment import user_choices
from backstay.fleet.artefacts.golang import go_program
from backstay.fleet.artefacts.modules import ModuleSet, module_sets
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.sources import Expectations, Supplied
from backstay.fleet.artefacts.space import check_space
from backstay.fleet.events import Listener
from backstay.resources.content import Artefact
from backstay.spec.versions import Release


@dataclass(frozen=True, slots=True)
class Building:
    """Builds the sets of one release that are wanted."""

    release: Release
    expectations: Expectations
    places: Places
    tell: Listener

    async def supply(self, wanted: Mapping[str, str | None]) -> AsyncGenerator[Supplied, None]:
        """Build set after set; each is in the cache before the next one begins."""
        async with alone(self.places, tell=self.tell):
            jobs = [
                await self._job(one, wanted)
                for one in module_sets(self.release)
                if set(one.names) & wanted.keys()
            ]
            if not all(job.done(self.places) for job in jobs):
                async for supplied in self._work(jobs):
                    yield supplied
                return
            for job in jobs:
                for supplied in job.found():
                    yield supplied

    async def _work(self, jobs: list[Job]) -> AsyncGenerator[Supplied, None]:
        todo = [job.modules for job in jobs if not job.done(self.places)]
        await asyncio.to_thread(check_space, self.places, todo)
        go = await go_program(self.places, self.release.go, tell=self.tell)
        base = os.environ | await user_choices(go, os.environ)
        builder = Builder(places=self.places, go=go, tell=self.tell, base=base)
        for job in jobs:
            if job.done(self.places):
                results = job.found()
            else:
                made = await builder.build(job.modules, expected=job.expected)
                results = [job.supplied(artefact) for artefact in made.values()]
            for supplied in results:
                yield supplied

    async def _job(self, modules: ModuleSet, wanted: Mapping[str, str | None]) -> Job:
        if not modules.needs_c:
            expected = {name: wanted.get(name) for name in modules.names}
            return Job(modules, expected, f"go {self.release.go}")
        compiler = await c_toolchain()
        expected = {name: self._compiled(name, compiler) for name in modules.names}
        return Job(modules, expected, compiler)

    def _compiled(self, name: str, compiler: str) -> str | None:
        pin = self.expectations.pins.get(name)
        if pin is None:
            return self.expectations.table.digest(name, compiler=compiler)
        if pin.origin != compiler:
            raise ArtefactError(
                f"this computer cannot build the {name} that this cluster uses",
                where=f"pinned {pin.digest}",
                why=f"it was built with {pin.origin}; here is {compiler}",
                next_move=f"copy it from a computer that has it (artefacts.bundle or .mirror), or"
                f" remove {name} from artefacts.lock.json to pin what is built here",
            )
        return pin.digest


@dataclass(frozen=True, slots=True)
class Job:
    """A set to build, the digests it must give, and what builds it."""

    modules: ModuleSet
    expected: Mapping[str, str | None]
    origin: str

    def done(self, places: Places) -> bool:
        """Tell whether everything of it is in the cache, by ourselves or by another run."""
        known = [Artefact(name, digest) for name, digest in self.expected.items() if digest]
        return len(known) == len(self.expected) == len(cached(places, known))

    def found(self) -> list[Supplied]:
        """Return what is there already."""
        digests = self.expected.items()
        return [self.supplied(Artefact(name, digest)) for name, digest in digests if digest]

    def supplied(self, artefact: Artefact) -> Supplied:
        """Return the artefact with what is known about it."""
        return Supplied(artefact, self.origin, first_use=self.expected[artefact.name] is None)
