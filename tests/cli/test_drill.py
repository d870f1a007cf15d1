"""What `backstay drill` says without any cluster: lists, judgements, comparisons, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from backstay.cli.console import Console
from backstay.cli.drilling import Voice, agree, results_in
from backstay.cli.settings import Settings
from backstay.drill.faults.catalogue import SCENARIOS, suite
from backstay.drill.history import SECOND, FinalRead, History, Kind, Mark, Record
from backstay.drill.history_file import header_line, record_line
from backstay.errors import RefusedError
from backstay.fleet.world import utc_now
from backstay.lab import PowerSwitch
from backstay.operations.drill_suite import chosen
from backstay.spec.model import ClusterSpec
from fakes.drill_histories import history
from fakes.program import Program

SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [{"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]}],
    }
)


def saved(path: Path, found: History) -> Path:
    lines = (header_line(found.header), *(record_line(one) for one in found.records))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_every_scenario_is_listed_with_what_it_promises(backstay: Program) -> None:
    """A row for each, in whatever form."""
    said = backstay("drill", "list")
    assert said.code == 0
    assert all(name in said.out for name in SCENARIOS)
    names = backstay("drill", "list", "-o", "name").out.split()
    assert names == list(SCENARIOS)
    items = json.loads(backstay("drill", "list", "-o", "json").out)["items"]
    assert [one["name"] for one in items] == names


def test_a_scenario_is_explained(backstay: Program) -> None:
    """One name brings everything that there is to say about it."""
    said = backstay("drill", "list", "vip-hand-over")
    assert said.code == 0
    assert SCENARIOS["vip-hand-over"].explanation in said.out
    assert "backstay drill run vip-hand-over" in said.out


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("list", "etcd-leader-kil"), "did you mean etcd-leader-kill?"),
        (("run", "nonsense"), "there is no scenario 'nonsense'"),
        (("suite", "quik"), "did you mean quick?"),
        (("run", "vip-hand-over", "--objective", "gapp<2s"), "did you mean gap?"),
        (("run", "vip-hand-over", "--objective", "gap<2"), "a time, with s or ms"),
        (("run", "vip-hand-over", "--repeat", "0"), "--repeat"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_touched(
    backstay: Program, words: tuple[str, ...], meant: str
) -> None:
    """The command line is checked before any file is read or machine asked."""
    said = backstay("drill", *words)
    assert said.code == 64
    assert meant in said.err


def test_a_kept_history_is_judged_again(backstay: Program, tmp_path: Path) -> None:
    """The verdict of a file is the verdict of the drill."""
    file = saved(tmp_path / "history.jsonl", history(7))
    said = backstay("drill", "check", str(file))
    assert said.code == 0, said.err
    assert "PASS" in said.out
    assert json.loads(backstay("drill", "check", str(file), "-o", "json").out)["verdict"] == "pass"


def test_a_kept_history_with_a_lost_write_fails_again(backstay: Program, tmp_path: Path) -> None:
    """Exit code 2, the check that failed, and its evidence."""
    good = history(7)
    last = next(one for one in good.records if isinstance(one, FinalRead))
    lost = tuple(
        replace(one, value=None, modified=None)
        if isinstance(one, FinalRead) and one.key == last.key
        else one
        for one in good.records
    )
    said = backstay("drill", "check", str(saved(tmp_path / "h", replace(good, records=lost))))
    assert said.code == 2
    assert "FAIL" in said.out
    assert "lost writes" in said.out


def test_a_history_that_was_cut_short_in_its_warm_up_proves_nothing(
    backstay: Program, tmp_path: Path
) -> None:
    """Whatever was asked for: what was not seen cannot be missed, and it is said once."""
    good = history(7)
    end = next(index for index, one in enumerate(good.records) if is_fault(one))
    header = replace(good.header, objectives=("elections>=1", "gap<2s"))
    file = saved(tmp_path / "h", History(header, good.records[:end]))
    said = backstay("drill", "check", str(file))
    assert (said.code, said.err) == (2, "")
    _, _, sentences = said.out.partition("INCONCLUSIVE")
    assert "etcd-leader-kill: The drill ended before its fault.\n" in sentences
    assert "Not seen to the end: elections>=1, gap<2s.\n" in sentences
    assert sentences.count("the drill was cut short") == 1


def test_a_median_that_one_drill_is_not_asked_says_what_it_needs(
    backstay: Program, tmp_path: Path
) -> None:
    """Neither met nor missed, and no line is without a mark."""
    good = history(7)
    header = replace(good.header, objectives=("median gap<9s",))
    said = backstay("drill", "check", str(saved(tmp_path / "h", replace(good, header=header))))
    (line,) = (one for one in said.out.splitlines() if "median" in one)
    assert line.startswith("– median gap<9s ")
    assert "not asked, needs --repeat 3: longest time without" in line


def is_fault(one: Record) -> bool:
    return isinstance(one, Mark) and one.subject == "fault"


def test_a_page_can_be_made_from_a_kept_history(backstay: Program, tmp_path: Path) -> None:
    """`--html` writes one file that needs nothing else."""
    page = tmp_path / "report.html"
    said = backstay("drill", "check", str(saved(tmp_path / "h", history(7))), "--html", str(page))
    assert said.code == 0, said.err
    assert page.read_text().lower().startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_no_bug(backstay: Program, tmp_path: Path) -> None:
    """Refused, with the reason; no file of ours is to blame."""
    file = saved(tmp_path / "h", history(7))
    report = tmp_path / "report.json"
    report.write_text(backstay("drill", "check", str(file), "-o", "json").out)
    for words in (("check", str(file)), ("compare", str(report), str(report))):
        said = backstay("drill", *words, "--html", "/nonexistent/x")
        assert said.code == 5
        assert said.err.startswith("error: there is no place for the report")
        assert "No such file or directory" in said.err


def test_what_goes_nowhere_when_it_is_stopped_says_only_that(
    backstay: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging breaks nothing, and `backstay apply` is the last thing to advise after a drill."""

    def stopped(_: History) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backstay.operations.drill.judged", stopped)
    said = backstay("drill", "check", str(saved(tmp_path / "h", history(7))))
    assert (said.code, said.out, said.err.strip()) == (130, "", "Stopped.")


