"""Running drills from the command line: who may, where results go, and what is said meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli.console import Console
from backstay.errors import BackstayError, RefusedError, StepFailedError, UsageError

if TYPE_CHECKING:
    from backstay.cli.drill_live import Tell
    from backstay.cli.stopping import Orderly
    from backstay.drill.history import Header, Record
    from backstay.drill.machines import Machines
    from backstay.drill.report.document import Drilled
    from backstay.drill.report.markup import Template
    from backstay.drill.wish import Wish
    from backstay.fleet.world import World
    from backstay.spec.model import ClusterSpec


@dataclass(frozen=True, slots=True)
class Results:
    """Where the files of a drill are: history, report for people, report for programs."""

    folder: Path

    @property
    def history(self) -> Path:
        """Every operation, to be judged again by `drill check`."""
        return self.folder / "history.jsonl"

    @property
    def page(self) -> Path:
        """One file that any browser opens."""
        return self.folder / "report.html"

    @property
    def document(self) -> Path:
        """The numbers, for programs and `drill compare`."""
        return self.folder / "report.json"

    @property
    def files(self) -> dict[str, str]:
        """Those that are there, by what they are."""
        files = {"history": self.history, "page": self.page, "report": self.document}
        return {name: str(path) for name, path in files.items() if path.exists()}


def results_in(parent: Path, scenario: str, now: datetime) -> Results:
    """Return a new folder for a drill's files, which only its owner can read."""
    stem = f"{now:%Y%m%dT%H%M%SZ}-{scenario}"
    for number in range(100):
        folder = parent / (stem if not number else f"{stem}-{number + 1}")
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise _nowhere(folder, error.strerror or str(error)) from error
        return Results(folder)
    raise _nowhere(parent, f"there are a hundred of {stem}")


def _nowhere(folder: Path, why: str) -> RefusedError:
    return RefusedError(
        "there is no place for the results",
        where=str(folder),
        why=why,
        next_move="--output-dir names another folder, which is made",
    )


def agree(
    console: Console, spec: ClusterSpec, machines: Machines | None, confirm: str | None
) -> None:
    """Let only somebody who names the cluster break what is no lab; raises RefusedError.

    A lab need not be named, but whoever names another cluster means that one, lab or not.
    """
    if machines is None and confirm is None:
        confirm = _asked(console, spec)
    if confirm not in {None, spec.name}:
        raise RefusedError(
            f"this cluster is {spec.name}, and another name was confirmed",
            why=f"the name given is {confirm!r}",
            next_move=f"--confirm {spec.name} if that is meant; if another, -c with its file",
        )


def _asked(console: Console, spec: ClusterSpec) -> str:
    """Return the name that somebody types; raises RefusedError if nobody is there."""
    if not console.may_ask:
        raise RefusedError(
            f"{spec.name} is no lab, and nobody confirmed that it may be broken",
            why="--confirm was not given",
            next_move=f"--confirm {spec.name}; or drill a lab: backstay lab up",
        )
    console.say(
        f"{spec.name} is no lab of this computer: a drill really breaks parts of it, "
        "and its users will notice what it proves."
    )
    return str(click.prompt("Type the cluster's name to go on", default="", err=True))


def lab_machines(spec: ClusterSpec) -> Machines | None:
    """Return who holds the machines' power if they are a lab's of this computer."""
    from backstay.operations.drill_lab import power_of

    return power_of(spec)


@dataclass(frozen=True, slots=True)
class Job:
    """One drill: who may stop it, of which cluster, what, by whose power, and where it is kept."""

    orderly: Orderly
    spec: ClusterSpec
    wish: Wish
    machines: Machines | None
    results: Results

    @property
    def console(self) -> Console:
        """Where it is talked of."""
        return self.orderly.console


async def run_drill(job: Job, *, patience: float) -> Drilled:
    """Drill once, after waiting as long as patience goes for the cluster to be whole.

    The history is kept whatever becomes of it. Raises RefusedError, with nothing touched, if the
    fault needs a power that nobody here holds, BrokenOffError once something was broken.
    """
    from backstay.drill.inject import required_power
    from backstay.drill.run import until_well
    from backstay.operations.drill_alone import alone
    from backstay.operations.drill_health import trouble
    from backstay.operations.session import session

    scenario = job.wish.scenario
    job.console.talk(f"{scenario.name}: {scenario.explanation}")
    try:
        if scenario.needs_power:
            required_power(job.machines)
        if patience:
            await until_well(trouble(job.spec), seconds=patience)
        if scenario.needs_disk:
            await _give_disks(job)
        async with session(job.spec) as world, alone(world, job.machines):
            return await _undone_if_broken(job, world)
    finally:
        _forget_empty(job.results)


