"""The plan as people read it: what changes where, in which order, and whether that is safe."""

from __future__ import annotations

import difflib
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from backstay.planning.document import document, identity
from backstay.planning.look import PLAIN, Detail, Look, Tone, shortened
from backstay.planning.plan import ApplyObjects, Change, ChangeKind, Plan, Stage
from backstay.planning.wording import (
    gate_text,
    gates_text,
    is_secret,
    reasons,
    several,
    step_text,
    thing,
)
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.resources.resource import Diff
from backstay.spec.model import ClusterSpec

__all__ = ["document", "files", "gate_text", "identity", "step_text", "text", "totals"]

CLUSTER = "cluster"
_TONES = {ChangeKind.ADD: Tone.ADD, ChangeKind.ALTER: Tone.ALTER}
# As many equal things of a host are named one by one; beyond that they become one line.
_NAMED_AT_MOST = {ChangeKind.ADD: 2, ChangeKind.ALTER: 6}
_HOSTS_WIDTH = 15
_WHAT_WIDTH = 26


@dataclass(frozen=True, slots=True)
class Row:
    """One line about a host: the mark, the thing, and why."""

    kind: ChangeKind
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many things are made, altered and taken away."""

    add: int
    change: int
    remove: int = 0

    def __str__(self) -> str:
        return f"{self.add} to add, {self.change} to change, {self.remove} to remove"


def totals(plan: Plan) -> Totals:
    """Count the changes of all hosts and of the cluster's objects."""
    kinds = Counter(change.kind for _, change in plan.changes)
    kinds += Counter(kind for kind, _, _ in _objects(plan))
    return Totals(kinds[ChangeKind.ADD], kinds[ChangeKind.ALTER])


def text(plan: Plan, *, spec: ClusterSpec, look: Look = PLAIN) -> str:
    """Return the plan for people; ends with a newline."""
    if plan.is_empty:
        return "\n".join((*_notes(plan, look), _nothing(plan, spec, look), ""))
    parts = (
        *_host_lines(_rows_by_host(plan, look), look),
        "",
        _paragraph("Order", f" {look.marks.arrow} ".join(_order(plan, look)), look),
        *([_paragraph("Quorum", plan.quorum, look)] if plan.quorum else []),
        *_notes(plan, look),
        "",
        look.paint(Tone.STRONG, f"Plan: {totals(plan)}."),
        "",
    )
    return "\n".join(parts)


def _nothing(plan: Plan, spec: ClusterSpec, look: Look) -> str:
    if plan.notes:
        said = "No changes as far as could be seen; the notes above say what could not."
        return look.paint(Tone.WARNING, said)
    count = len(spec.hosts)
    said = f"No changes: {several('host', count)} as cluster.yaml wishes."
    return look.paint(Tone.GOOD, said)


def _notes(plan: Plan, look: Look) -> Iterator[str]:
    for note in plan.notes:
        yield look.paint(Tone.WARNING, _paragraph("Note", note, look))