def test_who_stops_undoing_is_told_to_undo(
    backstay: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the configuration, as a lab's is somewhere else."""

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backstay.cli.verbs.drill_run.read_spec", stopped)
    said = backstay("drill", "undo", "-c", "there.yaml")
    assert said.code == 130
    assert said.err.strip().endswith("To go on where it stopped: backstay drill undo -c there.yaml")


@pytest.mark.parametrize("text", ["", "nonsense", '{"format": 99}\n', "\x00\xff"])
def test_what_is_no_history_is_rejected(backstay: Program, tmp_path: Path, text: str) -> None:
    """Neither an empty file nor another program's is judged; the error says why."""
    file = tmp_path / "history.jsonl"
    file.write_bytes(text.encode("latin-1"))
    said = backstay("drill", "check", str(file))
    assert said.code == 3
    assert "is no history of a drill" in said.err
    assert "Traceback" not in said.err


def test_two_reports_stand_side_by_side(backstay: Program, tmp_path: Path) -> None:
    """Every number of both, with the ratio."""
    files = []
    for seed in (7, 8):
        file = saved(tmp_path / f"{seed}", history(seed))
        report = tmp_path / f"{seed}.json"
        report.write_text(backstay("drill", "check", str(file), "-o", "json").out)
        files.append(str(report))
    said = backstay("drill", "compare", *files)
    assert said.code == 0, said.err
    assert "Longest time without an acknowledged write" in said.out or "Operations" in said.out
    page = tmp_path / "both.html"
    assert backstay("drill", "compare", *files, "--html", str(page)).code == 0
    assert page.exists()


def test_what_is_no_report_is_not_compared(backstay: Program, tmp_path: Path) -> None:
    """A plan is not a drill."""
    plan = tmp_path / "plan.json"
    plan.write_text('{"kind": "Plan"}')
    said = backstay("drill", "compare", str(plan), str(plan))
    assert said.code == 3
    assert "its kind is 'Plan'" in said.err


def test_a_folder_stands_for_the_report_in_it(backstay: Program, tmp_path: Path) -> None:
    """A drill leaves a folder; a folder without a report is no drill's."""
    file = saved(tmp_path / "history.jsonl", history(7))
    said = backstay("drill", "check", str(file), "-o", "json")
    (tmp_path / "report.json").write_text(said.out)
    compared = backstay("drill", "compare", str(tmp_path), str(tmp_path))
    assert compared.code == 0, compared.err
    (tmp_path / "report.json").unlink()
    refused = backstay("drill", "compare", str(tmp_path), str(tmp_path))
    assert refused.code == 3
    assert "is no report of a drill" in refused.err


KEPT = ("history.jsonl", "report.json", "report.html")


def test_any_file_of_a_drill_stands_for_the_one_that_is_needed(
    backstay: Program, tmp_path: Path
) -> None:
    """Or its folder: whoever has one of them has all, and needs not know which verb reads which."""
    file = saved(tmp_path / KEPT[0], history(7))
    said = backstay("drill", "check", str(file), "-o", "json", "--html", str(tmp_path / KEPT[2]))
    (tmp_path / KEPT[1]).write_text(said.out)
    for path in map(str, (tmp_path, *(tmp_path / name for name in KEPT))):
        checked = backstay("drill", "check", path, "-o", "json")
        assert (checked.code, checked.out) == (0, said.out), checked.err
        assert backstay("drill", "compare", path, path).code == 0


def test_another_file_of_a_drill_is_called_what_it_is(backstay: Program, tmp_path: Path) -> None:
    """Under whatever name: no word of a parser, and how to come to the right one."""
    past = saved(tmp_path / "past", history(7))
    page, numbers = tmp_path / "a.html", tmp_path / "a.json"
    numbers.write_text(backstay("drill", "check", str(past), "-o", "json", "--html", str(page)).out)
    checked = [backstay("drill", "check", str(numbers))]
    saved(tmp_path / "history.jsonl", history(7))
    checked.append(backstay("drill", "check", str(page)))
    compared = backstay("drill", "compare", str(past), str(numbers))
    said = [ended.err.replace(str(tmp_path), "DIR") for ended in (*checked, compared)]
    assert [ended.code for ended in (*checked, compared)] == [3, 3, 3]
    assert said == snapshot(
        [
            """\
error: DIR/a.json is no history of a drill
  where  DIR/a.json
  why    it is the report of a drill
  next   a drill keeps its own as history.jsonl: backstay drill run NAME
""",
            """\
error: DIR/a.html is no history of a drill
  where  DIR/a.html
  why    it is the page of a drill
  next   backstay drill check DIR/history.jsonl
""",
            """\
error: DIR/past is no report of a drill
  where  DIR/past
  why    it is the history of a drill
  next   make it: backstay drill check DIR/past -o json >report.json
""",
        ]
    )


def test_what_is_no_json_at_all_is_said_before_what_the_parser_says(
    backstay: Program, tmp_path: Path
) -> None:
    """Its place alone explains nothing."""
    file = tmp_path / "x"
    file.write_text("text")
    for words in (("check", str(file)), ("compare", str(file), str(file))):
        assert "it is no JSON: " in backstay("drill", *words).err


def test_a_comparison_can_be_had_in_ascii(backstay: Program, tmp_path: Path) -> None:
    """No sign of it is beyond what any terminal shows."""
    file = saved(tmp_path / "history.jsonl", history(7))
    report = tmp_path / "report.json"
    report.write_text(backstay("drill", "check", str(file), "-o", "json").out)
    assert backstay("drill", "compare", str(report), str(report), "--ascii").out.isascii()


def console() -> Console:
    return Console.here(Settings(no_input=True))


def test_a_lab_may_be_broken_without_a_word() -> None:
    """Breaking is what a lab is for."""
    agree(console(), SPEC, PowerSwitch("lab"), None)


@pytest.mark.parametrize("machines", [None, PowerSwitch("lab")])
@pytest.mark.parametrize("confirm", ["", "another"])
def test_who_names_another_cluster_breaks_none(machines: PowerSwitch | None, confirm: str) -> None:
    """Also where it is a lab, and where a script's variable is empty: another one is meant."""
    with pytest.raises(RefusedError, match="another name was confirmed") as caught:
        agree(console(), SPEC, machines, confirm)
    assert repr(confirm) in caught.value.why
    assert f"--confirm {SPEC.name}" in caught.value.next_move


def test_what_is_no_lab_must_be_named() -> None:
    """Nobody breaks the wrong cluster by repeating the last command."""
    with pytest.raises(RefusedError, match="is no lab") as caught:
        agree(console(), SPEC, None, None)
    assert f"--confirm {SPEC.name}" in caught.value.next_move


def test_who_names_the_cluster_may_break_it() -> None:
    """The name, and nothing else, is the agreement."""
    for machines in (None, PowerSwitch("lab")):
        agree(console(), SPEC, machines, SPEC.name)


def test_results_never_overwrite_others(tmp_path: Path) -> None:
    """Two drills within a second have a folder each, which nobody else can read."""
    now = utc_now()
    one, other = (results_in(tmp_path, "idle", now) for _ in range(2))
    assert one.folder != other.folder
    assert one.folder.stat().st_mode & 0o077 == 0


def test_a_suite_leaves_out_what_needs_the_power_of_machines() -> None:
    """Where nobody holds it, the rest is drilled, and what is missing is known."""
    whole = suite("default")
    possible, left_out = chosen(whole, has_power=False)
    assert not any(one.needs_power or one.needs_disk for one in possible)
    assert left_out
    assert {*possible, *left_out} == {*whole}
    assert chosen(whole, has_power=True) == (whole, ())


def test_what_is_said_in_the_middle_of_a_drill_has_its_time() -> None:
    """By the drill's own clock, which begins with the header; above whatever is drawn."""
    told: list[object] = []
    voice = Voice(told.append)
    voice.tell(history(7).header)
    voice.note("what was broken is undone")
    mark = told[1]
    assert isinstance(mark, Mark)
    assert 0 < mark.at < SECOND
    assert (mark.kind, mark.state) == (Kind.NOTE, "what was broken is undone")
