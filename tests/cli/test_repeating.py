"""The command in a report asks for the same drill again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from backstay.cli import drills
from backstay.cli.drills import Asked
from backstay.cli.verbs import drill_run
from backstay.drill.wish import Wish
from fakes.program import Program

CLUSTER = (
    "name: prod\nendpoint: {vip: 10.0.0.100}\n"
    "hosts: [{name: cp-1, address: 10.0.0.1, roles: [control-plane]}]\n"
)


@pytest.fixture
def asked(backstay: Program, monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every run that a command line asks for, none of which happens."""
    found: list[Asked] = []

    def run_all(_console: object, _spec: object, asked: Asked) -> int:
        found.append(asked)
        return 0

    monkeypatch.setattr(drills, "run_all", run_all)
    monkeypatch.setattr(drill_run, "lab_machines", lambda _: None)
    for name in ("cluster.yaml", "a b.yaml"):
        (backstay.folder / name).write_text(CLUSTER)
    return found


@pytest.mark.parametrize(
    "words",
    [
        "drill run etcd-leader-kill",
        "drill run etcd-leader-kill --seed 3 --target host:cp-1",
        "drill run etcd-leader-kill -c 'a b.yaml' --duration 1m30s --scale 0.1 --confirm prod",
        "-c 'a b.yaml' drill run idle --duration 1500ms --objective 'gap<1s, lost=0' --scale 3",
        "drill run idle --objective 'gap<1s' --objective 'vip new:failed<=2'",
        "drill run idle --target 'etcd-leader,vip-holder' --objective 'gap<=2.2*election'",
        "drill suite quick",
        "drill suite default --seed 7 --scale 0.5 --confirm prod -c 'a b.yaml'",
    ],
)
def test_the_command_of_a_report_asks_for_the_same_drill(
    backstay: Program, asked: list[Asked], words: str
) -> None:
    """Length, load, objectives, target, seed and cluster: typed again, it is the same wish."""
    said = backstay(*shlex.split(words))
    assert said.code == 0, said.err
    wishes = asked[0].wishes
    assert wishes
    for wish in wishes:
        again = backstay(*shlex.split(wish.command)[1:])
        assert again.code == 0, again.err
        assert asked[-1].wishes == [wish]
        assert asked[-1].confirm == asked[0].confirm


def test_the_configuration_is_named_where_it_must_be(backstay: Program, asked: list[Asked]) -> None:
    """Every lab's is somewhere else; the one that is meant without words needs none."""
    backstay("drill", "run", "idle", "-c", "a b.yaml")
    backstay("drill", "run", "idle")
    backstay("drill", "run", "idle", "-c", "-", stdin=CLUSTER)
    commands = [one.wishes[0].command for one in asked]
    assert commands == [
        "backstay drill run idle -c 'a b.yaml' --seed 0",
        "backstay drill run idle --seed 0",
        "backstay drill run idle --seed 0",
    ]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--scale", "0"), "not in the range"),
        (("--scale", "nan"), "is no number"),
        (("--scale", "inf"), "not in the range"),
        (("--scale", "-1"), "not in the range"),
        (("--duration", "0s"), "make sense here"),
        (("--duration", "36500d"), "make sense here"),
        (("--target", "etcd-leadr"), "did you mean etcd-leader?"),
        (("--target", "vip-holder+host:cp-9"), "did you mean host:cp-1?"),
        (("--target", ","), "is no target"),
    ],
)
def test_words_that_make_no_sense_are_refused_before_any_machine_is_asked(
    backstay: Program, asked: list[Asked], words: tuple[str, ...], meant: str
) -> None:
    """A usage error with the nearest thing that makes sense."""
    said = backstay("drill", "run", "idle", *words)
    assert said.code == 64
    assert meant in said.err
    assert asked == []


@pytest.mark.parametrize("words", [(), ("--repeat", "1"), ("--repeat", "3")])
def test_repeating_asks_for_one_table_however_often(
    backstay: Program, asked: list[Asked], words: tuple[str, ...]
) -> None:
    """A script gets the same shape for any number of times."""
    backstay("drill", "run", "idle", *words)
    (one,) = asked
    assert len(one.wishes) == int(words[-1] if words else 1)
    assert (one.shape is drills.Shape.MANY) == bool(words)


def test_a_suite_says_what_is_not_possible_here(backstay: Program, asked: list[Asked]) -> None:
    """Without the power of machines, what needs it is named."""
    backstay("drill", "suite", "default", "--junit", str(Path("drills.xml")))
    (one,) = asked
    assert "machine-freeze-vip-holder" in one.left_out
    assert not {each.scenario.name for each in one.wishes} & set(one.left_out)
    assert all(isinstance(each, Wish) for each in one.wishes)
