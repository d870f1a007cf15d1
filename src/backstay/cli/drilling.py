"""Running drills from the command line: who may, where results go, and what is said meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backstay.cli.console import Console
from backstay.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from backstay.drill.machines import Machines
    from backstay.drill.report.document import Drilled
    from backstay.drill.report.markup import Template
    from backstay.drill.wish import Wish
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
            raise RefusedError(
                "there is no place for the results", where=str(folder), why=str(error)
            ) from error
        return Results(folder)
    raise RefusedError("there is no place for the results", where=str(parent))


def agree(console: Console, spec: ClusterSpec, machines: Machines | None, confirm: str) -> None:
    """Let only somebody who names the cluster break what is no lab; raises RefusedError."""
    if machines is not None:
        return
    if not confirm and console.may_ask:
        console.say(
            f"{spec.name} is no lab of this computer: a drill really breaks parts of it, "
            "and its users will notice what it proves."
        )
        confirm = click.prompt("Type the cluster's name to go on", default="", err=True)
    if confirm != spec.name:
        raise RefusedError(
            f"{spec.name} is no lab, and nobody confirmed that it may be broken",
            why=f"--confirm says {confirm!r}" if confirm else "--confirm was not given",
            next_move=f"--confirm {spec.name}; or drill a lab: backstay lab up",
        )


def lab_machines(spec: ClusterSpec) -> Machines | None:
    """Return who holds the machines' power if they are a lab's of this computer."""
    from backstay.operations.drill_lab import power_of

    return power_of(spec)


async def run_drill(
    console: Console, spec: ClusterSpec, wish: Wish, machines: Machines | None, parent: Path
) -> tuple[Drilled, Results]:
    """Drill once and keep the results."""
    from backstay.cli.drill_live import following
    from backstay.fleet.world import utc_now
    from backstay.operations.drill import drill, look
    from backstay.operations.drill_gather import gathered
    from backstay.operations.session import session

    results = results_in(parent, wish.scenario.name, utc_now())
    console.talk(f"{wish.scenario.name}: {wish.scenario.explanation}")
    try:
        if wish.scenario.needs_disk:
            await _give_disks(console, spec)
        async with session(spec) as world:
            before = await gathered(spec, wish.whom, await look(spec, world), world, console.talk)
            with following(console) as tell:
                found = await drill(
                    spec,
                    wish,
                    before,
                    world=world,
                    machines=machines,
                    path=results.history,
                    tell=tell,
                )
    except BaseException:
        _forget_empty(results)
        raise
    keep(found, results)
    return found, results


async def _give_disks(console: Console, spec: ClusterSpec) -> None:
    """See to it that etcd has disks of its own where we can: elsewhere the machine says no."""
    from backstay.operations.drill_lab import give_disks, power_of

    if (power := power_of(spec)) is not None:
        console.talk("each member of etcd has, or gets, a disk of its own: a power cycle each")
        await give_disks(spec, power)


def _forget_empty(results: Results) -> None:
    if not results.history.exists():
        results.folder.rmdir()


def keep(found: Drilled, results: Results) -> None:
    """Write the reports beside the history."""
    from backstay.drill.report.document import document

    results.document.write_text(json.dumps(document(found), indent=2) + "\n", encoding="utf-8")
    results.page.write_text(page_text(found), encoding="utf-8")


def page_text(found: Drilled) -> str:
    """Return a drill as one page of HTML."""
    from backstay.drill.report.page import page

    return page(found, _template())


def comparison_text(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return two reports side by side as one page of HTML."""
    from backstay.drill.report.compare import comparison_page

    return comparison_page(one, other, _template())


def _template() -> Template:
    from backstay.drill.report.markup import Template

    folder = resources.files("backstay.drill.report") / "page"
    html, style, script = (
        (folder / f"page.{suffix}").read_text(encoding="utf-8") for suffix in ("html", "css", "js")
    )
    return Template(html, style, script)


def default_parent(spec: ClusterSpec) -> Path:
    """Return where the results of a cluster's drills are kept unless said otherwise."""
    from backstay.operations.session import state_folder

    return state_folder(spec.name) / "drills"


def checked_objectives(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the objectives as they were typed; raises UsageError if one is none."""
    from backstay.drill.report.objectives import parse_objectives
    from backstay.drill.report.terms import TERMS

    found = parse_objectives(",".join(texts), dict.fromkeys(TERMS, 1.0))
    if texts and not found:
        raise UsageError("--objective is empty", next_move="for example: --objective 'gap<2s'")
    return texts