def _paragraph(head: str, body: str, look: Look) -> str:
    indent = " " * 8
    return textwrap.fill(
        body,
        width=look.width,
        initial_indent=f"{head:<8}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows_by_host(plan: Plan, look: Look) -> dict[str, tuple[Row, ...]]:
    changes: dict[str, list[Change]] = {}
    for host, change in plan.changes:
        changes.setdefault(host, []).append(change)
    rows = {host: tuple(_rows(mine, look)) for host, mine in sorted(changes.items())}
    if objects := tuple(_object_rows(plan, look)):
        rows[CLUSTER] = objects
    return rows


def _rows(changes: Sequence[Change], look: Look) -> Iterator[Row]:
    """Yield the rows of one host, what is made anew first."""
    groups: dict[tuple[ChangeKind, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.kind, change.key.kind), []).append(change)
    for kind in ChangeKind:
        for (group_kind, what), mine in groups.items():
            if group_kind is not kind:
                continue
            if look.detail is Detail.FULL or len(mine) <= _NAMED_AT_MOST[kind]:
                yield from (Row(kind, thing(one), reasons(one, look.marks)) for one in mine)
            else:
                yield Row(kind, several(what, len(mine)), _names(mine))


def _names(changes: Sequence[Change]) -> str:
    """Return the names of many things: paths by their directories, others by themselves."""
    names = [change.key.name for change in changes]
    if any(name.startswith("/") for name in names):
        counted = Counter(name.rpartition("/")[0] or "/" for name in names)
        names = [
            name if count == 1 else f"{name} ({count})" for name, count in counted.most_common()
        ]
    names = [name.removesuffix(".service") for name in names]
    return ", ".join(names)


def _objects(plan: Plan) -> Iterator[tuple[ChangeKind, str, tuple[Diff, ...]]]:
    for stage in plan.stages:
        for step in stage.steps:
            if isinstance(step, ApplyObjects):
                for index, name in enumerate(step.why):
                    diffs = step.diffs[index] if index < len(step.diffs) else ()
                    anew = any(diff.field == "object" and diff.have is None for diff in diffs)
                    yield ChangeKind.ADD if anew else ChangeKind.ALTER, name, diffs


def _object_rows(plan: Plan, look: Look) -> Iterator[Row]:
    groups: dict[ChangeKind, list[tuple[str, tuple[Diff, ...]]]] = {}
    for kind, name, diffs in _objects(plan):
        groups.setdefault(kind, []).append((name, diffs))
    for kind, mine in sorted(groups.items()):
        if look.detail is Detail.FULL or len(mine) <= _NAMED_AT_MOST[kind]:
            for name, diffs in mine:
                yield Row(kind, name.replace("//", "/"), _object_why(kind, diffs, look))
        else:
            kinds = Counter(name.partition("/")[0] for name, _ in mine)
            listed = ", ".join(f"{what} ({n})" if n > 1 else what for what, n in kinds.items())
            yield Row(kind, several("object", len(mine)), listed)


def _object_why(kind: ChangeKind, diffs: Sequence[Diff], look: Look) -> str:
    if kind is ChangeKind.ADD:
        return ""
    arrow = look.marks.arrow
    return ", ".join(f"{diff.field} {diff.have or 'nothing'} {arrow} {diff.want}" for diff in diffs)


def _host_lines(rows: Mapping[str, tuple[Row, ...]], look: Look) -> Iterator[str]:
    """Yield a block for each group of hosts whose rows are equal."""
    groups: dict[tuple[Row, ...], list[str]] = {}
    for host, mine in rows.items():
        groups.setdefault(mine, []).append(host)
    for mine, hosts in groups.items():
        names = textwrap.wrap(" ".join(hosts), _HOSTS_WIDTH - 1, break_long_words=False)
        for index in range(max(len(names), len(mine))):
            name = names[index] if index < len(names) else ""
            row = _row_text(mine[index], look) if index < len(mine) else ""
            yield f"  {look.paint(Tone.STRONG, f'{name:<{_HOSTS_WIDTH}}')}{row}".rstrip()


def _row_text(row: Row, look: Look) -> str:
    mark = look.paint(_TONES[row.kind], row.kind.value)
    what = f"{row.what:<{_WHAT_WIDTH}} "
    room = look.width - _HOSTS_WIDTH - len(what) - 4
    why = row.why if look.detail is Detail.FULL else shortened(row.why, max(room, 24), look.marks)
    return f"{mark} {what}{look.paint(Tone.FAINT, why) if why else ''}".rstrip()


def _order(plan: Plan, look: Look) -> Iterator[str]:
    for stage in plan.stages:
        if stage.requires:
            yield f"[gate: {gates_text(stage.requires, look.marks)}]"
        yield _stage_text(stage)
        if stage.gates:
            yield f"[gate: {gates_text(stage.gates, look.marks)}]"


def _stage_text(stage: Stage) -> str:
    hosts = {step.host for step in stage.steps if not isinstance(step, ApplyObjects)}
    if len(hosts) > 1:
        how = "at once" if stage.at_once > 1 else "one at a time"
        return f"{stage.name} ({len(hosts)} hosts {how})"
    return stage.name if all(host in stage.name for host in hosts) else _with(stage.name, hosts)


def _with(name: str, hosts: Iterable[str]) -> str:
    return f"{name} ({', '.join(sorted(hosts))})"


def files(plan: Plan, *, look: Look = PLAIN) -> str:
    """Return unified diffs of the public files, each once for all hosts that share it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for host, change in plan.changes:
        if isinstance(change.resource, File) and _touches_content(change):
            groups.setdefault((change.key.name, _difference(change, look)), []).append(host)
    blocks = (
        f"{look.paint(Tone.STRONG, _with(path, hosts))}\n{body}\n"
        for (path, body), hosts in groups.items()
    )
    return "\n".join(blocks)


def _touches_content(change: Change) -> bool:
    return any(diff.field in {"sha256", "type"} for diff in change.diffs)


def _difference(change: Change, look: Look) -> str:
    content = change.resource.content if isinstance(change.resource, File) else None
    if is_secret(change):
        return "(secret, sha256 differs)" if change.kind is ChangeKind.ALTER else "(secret, new)"
    if not isinstance(content, Text):
        return "(binary, sha256 differs)"
    if change.have_content is None and change.kind is ChangeKind.ALTER:
        return "(what is there was not read: it is no regular file, or too large)"
    lines = difflib.unified_diff(
        (change.have_content or "").splitlines(),
        content.text.splitlines(),
        "on the machine" if change.have_content is not None else "/dev/null",
        "wished",
        lineterm="",
    )
    return "\n".join(_painted(line, look) for line in lines) or "(only line ends differ)"


def _painted(line: str, look: Look) -> str:
    tone = {"+": Tone.ADD, "-": Tone.REMOVE, "@": Tone.FAINT}.get(line[:1])
    return line if tone is None else look.paint(tone, line)
