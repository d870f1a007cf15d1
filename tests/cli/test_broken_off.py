"""A drill that ends in the middle is undone once more, and told as what it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import asyncssh
import pytest

from backstay.cli import drills
from backstay.cli.broken_off import BrokenOffError, said
from backstay.cli.console import Console
from backstay.cli.drilling import Job, Results, run_drill
from backstay.cli.drills import Asked
from backstay.cli.failure import text
from backstay.cli.settings import Output, Settings
from backstay.cli.stopping import Orderly
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.history import Kind, Mark
from backstay.drill.history_file import header_line, record_line
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.wish import Wish
from backstay.errors import RefusedError, StepFailedError, UnreachableError
from backstay.lab import PowerSwitch
from backstay.planning.look import Look
from backstay.spec.parse import parse
from fakes.drill_stories import GOOD, story

SPEC = parse(
    "name: drilled\nendpoint: {vip: 10.0.0.100}\n"
    "hosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]\n"
)
WISH = Wish(SCENARIOS["apiserver-kill"], "backstay drill run apiserver-kill")
LOST = UnreachableError("the connection was lost", where="a")
STUCK = StepFailedError("what a drill left is not undone", why="a: table x")


def console(out: StringIO) -> Console:
    return Console(Settings(output=Output.JSON), out, StringIO(), {})


class Cluster:
    """Drills that end like this, after they have begun or before, and what undoing says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.results = Results(folder / "kept")
        self.results.folder.mkdir()
        self.undone = 0
        self.waited: list[float] = []
        self.stays: Exception | None = None
        self.history = "{}\n"
        self.monkeypatch = monkeypatch

    async def drill(self, ending: Exception, *, begun: bool, patience: float = 0.0) -> None:
        """Drill once, through everything that is between the command line and the cluster."""

        @asynccontextmanager
        async def nothing(*_: object) -> AsyncIterator[None]:
            yield

        async def gathered(*_: object) -> None:
            return None

        async def drill(*_: object, **__: object) -> None:
            if begun:
                self.results.history.write_text(self.history)
            raise ending

        async def undo(*_: object, **__: object) -> None:
            self.undone += 1
            if self.stays is not None:
                raise self.stays

        async def until_well(_: object, *, seconds: float) -> str:
            self.waited.append(seconds)
            return "cp-2 is not Ready"

        places = {
            "operations.session.session": nothing,
            "operations.drill_alone.alone": nothing,
            "operations.drill_gather.gathered": gathered,
            "operations.drill.look": gathered,
            "operations.drill.drill": drill,
            "operations.drill_undo.undo": undo,
            "drill.run.until_well": until_well,
        }
        for name, fake in places.items():
            self.monkeypatch.setattr(f"backstay.{name}", fake)
        orderly = Orderly(console(StringIO()), "")
        await run_drill(Job(orderly, SPEC, WISH, None, self.results), patience=patience)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


@pytest.mark.parametrize("ending", [LOST, ExceptionGroup("load", [LOST])])
async def test_what_broke_off_is_undone_once_more(cluster: Cluster, ending: Exception) -> None:
    """It says how it ended, where its history is, and that nothing is broken any more."""
    with pytest.raises(BrokenOffError) as caught:
        await cluster.drill(ending, begun=True)
    assert cluster.undone == 1
    assert caught.value.is_undone
    assert caught.value.what == "the drill broke off, what it broke is undone"
    assert "the connection was lost" in caught.value.why
    assert str(cluster.results.history) in caught.value.why
    assert caught.value.exit_code == (4 if ending is LOST else 1)


@pytest.mark.parametrize("ending", [OSError(28, "no space left"), KeyError("metadata")])
async def test_also_what_nobody_foresaw_is_undone(cluster: Cluster, ending: Exception) -> None:
    """A full disk, or a bug of ours, leaves no more broken than what we know of."""
    with pytest.raises(BrokenOffError, match="what it broke is undone") as caught:
        await cluster.drill(ending, begun=True)
    assert cluster.undone == 1
    assert repr(ending) in caught.value.why
    assert caught.value.__cause__ is ending


async def test_what_cannot_be_undone_is_said(cluster: Cluster) -> None:
    """Nobody reads that all is well."""
    cluster.stays = STUCK
    with pytest.raises(BrokenOffError) as caught:
        await cluster.drill(LOST, begun=True)
    assert not caught.value.is_undone
    assert "a: table x" in caught.value.what


