"""Law 6: what is performed is what was printed, or it stops: the world changed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace

import pytest
from harms import cases, harms, hurt
from hypothesis import given

from backstay.errors import RefusedError, RejectedError, StalePlanError
from backstay.operations.apply import _require_same
from backstay.planning import render
from backstay.planning.plan import ActOnUnits, ApplyObjects, Converge, Plan
from backstay.planning.wording import reasons
from backstay.resources.content import Text
from backstay.resources.files import File
from fakes.clusters import Case, Shape, built
from fakes.computer import Computer

VERBS = ("restart", "start", "reload")
PLACING = frozenset({"place", "adjust", "make_directory", "place_artefact"})
SETTING = frozenset({"modprobe", "set_sysctl", "make_account"})


def printed(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield host, verb and thing of everything that the document says."""
    for stage in render.document(plan)["stages"]:  # type: ignore[attr-defined]
        for step in stage["steps"]:
            if step["type"] == ApplyObjects.__name__:
                yield from (("", "apply", one["name"]) for one in step["objects"])
            elif step["type"] == Converge.__name__:
                yield from ((step["host"], "", change["name"]) for change in step["changes"])


def printed_of_units(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield what the text says of each unit: one to be made anew is enabled and started.

    Where several words are said of one unit, a restart is also what starts it and reloads it.
    """
    steps = (step for stage in plan.stages for step in stage.steps)
    for step in steps:
        if isinstance(step, ActOnUnits):
            for change in step.changes:
                said = reasons(change) or "enable (), start ()"
                verbs = {verb for verb in ("enable", *VERBS) if f"{verb} (" in said}
                if "restart" in verbs:
                    verbs -= {"start", "reload"}
                yield from ((step.host, verb, change.key.name) for verb in verbs)


def asked(case: Case) -> Iterator[tuple[str, str, str]]:
    """Yield host, verb and thing of everything that the machines were told to do."""
    stems = {stem for _, stem in case.credentials.requests}
    for host, argv in case.world.told:
        match argv:
            case ("systemctl", "daemon-reload") | ("begin" | "locate" | "commit", *_):
                pass
            case ("systemctl", verb, *words):
                yield from ((host, verb, unit) for unit in words if not unit.startswith("--"))
            case ("apply", name):
                yield host, "apply", name
            case (verb, name, *_) if verb in PLACING | SETTING:
                stem = name.rsplit(".", 1)[0]
                yield host, "", stem if stem in stems else name
            case _:
                raise AssertionError(argv)


@given(cases())
def test_machines_are_asked_for_what_was_printed_and_nothing_else(case: Case) -> None:
    """Every file, unit and object of the document is touched, and no other is."""
    case.world.told.clear()
    plan = case.look().plan()
    case.world.perform(plan)
    assert set(asked(case)) == {*printed(plan), *printed_of_units(plan)}


@given(cases())
def test_machines_are_as_printed_and_otherwise_as_they_were(case: Case) -> None:
    """The bytes are those that `--show-files` compared with; what has no name in it is the same."""
    before = copy(case.world).computers
    plan = case.look().plan()
    case.world.perform(plan)
    named = {(host, change.key.name) for host, change in plan.changes}
    for host, computer in case.world.computers.items():
        for thing in changed(before[host], computer):
            stem = thing.rsplit(".", 1)[0]
            assert (host, thing) in named or (host, stem) in named, f"{host}: {thing}"
    for host, change in plan.changes:
        if isinstance(change.resource, File) and isinstance(change.resource.content, Text):
            written = case.world.computers[host].text(change.resource.path)
            assert written == change.resource.content.text


def changed(before: Computer, after: Computer) -> Iterator[str]:
    """Yield whatever is different on a machine; what systemd has loaded is nobody's concern."""
    for old, new in ((before.tree, after.tree), (before.sysctls, after.sysctls)):
        yield from (name for name in {*old, *new} if old.get(name) != new.get(name))
    yield from before.modules ^ after.modules
    yield from before.accounts ^ after.accounts
    for name, unit in after.units.items():
        old_unit = before.units.get(name)
        if old_unit is None or replace(old_unit, loaded="") != replace(unit, loaded=""):
            yield name


@given(cases(), harms)
def test_a_saved_plan_is_refused_when_the_world_is_another(
    case: Case, befell: list[tuple[str, int]]
) -> None:
    """Either the present plan reads as the saved one does, or nothing is performed."""
    looked = case.look()
    saved = looked.plan()
    for name, pick in befell:
        hurt(case, name, pick)
    try:
        present = case.look().plan()
        _require_same(present, render.identity(saved))
    except (StalePlanError, RefusedError, RejectedError):
        return
    assert render.text(present, spec=case.spec) == render.text(saved, spec=case.spec)
    if not looked.trust.new:
        # Where keys are yet to be made, files that name them are made from others each time.
        assert render.files(present) == render.files(saved)


def test_a_file_that_was_edited_once_more_is_another_world() -> None:
    """The same file differs in the same field: but what the reader saw of it is gone."""
    case = built(Shape(1))
    hurt(case, "file changed", 0)
    saved = render.identity(case.look().plan())
    _require_same(case.look().plan(), saved)
    hurt(case, "file changed", 0)
    with pytest.raises(StalePlanError):
        _require_same(case.look().plan(), saved)
