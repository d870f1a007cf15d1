"""Perform a plan: stage by stage, gates before and after, stoppable between any two stages."""

from __future__ import annotations

import asyncio
import base64
import shlex
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from backstay.errors import ArtefactError, InterruptedRunError, StepFailedError, UnreachableError
from backstay.fleet import events, kube
from backstay.fleet.gates import Waiting
from backstay.fleet.keyring import Keyring
from backstay.fleet.observe import script_text
from backstay.fleet.store import Store
from backstay.fleet.transport import Completed, Machine
from backstay.fleet.world import World
from backstay.planning.plan import (
    ActOnUnits,
    ApplyObjects,
    Change,
    Converge,
    Plan,
    Stage,
    Step,
)
from backstay.planning.wording import step_text
from backstay.resources.content import Artefact
from backstay.resources.files import Binary
from backstay.resources.resource import Command
from backstay.resources.service import Service

# Writing files and starting units without waiting is quick; a full disk or a hung mount is not.
STEP_SECONDS = 120.0
SEND_SECONDS = 600.0
# `commit` lets systemd reload when a file in here was written.
UNIT_FOLDER = "/etc/systemd/system/"


@dataclass(frozen=True, slots=True)
class Performer:
    """What performing needs: the machines, the secrets, the binaries, and a mark for output."""

    world: World
    keyring: Keyring
    store: Store
    waiting: Waiting
    mark: str
    reloaded: set[str] = field(default_factory=set)

    async def perform(self, plan: Plan) -> None:
        """Perform every stage; raises what stopped it, with everything before it whole."""
        for stage in plan.stages:
            if self.world.should_stop():
                raise InterruptedRunError(
                    f"stopped before stage {stage.name!r}, as asked",
                    why="every stage before it is complete; nothing is half-written",
                    next_move="backstay apply",
                )
            await self._stage(stage)

    async def _stage(self, stage: Stage) -> None:
        self.world.tell(events.StageStarted(stage.name, len(stage.steps)))
        began = time.monotonic()
        await self.waiting.all(stage.requires)
        if stage.at_once == 1:
            for step in stage.steps:
                await self._step(step)
        else:
            limit = asyncio.Semaphore(stage.at_once)
            await _all_or_first_error(self._limited(limit, step) for step in stage.steps)
        await self.waiting.all(stage.gates)
        self.world.tell(events.StageDone(stage.name, time.monotonic() - began))

    async def _limited(self, limit: asyncio.Semaphore, step: Step) -> None:
        async with limit:
            await self._step(step)

    async def _step(self, step: Step) -> None:
        match step:
            case Converge(host, changes):
                async with self._told(host, step_text(step)):
                    await self._converge(self.world.machine(host), changes)
            case ActOnUnits(host, changes):
                async with self._told(host, step_text(step)):
                    lines = _unit_lines(changes, reloaded=host in self.reloaded)
                    await self._run(self.world.machine(host), lines)
            case ApplyObjects(objects):
                async with self._told("", step_text(step)):
                    await kube.apply_objects(self.world, self.waiting.planes, objects)

    @asynccontextmanager
    async def _told(self, host: str, what: str) -> AsyncIterator[None]:
        self.world.tell(events.StepStarted(host, what))
        began = time.monotonic()
        yield
        self.world.tell(events.StepDone(host, what, time.monotonic() - began))

    async def _converge(self, machine: Machine, changes: Sequence[Change]) -> None:
        artefacts = [c.resource.artefact for c in changes if isinstance(c.resource, Binary)]
        wanted = {f"{artefact.digest}/{artefact.name}": artefact for artefact in artefacts}
        lines = [
            *(_guarded("look for binaries", ("locate", *wanted)) if wanted else ()),
            *[
                line
                for change in changes
                for command in change.resource.remedy(change.diffs)
                for line in await self._lines(machine.name, str(change.key), command)
            ],
            *_guarded("commit", ("commit",)),
        ]
        done = await self._run(machine, lines)
        if missing := self._missing(done):
            for name in missing:
                await self._send(machine, wanted[name])
            done = await self._run(machine, lines)
        if missing := self._missing(done):
            raise StepFailedError(
                f"{len(missing)} binaries that were sent are not there",
                where=machine.name,
                why=", ".join(wanted[name].name for name in missing),
                next_move="look who removes files below /var/lib/backstay there; backstay apply",
            )
        if any(change.key.name.startswith(UNIT_FOLDER) for change in changes):
            self.reloaded.add(machine.name)

    def _missing(self, done: Completed) -> list[str]:
        """Return which artefacts no mirror on the machine has: nothing was changed then."""
        parts = (line.partition("\tmissing\t") for line in done.stdout.splitlines())
        return [rest for mark, _, rest in parts if mark == self.mark and rest]

    async def _send(self, machine: Machine, artefact: Artefact) -> None:
        path = self.store.path(artefact)
        folder = shlex.quote(f"/var/lib/backstay/artefacts/{artefact.digest}")
        name = shlex.quote(artefact.name)
        script = (
            f"umask 022; mkdir -p {folder} && cd {folder} && cat >{name}.part && "
            f'[ "$(sha256sum <{name}.part | cut -c1-64)" = {artefact.digest} ] && '
            f"chmod 755 {name}.part && sync {name}.part && mv -f {name}.part {name} || "
            f"{{ rm -f {name}.part; exit 1; }}"
        )
        done = await machine.send(script, path, deadline=SEND_SECONDS)
        if done.status != 0:
            raise ArtefactError(
                f"{artefact.name} did not arrive whole",
                where=machine.name,
                why=done.stderr.strip()[-400:] or "its digest differs",
                next_move="check free disk on /var/lib there, then: backstay apply",
            )

    async def _lines(self, host: str, label: str, command: Command) -> list[str]:
        if command.stdin is None or isinstance(command.stdin, Artefact):
            return _guarded(label, command.argv)
        content = await self.keyring.bytes_of(command.stdin, host=host)
        text = base64.encodebytes(content).decode()
        ending = f"END_{self.mark}"
        return _guarded(label, command.argv, heredoc=f"{text}{ending}", ending=ending)

    async def _run(self, machine: Machine, lines: Sequence[str]) -> Completed:
        script = "\n".join((f"mark={self.mark}", script_text("perform.sh"), *lines, ""))
        done = await machine.run(script, deadline=STEP_SECONDS)
        if done.status != 0:
            raise self._failure(machine.name, done)
        return done

    def _failure(self, host: str, done: Completed) -> StepFailedError:
        said: Mapping[str, list[str]] = {"failed": [], "why": []}
        for line in done.stdout.splitlines():
            mark, _, rest = line.partition("\t")
            kind, _, text = rest.partition("\t")
            if mark == self.mark and kind in said:
                said[kind].append(text)
        what = " ".join(said["failed"]) or "the script"
        why = "\n".join(said["why"][-10:]) or done.stderr.strip()[-400:]
        return StepFailedError(
            f"{what} could not be changed",
            where=host,
            why=why or f"it ended with status {done.status}",
            next_move="mend the cause, then run again: backstay apply",
        )


