"""One run of apply, as `apply` and `lab up` both make it: follow, show, ask, perform, sum up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backstay.cli.asking import confirmed
from backstay.cli.console import Console, Report
from backstay.cli.interrupt import STOPPING, interruptible
from backstay.cli.progress import Follower, following
from backstay.cli.settings import Output
from backstay.errors import InterruptedRunError
from backstay.planning import render
from backstay.planning.document import API_VERSION
from backstay.planning.look import Look, Tone

if TYPE_CHECKING:
    from backstay.planning.plan import Plan
    from backstay.spec.model import ClusterSpec


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the person said beforehand: `yes` to any plan, or only to the plan of this identity."""

    yes: bool = False
    expected: str | None = None


@dataclass(slots=True)
class Run:
    """A run of apply while it happens."""

    console: Console
    spec: ClusterSpec
    agreement: Agreement
    follower: Follower
    refused: bool = False

    def agreed(self, plan: Plan) -> bool:
        """Show the plan, and say whether to perform it."""
        totals = render.totals(plan)
        look = self.console.look(self.console.err)
        self.follower.summary(
            "change_summary",
            {"operation": "plan", **_counts(totals)},
            render.text(plan, spec=self.spec, look=look),
        )
        if self.agreement.yes or self.agreement.expected is not None:
            return True
        with self.follower.aside():
            self.refused = not confirmed(self.console, "Perform this plan?")
        return not self.refused

    async def perform(self) -> Plan:
        """Run apply to its end, or to the good place where it was asked to stop."""
        from backstay.operations.binaries import binaries
        from backstay.operations.session import session

        settings = self.console.settings
        said = f"{STOPPING} To go on later: {settings.resume}"
        with interruptible(self.follower.talk, said=said) as stop:
            catalogue, store = await binaries(
                self.spec, config=settings.config_path, tell=self.follower.tell
            )
            # While machines greet, the rest of the program is loaded: a tenth of a short run.
            loading = asyncio.create_task(asyncio.to_thread(_apply))
            async with session(
                self.spec, tell=self.follower.tell, should_stop=stop.is_set
            ) as world:
                apply = await loading
                return await apply(
                    self.spec,
                    world=world,
                    catalogue=catalogue,
                    store=store,
                    agreed=self.agreed,
                    expected=self.agreement.expected,
                )


def _apply() -> Callable[..., Awaitable[Plan]]:
    from backstay.operations.apply import apply

    return apply


async def run_apply(console: Console, spec: ClusterSpec, agreement: Agreement) -> None:
    """Make the machines as the specification says, followed and summed up.

    Raises InterruptedRunError when the person says no, and whatever apply raises.
    """
    began = time.monotonic()
    with following(console) as follower:
        run = Run(console, spec, agreement, follower)
        plan = await run.perform()
        if run.refused:
            raise InterruptedRunError("stopped, as you answered; nothing was changed")
        seconds = time.monotonic() - began
        _sum_up(console, follower, plan, spec, seconds)


def _sum_up(
    console: Console, follower: Follower, plan: Plan, spec: ClusterSpec, seconds: float
) -> None:
    totals = render.totals(plan)
    look = console.look(console.err)
    fields = {"operation": "apply", **_counts(totals), "elapsed_seconds": round(seconds, 3)}
    if plan.is_empty:
        said = render.text(plan, spec=spec, look=look).rstrip()
    else:
        said = look.paint(
            Tone.GOOD, f"Done: {totals.add} added, {totals.change} changed in {spoken(seconds)}."
        )
    follower.summary("change_summary", fields, said)
    if console.settings.output is not Output.TABLE:
        console.show(_report(plan, fields))


def _report(plan: Plan, fields: dict[str, object]) -> Report:
    document = {"apiVersion": API_VERSION, "kind": "Applied", "identity": render.identity(plan)}
    names = [f"{host}/{change.key.kind}/{change.key.name}" for host, change in plan.changes]

    def nothing_more(look: Look) -> str:
        del look
        return ""

    return Report({**document, **fields}, nothing_more, names)


def _counts(totals: render.Totals) -> dict[str, object]:
    return {"add": totals.add, "change": totals.change, "remove": totals.remove}


def spoken(seconds: float) -> str:
    """Return a time as `12.3s` or `1m58s`."""
    if seconds < 60:  # noqa: PLR2004  # seconds of a minute
        return f"{seconds:.1f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s"