@pytest.mark.parametrize(
    "stays",
    [
        OSError(28, "no space left"),
        asyncssh.ConnectionLost("gone"),
        TimeoutError(),
        ExceptionGroup("undo", [STUCK, KeyError("metadata")]),
    ],
)
async def test_also_undoing_that_ends_as_nobody_foresaw_is_told(
    cluster: Cluster, stays: Exception
) -> None:
    """What stands by the drill's own history, why, and what to type; no traceback."""
    turns = (("cp-1", "injected"), ("cp-2", "injected"), ("cp-2", "undone"), ("cp-3", "failed"))
    marks = (Mark(at, Kind.FAULT, *turn, "kill etcd") for at, turn in enumerate(turns))
    cluster.history = "\n".join((header_line(story().header), *map(record_line, marks), ""))
    cluster.stays = stays
    with pytest.raises(BrokenOffError) as caught:
        await cluster.drill(LOST, begun=True)
    assert not caught.value.is_undone
    left = f"kill etcd on cp-1, kill etcd on cp-3: {said(stays)}"
    assert caught.value.what == f"the drill broke off, not all is undone: {left}"
    shown = text(caught.value, Look(), Settings(config="my.yaml"))
    assert "to undo what is left: backstay drill undo -c my.yaml" in shown


async def test_what_no_history_says_is_not_known(cluster: Cluster) -> None:
    """A history that cannot be read is no proof that nothing is left."""
    cluster.stays = OSError(28, "no space left")
    with pytest.raises(BrokenOffError, match="nobody knows what a drill left: OSError") as caught:
        await cluster.drill(LOST, begun=True)
    assert not caught.value.is_undone


async def test_what_has_not_begun_is_no_broken_drill(cluster: Cluster) -> None:
    """The error is what it is, nothing is undone, and no empty folder is left."""
    refused = RefusedError("this cluster is not whole")
    with pytest.raises(RefusedError):
        await cluster.drill(refused, begun=False)
    assert cluster.undone == 0
    assert not cluster.results.folder.exists()


async def test_who_has_patience_waits_before_looking(cluster: Cluster) -> None:
    """The drill before may need a minute to be gone; the first one has none before it."""
    for patience in (0.0, 120.0):
        with pytest.raises(BrokenOffError):
            await cluster.drill(LOST, begun=True, patience=patience)
    assert cluster.waited == [120.0]


def suite(
    endings: Sequence[Exception | None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[dict[str, object]], list[float]]:
    """Drill as often as there are endings; return what is told, and how patient each was."""
    found, waited, out = iter(endings), [], StringIO()

    async def one(job: Job, *, patience: float) -> Drilled:
        waited.append(patience)
        job.results.history.write_text("{}\n")
        if (ending := next(found)) is not None:
            raise ending
        return drilled(story(objectives=("lost=0",)), GOOD)

    monkeypatch.setattr(drills, "run_drill", one)
    monkeypatch.setattr(drills, "lab_machines", lambda _: PowerSwitch("lab"))
    try:
        drills.run_all(console(out), SPEC, Asked([WISH] * len(endings), parent=folder))
    except BrokenOffError as error:
        error.add_note(out.getvalue())
        raise
    return json.loads(out.getvalue())["items"], waited


def test_a_suite_goes_on_after_what_broke_off_and_was_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row does not say that nothing was broken; all but the first wait for a whole cluster."""
    gone = BrokenOffError(LOST, tmp_path / "history.jsonl", "")
    items, patience = suite([None, gone, None], tmp_path, monkeypatch)
    assert [one["verdict"] for one in items] == ["pass", "inconclusive", "pass"]
    said = str(items[1]["sentence"])
    assert said.startswith("The drill broke off, what it broke is undone: the conn")
    assert "history.jsonl" in said
    assert patience == [0.0, 120.0, 120.0]


def test_a_suite_ends_where_something_stays_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next drill would break a broken cluster; what was found until then is told."""
    left = BrokenOffError(LOST, tmp_path / "history.jsonl", "a: table x")
    with pytest.raises(BrokenOffError) as caught:
        suite([None, left, AssertionError("drilled")], tmp_path, monkeypatch)
    items = json.loads(caught.value.__notes__[0])["items"]
    assert [one["verdict"] for one in items] == ["pass", "inconclusive"]