async def _undone_if_broken(job: Job, world: World) -> Drilled:
    """Drill, and undo what breaks off while the lock is still ours: nobody's else is undone."""
    from backstay.cli.broken_off import broken_off

    try:
        return await _drilled(job, world)
    except Exception as error:
        if not job.results.history.exists():
            raise
        raise await broken_off(error, job) from error


async def _drilled(job: Job, world: World) -> Drilled:
    """Gather the roles that the fault is to hit, and drill."""
    from backstay.cli.drill_live import following
    from backstay.operations.drill import drill, look
    from backstay.operations.drill_gather import gathered
    from backstay.operations.drill_priority import favoured

    spec, wish, talk = job.spec, job.wish, job.console.talk
    before = await gathered(spec, wish.whom, await look(spec, world), world, talk)
    with (
        favoured() if job.machines else nullcontext(),
        following(job.console, wish.course) as say,
        job.orderly.talking((voice := Voice(say)).note),
    ):
        return await drill(
            spec,
            wish,
            before,
            world=world,
            machines=job.machines,
            path=job.results.history,
            tell=voice.tell,
        )


@dataclass(slots=True)
class Voice:
    """Tells what happens in a drill, and what else is to be said meanwhile, above its plot."""

    say: Tell
    zero: int = 0

    def tell(self, one: Header | Record) -> None:
        """Tell of something that happens; the drill's clock begins with its header."""
        self.zero = self.zero or time.monotonic_ns()
        self.say(one)

    def note(self, text: str) -> None:
        """Say why the drill ends before its time."""
        from backstay.drill.history import Kind, Mark, Note

        at = time.monotonic_ns() - self.zero if self.zero else 0
        self.say(Mark(at, Kind.NOTE, Note.STOPPING, text))


async def _give_disks(job: Job) -> None:
    """See to it that etcd has disks of its own where we can: elsewhere the machine says no."""
    from backstay.operations.drill_alone import alone
    from backstay.operations.drill_lab import give_disks, power_of
    from backstay.operations.session import session

    if (power := power_of(job.spec)) is not None:
        job.console.talk("each member of etcd has, or gets, a disk of its own: a power cycle each")
        async with session(job.spec) as world, alone(world, job.machines):
            await give_disks(job.spec, world, power)


def _forget_empty(results: Results) -> None:
    if not results.history.exists():
        results.folder.rmdir()


def keep(found: Drilled, results: Results) -> None:
    """Write the reports beside the history; raises StepFailedError if they cannot be kept."""
    from backstay.drill.report.document import document

    report = json.dumps(document(found), indent=2) + "\n"
    write_report(results.document, report, failure=StepFailedError)
    write_report(results.page, page_text(found), failure=StepFailedError)


def write_report(path: Path, text: str, *, failure: type[BackstayError] = RefusedError) -> None:
    """Write a file that somebody asked for; raises RefusedError, or what else fits the moment."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        why = error.strerror or str(error)
        next_move = "name a file in a folder that there is, and that you may write to"
        raise failure(
            "there is no place for the report", where=str(path), why=why, next_move=next_move
        ) from error


def page_text(found: Drilled) -> str:
    """Return a drill as one page of HTML."""
    from backstay.drill.report.page import page

    return page(found, template())


def comparison_text(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return two reports side by side as one page of HTML."""
    from backstay.drill.report.compare import comparison_page

    return comparison_page(one, other, template())


PARTS = ("values", "view", "pen", "labels", "chart", "pointing")
"""Of the page's one script, in this order: they share their names."""


def template() -> Template:
    """Return what pages of HTML are made of."""
    from backstay.drill.report.markup import Template

    folder = resources.files("backstay.drill.report") / "page"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    script = "\n".join(text(f"{part}.js") for part in PARTS)
    return Template(text("page.html"), text("page.css"), script)


def default_parent(spec: ClusterSpec) -> Path:
    """Return where the results of a cluster's drills are kept unless said otherwise."""
    from backstay.operations.session import state_folder

    return state_folder(spec.name) / "drills"


def checked_target(target: str, spec: ClusterSpec) -> str:
    """Return the target as it was typed; raises UsageError if it names no role and no machine."""
    from backstay.drill.faults.targets import HOST, ROLES

    known = (*ROLES, *(f"{HOST}{host.name}" for host in spec.hosts))
    for part in target.replace("+", ",").split(",") if target else ():
        if part.strip() not in known:
            close = get_close_matches(part.strip(), known, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"{part.strip()!r} is no target",
                where="command line: --target",
                next_move=f"{meant}there are: {', '.join(known)}",
            )
    return target


def checked_objectives(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the objectives as they were typed; raises UsageError if one is none."""
    from backstay.drill.report.objectives import parse_objectives
    from backstay.drill.report.terms import TERMS

    found = parse_objectives(",".join(texts), dict.fromkeys(TERMS, 1.0))
    if texts and not found:
        raise UsageError("--objective is empty", next_move="for example: --objective 'gap<2s'")
    return texts
