"""What drills left is asked of every machine, undone whatever fails, and looked at again."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backstay.drill import undo as scripts
from backstay.drill.faults.scripts import FOLDER
from backstay.drill.undo import leftovers, require_nothing, undo_there
from backstay.errors import BackstayError, StepFailedError, UnreachableError
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.operations import drill_undo
from backstay.spec.parse import parse

SPEC = parse(
    "name: drilled\nendpoint: {vip: 10.0.0.100}\n"
    "hosts:\n"
    "- {name: a, address: 10.0.0.1, roles: [control-plane]}\n"
    "- {name: b, address: 10.0.0.2, roles: [control-plane]}\n"
    "- {name: c, address: 10.0.0.3, roles: [control-plane]}\n"
)
LOST = UnreachableError("no answer on SSH", why="timed out")
NO = Completed(1, "", "it is not undone")


@dataclass
class Cluster:
    """What is left on each machine; `stays` is what no undo takes away, `silent` answer not."""

    left: dict[str, str] = field(default_factory=dict)
    stays: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    mends: bool = True
    namespaces: str = ""
    keys: str = "0\n"
    seen: list[tuple[str, str]] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The machines as a session that begins now finds them."""
        away = self.silent | self.frozen
        return World({one: LOST if one in away else _Machine(one, self) for one in "abc"})

    def armed(self) -> tuple[str, ...]:
        """Who is frozen in somebody's hands."""
        return tuple(sorted(self.frozen))

    async def mend(self, host: str) -> None:
        """Thaw a machine."""
        self.seen.append(("mend", host))
        if not self.mends:
            raise StepFailedError("it does not start", where=host)
        self.frozen.remove(host)

    def answer(self, host: str, script: str) -> Completed:
        """Answer a script by what it is about."""
        if "kubectl" in script:
            self.seen.append(("kubectl", host))
            return Completed(0, self.namespaces, "")
        if "del --prefix" in script:
            self.seen.append(("etcdctl", host))
            return Completed(0, self.keys, "")
        if 'exit "$status"' not in script:
            return Completed(0, self.left.get(host, ""), "")
        self.seen.append(("undo", host))
        self.left[host] = self.stays.get(host, "")
        return NO if host in self.fails else Completed(0, "", "")


@dataclass
class _Machine:
    name: str
    cluster: Cluster

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        del deadline, on_line
        return self.cluster.answer(self.name, script)

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        raise NotImplementedError

    def reach(self, host: str, port: int) -> object:
        raise NotImplementedError