def _guarded(
    label: str, argv: tuple[str, ...], *, heredoc: str = "", ending: str = ""
) -> list[str]:
    """Return the lines that run one command and stop the script, saying why, when it fails."""
    opening = f" <<'{ending}'" if heredoc else ""
    lines = [
        shlex.join(("begin", label)),
        f'{shlex.join(argv)} 2>"$reason"{opening} || fail',
    ]
    if heredoc:
        lines.append(heredoc)
    return lines


def _unit_lines(changes: Sequence[Change], *, reloaded: bool) -> list[str]:
    """Return one systemctl call per verb: enabling and starting many units costs as one.

    systemd forgets what it knew of a unit's enablement when it reloads. One that has reloaded
    since we last asked need not do so again after enabling.
    """
    verbs: dict[str, list[str]] = {}
    for change in changes:
        service = change.resource
        if isinstance(service, Service):
            fields = {diff.field for diff in change.diffs}
            if "enabled" in fields:
                verbs.setdefault("enable", []).append(service.unit)
            if verb := service.verb(fields):
                verbs.setdefault(verb, []).append(service.unit)
    lines: list[str] = []
    if not reloaded and verbs.keys() - {"enable"}:
        # A run that was killed after it wrote a unit, and before systemd read it, wrote it last.
        lines += _guarded("reload systemd", ("systemctl", "daemon-reload"))
    for verb, units in verbs.items():
        label = f"{verb} {' '.join(units)}"
        lines += _guarded(label, ("systemctl", verb, *_options(verb, reloaded=reloaded), *units))
    return lines


def _options(verb: str, *, reloaded: bool) -> tuple[str, ...]:
    if verb != "enable":
        return ("--no-block",)
    return ("--quiet", "--no-reload") if reloaded else ("--quiet",)


async def _all_or_first_error(steps: Iterable[object]) -> None:
    """Let every step end, then raise the first error: no machine is left in the middle."""
    results = await asyncio.gather(*steps, return_exceptions=True)  # type: ignore[call-overload]
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, UnreachableError):
            raise error
    for error in errors:
        raise error
