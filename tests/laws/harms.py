"""What befalls machines: strategies for clusters in every state between fresh and fully built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from hypothesis import strategies as st

from backstay.errors import GateTimeoutError
from backstay.pki.kept import KeptName
from backstay.pki.trust import UNSEEN
from fakes.clusters import SHAPES, Case, Shape, Wished, built, fresh, spec_of, wish_of
from fakes.computer import UNITS, UP, Computer, Node, Unit
from fakes.world import Cut

OLD = "0" * 64
KEPT = frozenset(name.value for name in KeptName)
MARKER = "/etc/backstay/cluster"
Place = tuple[Computer, str]


def _paths(case: Case, *kinds: str) -> Iterator[Place]:
    """Yield wished files of these kinds that are there; whose cluster it is, is nobody's drift."""
    for host, resources in wish_of(case.spec, UNSEEN).hosts.items():
        tree = case.world.computers[host].tree
        names = (key.name for key in resources if key.kind in kinds)
        yield from ((case.world.computers[host], n) for n in names if n in tree and n != MARKER)


def _halves(case: Case) -> Iterator[Place]:
    for host, stem in case.credentials.requests:
        computer = case.world.computers[host]
        paths = (f"{stem}.{suffix}" for suffix in ("crt", "key"))
        yield from ((computer, path) for path in paths if path in computer.tree)


def _running(case: Case) -> Iterator[Place]:
    for computer in case.world.computers.values():
        yield from ((computer, name) for name, unit in computer.units.items() if unit.active in UP)


def _own(places: Iterator[Place]) -> list[Place]:
    return [(computer, path) for computer, path in places if path not in KEPT]


def _copies(case: Case) -> Iterator[Place]:
    """Yield kept files that more than one control plane has."""
    if len(case.spec.control_planes) > 1:
        yield from ((c, path) for c, path in _paths(case, "file") if path in KEPT)


def _edit(computer: Computer, path: str) -> None:
    node = computer.tree[path]
    changed = node.content + b"# by hand\n"
    computer.tree[path] = replace(node, content=changed, digest=OLD if node.digest else "")


def _chmod(computer: Computer, path: str) -> None:
    computer.tree[path] = replace(computer.tree[path], mode="666")


def _lose(computer: Computer, path: str) -> None:
    del computer.tree[path]


def _stop(computer: Computer, unit: str) -> None:
    computer.units[unit] = replace(computer.units[unit], active="inactive", digest=None)


def _disable(computer: Computer, unit: str) -> None:
    computer.units[unit] = replace(computer.units[unit], enabled=False)


def _age(computer: Computer, unit: str) -> None:
    """Let the process be one of before: it has read other files, and carries another digest."""
    old = computer.units[unit]
    read = dict.fromkeys(old.read, OLD)
    computer.units[unit] = replace(old, digest=old.digest and OLD, recorded=None, read=read)


def _predate(computer: Computer, unit: str) -> None:
    """Let unit file, systemd and process all be of before."""
    _age(computer, unit)
    path = f"{UNITS}{unit}"
    if path in computer.tree:
        text = computer.tree[path].content.decode() + "\n# of before\n"
        computer.tree[path] = replace(computer.tree[path], content=text.encode())
        computer.units[unit] = replace(computer.units[unit], loaded=text)


def _hang(computer: Computer, unit: str) -> None:
    """Let the unit be stuck in a start with settings of before."""
    _age(computer, unit)
    changed = replace(computer.units[unit], active="activating", stuck=True, digest=OLD)
    computer.units[unit] = changed


def _forget(computer: Computer, name: str) -> None:
    computer.sysctls.pop(name, None)
    computer.modules.discard(name)


def _kernel(case: Case) -> Iterator[Place]:
    for computer in case.world.computers.values():
        yield from ((computer, name) for name in (*computer.sysctls, *computer.modules))


Harm = tuple[Callable[[Case], object], Callable[[Computer, str], None]]
HARMS: dict[str, Harm] = {
    "file changed": (lambda case: _own(_paths(case, "file", "binary")), _edit),
    "file absent": (lambda case: _own(_paths(case, "file", "binary", "directory")), _lose),
    "kept copy lost": (_copies, _lose),
    "mode wrong": (lambda case: _paths(case, "file", "directory"), _chmod),
    "certificate changed": (_halves, _edit),
    "certificate lost": (_halves, _lose),
    "rights of a key": (_halves, _chmod),
    "unit stopped": (_running, _stop),
    "unit disabled": (_running, _disable),
    "old process": (_running, _age),
    "old unit": (_running, _predate),
    "stuck in its start": (_running, _hang),
    "kernel parameter": (_kernel, _forget),
}


def hurt(case: Case, name: str, pick: int) -> None:
    """Let one harm befall the cluster, where there is something to be harmed."""
    candidates, harm = HARMS[name]
    if places := list(candidates(case)):  # type: ignore[call-overload]
        computer, what = places[pick % len(places)]
        harm(computer, what)
        case.story += (f"{name}: {computer.survey['hostname']} {what}",)


def lose_object(case: Case, pick: int) -> None:
    """Take an object out of the API."""
    if names := sorted(case.world.objects):
        del case.world.objects[names[pick % len(names)]]
        case.story += (f"object lost: {names[pick % len(names)]}",)


harms = st.lists(st.tuples(st.sampled_from(sorted(HARMS)), st.integers(0, 999)), max_size=6)
shapes = st.sampled_from(SHAPES)


def cut_short(case: Case, budget: int, *, time_passes: bool) -> None:
    """Begin to apply, and be killed after so many single changes."""
    case.world.budget = budget
    with suppress(Cut):
        case.apply()
    case.story += (f"cut after {budget}{' and left alone' if time_passes else ''}",)
    case.world.budget = None
    if time_passes:
        case.world.rest()


@st.composite
def cases(draw: st.DrawFn, shapes: st.SearchStrategy[Shape] = shapes) -> Case:
    """Clusters as wished, or built for other wishes, or half-built; harmed in several ways."""
    shape = draw(shapes)
    start = draw(st.sampled_from(("fresh", "begun", "other", "built", "built")))
    if start == "fresh":
        return fresh(shape)
    if start == "begun":
        case = fresh(shape)
        cut_short(case, draw(st.integers(0, 1200)), time_passes=draw(st.booleans()))
        return case
    case = built(shape, Wished.OTHER if start == "other" else Wished.THIS)
    for name, pick in draw(harms):
        hurt(case, name, pick)
    if draw(st.booleans()):
        lose_object(case, draw(st.integers(0, 99)))
    return case


__all__ = ["GateTimeoutError", "Node", "Unit", "cases", "cut_short", "hurt", "spec_of"]