async def undo(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Undo, and return what was told; an error has it as a note."""

    @asynccontextmanager
    async def session(_: object) -> AsyncIterator[World]:
        yield cluster.world

    told: list[tuple[str, str]] = []
    monkeypatch.setattr(drill_undo, "session", session)
    try:
        await drill_undo.undo(SPEC, cluster, tell=lambda *words: told.append(words))
    except BackstayError as error:
        error.add_note(repr(told))
        raise
    return told


async def test_leftovers_are_told_by_machine() -> None:
    """What it says, whose power is in somebody's hands, and who cannot be asked."""
    cluster = Cluster({"a": "fault freeze etcd\nfrozen etcd\n"}, silent={"b"}, frozen={"c"})
    unknown = "unknown: no answer on SSH: timed out"
    assert dict(await leftovers(cluster.world, cluster)) == {
        "a": ("fault freeze etcd", "frozen etcd"),
        "b": (unknown,),
        "c": (unknown, "its power is in a drill's hands"),
    }


async def test_a_machine_that_cannot_be_asked_is_not_taken_for_clean() -> None:
    """Exit code 4, though nothing is known to be left anywhere."""
    with pytest.raises(UnreachableError) as caught:
        require_nothing(await leftovers(Cluster(silent={"b"}).world, None))
    assert (caught.value.where, caught.value.exit_code) == ("b", 4)
    require_nothing(await leftovers(Cluster().world, None))


async def test_one_failure_keeps_nobody_from_the_others() -> None:
    """All machines are undone that can be, then the error is raised."""
    cluster = Cluster(dict.fromkeys("abc", "fault cut off\n"), silent={"a"}, fails={"b"})
    with pytest.raises(BackstayError):
        await undo_there(cluster.world)
    assert cluster.left == {"a": "fault cut off\n", "b": "", "c": ""}


async def test_all_is_undone_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on the machine that was frozen when it began, and in the cluster itself."""
    cluster = Cluster(
        {"a": "fault cut off\ntable x\n", "c": "frozen etcd\n"},
        frozen={"c"},
        namespaces="namespace/backstay-drill-1\nnamespace/backstay-drill-2\n",
        keys="57\n",
    )
    assert await undo(cluster, monkeypatch) == [
        ("a", "fault cut off; table x"),
        ("c", "its power is in a drill's hands"),
        ("apiserver", "namespace backstay-drill-1"),
        ("apiserver", "namespace backstay-drill-2"),
        ("etcd", "57 keys"),
    ]
    assert {host for what, host in cluster.seen if what == "undo"} == set("abc")
    assert cluster.left["c"] == ""


async def test_where_nothing_is_left_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time does no harm."""
    assert await undo(Cluster(), monkeypatch) == []


async def test_a_machine_that_is_not_mended_keeps_no_other_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is named, and its error is not hidden."""
    cluster = Cluster({"a": "fault cut off\n"}, frozen={"c"}, mends=False)
    with pytest.raises(StepFailedError) as caught:
        await undo(cluster, monkeypatch)
    assert caught.value.where == "c"
    assert cluster.left["a"] == ""
    assert "cut off" in caught.value.__notes__[0]


async def test_what_no_undo_takes_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was looked for again: nobody is told that it was undone."""
    cluster = Cluster({"a": "frozen etcd\ntable x\n"}, stays={"a": "frozen etcd\n"}, silent={"b"})
    with pytest.raises(StepFailedError) as caught:
        await undo(cluster, monkeypatch)
    assert caught.value.where == "a"
    assert "a: frozen etcd" in caught.value.why
    assert "b: unknown" in caught.value.why
    assert caught.value.__notes__ == ["[('a', 'table x')]"]


async def test_machines_that_are_all_silent_are_no_clean_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is told, and the exit code is 4."""
    with pytest.raises(UnreachableError) as caught:
        await undo(Cluster(silent=set("abc")), monkeypatch)
    assert (caught.value.where, caught.value.__notes__) == ("a, b, c", ["[]"])


def play(script: str, folder: Path, world: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts by a real shell, with a folder of its own and words of ours."""
    text = world + script.replace(FOLDER, str(folder))
    return subprocess.run(("sh",), input=text, text=True, capture_output=True, check=False)


QUIET = "systemctl() { :; }\nnft() { return 1; }\npgrep() { :; }\n"


def test_every_undo_is_run_though_one_of_them_fails(tmp_path: Path) -> None:
    """The machine says so at the end."""
    (tmp_path / "a.undo").write_text("exit 1\n")
    (tmp_path / "b.undo").write_text(f"rm {tmp_path}/b.undo\n")
    done = play(scripts._UNDO, tmp_path, QUIET)
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.undo"]


ORPHANS = """\
nft() { echo "nft $1" >>"$log"; [ ! -e "$log.gone" ] && { [ "$1" = list ] || : >"$log.gone"; }; }
systemctl() {
    case $* in
    *list-units*run-*) echo backstay-drill-run-flap.service ;;
    *list-units*undo-*) echo backstay-drill-undo-flap.timer ;;
    "stop "*) echo "$*" >>"$log" ;;
    esac
}
pgrep() { :; }
"""


@pytest.mark.parametrize("armed", [True, False])
def test_what_nobody_says_how_to_undo_is_undone_as_well(tmp_path: Path, *, armed: bool) -> None:
    """A loop, a table; and a timer, unless it still has something to undo."""
    folder, log = tmp_path / "run", tmp_path / "log"
    folder.mkdir()
    if armed:
        (folder / "flap.undo").write_text("exit 1\n")
    done = play(scripts._UNDO, folder, f"log={log}\n{ORPHANS}")
    assert done.returncode == int(armed), done.stderr
    said = log.read_text().splitlines()
    assert "stop backstay-drill-run-flap.service" in said
    assert "nft delete" in said
    assert ("stop backstay-drill-undo-flap.timer" in said) is not armed


def test_a_look_names_what_is_there(tmp_path: Path) -> None:
    """A fault by its own words, units, the table."""
    (tmp_path / "cut.undo").write_text("# Run by a timer, it undoes a drill's fault: cut off\n")
    world = "systemctl() { case $* in *list-units*) echo backstay-drill-undo-cut.timer ;; esac; }\n"
    done = play(scripts._LOOK, tmp_path, f"{world}nft() {{ :; }}\npgrep() {{ :; }}\n")
    said = ["fault cut off", "unit backstay-drill-undo-cut.timer", "table inet backstay_drill"]
    assert done.stdout.splitlines() == said
