"""The plan as JSON for programs, and its identity: what must not change before it is performed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from hashlib import sha256

from backstay.planning.plan import ApplyObjects, Change, Gate, Plan, Stage, Step
from backstay.planning.wording import gate_text, is_secret
from backstay.resources.resource import Diff

API_VERSION = "backstay.dev/v1"
MASKED = "(secret)"


def document(plan: Plan) -> dict[str, object]:
    """Return the plan as plain values (docs/plan-json.md); no secret and no content is in it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "identity": identity(plan),
        "spec_digest": plan.spec_digest,
        "seen_digest": plan.seen_digest,
        "quorum": plan.quorum,
        "notes": list(plan.notes),
        "stages": [_stage(stage) for stage in plan.stages],
    }


def _stage(stage: Stage) -> dict[str, object]:
    return {
        "name": stage.name,
        "at_once": stage.at_once,
        "requires": [_gate(gate) for gate in stage.requires],
        "steps": [_step(step) for step in stage.steps],
        "gates": [_gate(gate) for gate in stage.gates],
    }


def _gate(gate: Gate) -> dict[str, object]:
    values = {one.name: _plain(getattr(gate, one.name)) for one in fields(gate)}
    seconds = values.pop("deadline")
    what = gate_text(gate)
    return {"type": type(gate).__name__, "what": what, "deadline_seconds": seconds, **values}


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return list(value) if isinstance(value, tuple) else value


def _step(step: Step) -> dict[str, object]:
    kind = type(step).__name__
    if isinstance(step, ApplyObjects):
        return {"type": kind, "objects": list(_objects(step))}
    changes = [_change(change) for change in step.changes]
    return {"type": kind, "host": step.host, "changes": changes}


def _objects(step: ApplyObjects) -> Iterator[dict[str, object]]:
    for index, name in enumerate(step.why):
        diffs = step.diffs[index] if index < len(step.diffs) else ()
        yield {"name": name, "diffs": [_diff(diff, masked=False) for diff in diffs]}


def _change(change: Change) -> dict[str, object]:
    masked = is_secret(change)
    return {
        "kind": change.key.kind,
        "name": change.key.name,
        "action": change.kind.name.lower(),
        "secret": masked,
        "diffs": [_diff(diff, masked=masked and diff.field == "sha256") for diff in change.diffs],
    }


def _diff(diff: Diff, *, masked: bool) -> dict[str, object]:
    have = MASKED if masked and diff.have is not None else diff.have
    return {"field": diff.field, "want": MASKED if masked else diff.want, "have": have}


def identity(plan: Plan) -> str:
    """Return the SHA-256 (hexadecimal) of what a saved plan and a fresh one must share.

    That is the specification's digest, every stage, step, thing and field, and what was seen of
    each. What is wished is left out: fresh keys and certificates differ each time they are made.
    """
    shape = [plan.spec_digest, *([stage.name, *_shape(stage)] for stage in plan.stages)]
    return sha256(json.dumps(shape, ensure_ascii=True).encode()).hexdigest()


def _shape(stage: Stage) -> Iterator[list[object]]:
    for step in stage.steps:
        kind = type(step).__name__
        if isinstance(step, ApplyObjects):
            yield [kind, list(step.why), [_seen(diffs) for diffs in step.diffs]]
        else:
            things = [
                [change.key.kind, change.key.name, _seen(change.diffs)] for change in step.changes
            ]
            yield [kind, step.host, things]


def _seen(diffs: tuple[Diff, ...]) -> list[object]:
    return [[diff.field, diff.have] for diff in diffs]
