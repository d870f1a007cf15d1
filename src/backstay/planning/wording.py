"""Short words for the parts of a plan: a change, a step, a gate."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from backstay.planning.look import UNICODE, Marks, shortened
from backstay.planning.plan import (
    ActOnUnits,
    ApiReady,
    ApplyObjects,
    BalancerServes,
    Change,
    ChangeKind,
    Converge,
    DeploymentAvailable,
    EndpointServes,
    EtcdHealthy,
    Gate,
    LeasesHeld,
    NodesReady,
    NodesRegistered,
    Step,
    UnitsActive,
)
from backstay.resources.content import Issued, Kept, Text
from backstay.resources.files import File
from backstay.resources.resource import Diff
from backstay.resources.service import Service

# Long enough for a digest's beginning or a path; a whole one would fill the line.
VALUE_LIMIT = 40
UNITS_NAMED = 3
_PLURALS = {
    "binary": "binaries",
    "directory": "directories",
    "module": "kernel modules",
    "sysctl": "kernel parameters",
    "service": "units",
}
_BARE = frozenset({"file", "directory", "service", "binary"})


def thing(change: Change) -> str:
    """Return what changes: a path or unit as it is, anything else with its kind."""
    key = change.key
    return key.name if key.kind in _BARE else f"{key.kind} {key.name}"


def several(kind: str, count: int) -> str:
    """Return `3 units`, `1 file`."""
    plural = _PLURALS.get(kind, f"{kind}s")
    return f"{count} {plural if count != 1 else _singular(kind)}"


def _singular(kind: str) -> str:
    return {"service": "unit", "module": "kernel module", "sysctl": "kernel parameter"}.get(
        kind, kind
    )


def is_secret(change: Change) -> bool:
    """Return whether the bytes of the thing must not be shown."""
    resource = change.resource
    return isinstance(resource, File) and isinstance(resource.content, Kept | Issued)


def reasons(change: Change, marks: Marks = UNICODE) -> str:
    """Say in a few words why the thing is not as wished; empty for a thing made anew."""
    if change.kind is ChangeKind.ADD:
        return ""
    return ", ".join(dict.fromkeys(_reason(change, diff, marks) for diff in change.diffs))


def _reason(change: Change, diff: Diff, marks: Marks) -> str:
    match change.resource, diff.field:
        case Service() as service, _:
            return _unit_reason(service, diff)
        case File() as file, "sha256":
            return _content_reason(file, change.have_content, marks)
        case _, "sha256":
            return "another version is there"
        case _:
            return _values(diff, marks)


def _values(diff: Diff, marks: Marks) -> str:
    want = shortened(diff.want, VALUE_LIMIT, marks)
    if diff.have is None:
        return f"{diff.field}: {want}"
    have = shortened(diff.have, VALUE_LIMIT, marks) or "nothing"
    return f"{diff.field} {have} {marks.arrow} {want}"


def _unit_reason(service: Service, diff: Diff) -> str:
    match diff.field:
        case "active":
            return f"start (is {diff.have or 'not there'})"
        case "enabled":
            return f"enable (is {diff.have or 'not there'})"
        case "recorded" if service.reload_digest is not None:
            return "reload (runs with older files)"
        case "digest" | "recorded":
            return "restart (runs with older files)"
        case _:
            return f"{diff.field} differs"


def _content_reason(file: File, have: str | None, marks: Marks) -> str:
    if isinstance(file.content, Kept | Issued):
        return "(secret, sha256 differs)"
    if not isinstance(file.content, Text) or have is None:
        return "content differs"
    added, removed = changed_lines(have, file.content.text)
    return f"content +{added} {marks.minus}{removed}"


def changed_lines(have: str, want: str) -> tuple[int, int]:
    """Return how many lines are added and removed between two texts."""
    body = list(difflib.unified_diff(have.splitlines(), want.splitlines(), n=0))[2:]
    return sum(one[:1] == "+" for one in body), sum(one[:1] == "-" for one in body)


def step_text(step: Step) -> str:
    """Return what a step does, without its host: `14 files`, `start etcd.service`."""
    match step:
        case Converge():
            return several("thing", len(step.changes))
        case ActOnUnits():
            return ", ".join(_verbs(step))
        case ApplyObjects():
            return f"apply {several('object', len(step.objects))}"


def _verbs(step: ActOnUnits) -> Iterator[str]:
    by_verb: dict[str, list[str]] = {}
    for change in step.changes:
        if isinstance(change.resource, Service):
            fields = frozenset(diff.field for diff in change.diffs)
            verb = change.resource.verb(fields) or "enable"
            by_verb.setdefault(verb, []).append(change.resource.unit)
    for verb, units in by_verb.items():
        yield f"{verb} {_units(units)}"


def _units(names: Sequence[str]) -> str:
    """Return a few units by name, many by their number."""
    if len(names) > UNITS_NAMED:
        return several("service", len(names))
    return ", ".join(name.removesuffix(".service") for name in names)


def gate_text(gate: Gate) -> str:
    """Return the condition that a gate waits for, as a sentence without a verb of waiting."""
    match gate:
        case UnitsActive():
            return f"{_units(gate.units)} active on {gate.host}"
        case EtcdHealthy():
            return f"etcd on {gate.host} answers a linearizable read"
        case ApiReady():
            return f"apiserver on {gate.host} ready"
        case BalancerServes():
            return f"balancer on {gate.host} serves"
        case EndpointServes():
            return f"endpoint answers {gate.host}"
        case LeasesHeld():
            return f"leases held: {', '.join(gate.names)}"
        case NodesReady():
            return f"nodes Ready: {', '.join(gate.names)}"
        case NodesRegistered():
            return f"nodes registered: {', '.join(gate.names)}"
        case DeploymentAvailable():
            return f"deployment {gate.namespace}/{gate.name} available"


def gates_text(gates: Sequence[Gate], marks: Marks = UNICODE) -> str:
    """Return many gates as one phrase, those of a kind counted."""
    if len(gates) == 1:
        return gate_text(gates[0])
    kinds: dict[str, int] = {}
    for gate in gates:
        kinds[_gate_kind(gate)] = kinds.get(_gate_kind(gate), 0) + 1
    return ", ".join(
        kind if count == 1 else f"{kind} {marks.times}{count}" for kind, count in kinds.items()
    )


def _gate_kind(gate: Gate) -> str:
    match gate:
        case UnitsActive():
            return "units active"
        case EtcdHealthy():
            return "etcd healthy"
        case ApiReady():
            return "apiserver ready"
        case BalancerServes():
            return "balancer serves"
        case EndpointServes():
            return "endpoint answers"
        case LeasesHeld():
            return "leases held"
        case NodesReady():
            return "nodes Ready"
        case NodesRegistered():
            return "nodes registered"
        case DeploymentAvailable():
            return f"{gate.name} available"
