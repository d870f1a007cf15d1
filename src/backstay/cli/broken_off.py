"""A drill that ended in the middle: it broke something, and nothing is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backstay.errors import BackstayError

if TYPE_CHECKING:
    from pathlib import Path

    from backstay.cli.drilling import Job


UNKNOWN = "nobody knows what a drill left"


class BrokenOffError(BackstayError):
    """How a drill ended, with the exit code of that; `is_undone` if nothing of it is left."""

    def __init__(self, error: Exception, history: Path, left: str) -> None:
        still = f"not all is undone: {left}" if left else "what it broke is undone"
        sure = "to undo what is left" if left else "to be sure that nothing is left"
        super().__init__(
            f"the drill broke off, {still}",
            where=getattr(error, "where", ""),
            why=f"{said(error)}; its history until then: {history}",
            next_move=f"backstay status; {sure}: backstay drill undo",
        )
        self.exit_code = getattr(error, "exit_code", BackstayError.exit_code)
        self.is_undone = not left


def said(error: Exception) -> str:
    """Return what errors say, in one line."""
    if isinstance(error, BackstayError):
        return ": ".join(part for part in (error.what, error.why.replace("\n", "; ")) if part)
    if isinstance(error, ExceptionGroup):
        return "; ".join(said(one) for one in error.exceptions)
    return repr(error)


async def broken_off(error: Exception, job: Job) -> BrokenOffError:
    """Undo once more whatever the drill broke, and return how it ended."""
    from backstay.operations.drill_undo import undo

    def tell(where: str, what: str) -> None:
        job.console.talk(f"{where}: undone: {what}")

    history = job.results.history
    left = ""
    try:
        await undo(job.spec, job.machines, tell=tell)
    except BackstayError as failed:
        left = said(failed)
    except Exception as failed:  # noqa: BLE001  # or a bug would hide what is broken
        left = f"{_standing(history)}: {said(failed)}"
    return BrokenOffError(error, history, left)


def _standing(history: Path) -> str:
    """Return what the drill itself had not undone, in words, as far as its history says."""
    from backstay.drill.history import Kind, Mark
    from backstay.drill.history_file import read_history

    try:
        with history.open(encoding="utf-8") as lines:
            marks = read_history(lines).of(Mark)
    except (OSError, ValueError):
        return UNKNOWN
    turns = sorted((one for one in marks if one.kind is Kind.FAULT), key=lambda one: one.at)
    last = {f"{one.detail} on {one.subject}": one.state for one in turns}
    return ", ".join(what for what, state in last.items() if state != "undone") or UNKNOWN
