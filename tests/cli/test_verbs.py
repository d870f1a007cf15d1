"""What each verb prints, and where; those that need machines are proved in the lab."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from inline_snapshot import snapshot
from ruamel.yaml import YAML

from backstay.cli.applying import Agreement, Run, spoken
from backstay.cli.completing import hosts_in
from backstay.cli.console import Console
from backstay.cli.progress import Follower, Silent, following
from backstay.cli.settings import Output, Progress, Settings
from backstay.cli.verbs.apply import saved_identity
from backstay.cli.verbs.plan import save
from backstay.errors import ConfigError, RejectedError
from backstay.planning import render
from backstay.planning.plan import Change, Converge, Plan, Stage
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.spec.model import ClusterSpec
from fakes.program import Program

SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [{"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]}],
    }
)
FILE = File("/etc/motd", Text("hello\n"))
PLAN = Plan("s", "o", (Stage("files", (Converge("cp-1", (Change(FILE, FILE.diff(None)),)),)),))


# init


def test_init_prints_the_file_and_nothing_else(backstay: Program) -> None:
    """Data on standard output, so that it can be redirected."""
    ended = backstay("init", "10.0.0.11", "--name", "prod")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("name: prod\n")


def test_init_reads_machines_from_standard_input(backstay: Program) -> None:
    """One machine a line, with name and roles where one likes."""
    ended = backstay("init", "--vip", "10.0.0.10", stdin="a 10.0.0.11 control-plane\n10.0.0.12\n")
    assert ended.code == 0
    assert "name: a\n" in ended.out
    assert "name: w-1\n" in ended.out


def test_init_writes_the_file_where_the_configuration_is_and_never_over_one(
    backstay: Program,
) -> None:
    """What a person wrote is left alone: exit 3."""
    words = ("init", "10.0.0.11", "--write", "-c", "prod.yaml")
    first = backstay(*words)
    assert (first.code, first.out) == (0, "")
    written = (backstay.folder / "prod.yaml").read_text()
    second = backstay(*words, "--name", "other")
    assert second.code == 3
    assert "is there already" in second.err
    assert (backstay.folder / "prod.yaml").read_text() == written


def test_init_pins_what_known_hosts_knows(backstay: Program) -> None:
    """The user's own file is read; no machine is asked."""
    keys = backstay.folder / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys)), check=True)
    kind, data, *_ = keys.with_suffix(".pub").read_text().split()
    (backstay.folder / ".ssh").mkdir()
    (backstay.folder / ".ssh/known_hosts").write_text(f"10.0.0.11 {kind} {data}\n")
    assert f'hostKey: "{kind} {data}"' in backstay("init", "10.0.0.11").out


def test_init_without_machines_does_not_wait_for_them(backstay: Program) -> None:
    """Empty input is a usage error."""
    ended = backstay("init", "--vip", "10.0.0.10")
    assert (ended.code, ended.out) == (64, "")
    assert "no machines are given" in ended.err


# config schema, version, completion


def test_the_schema_is_json_in_whatever_form(backstay: Program) -> None:
    """JSON by default, and YAML that says the same."""
    as_json = json.loads(backstay("config", "schema").out)
    assert as_json["$schema"].startswith("https://json-schema.org/")
    assert "hosts" in as_json["required"]
    assert YAML(typ="safe").load(backstay("config", "schema", "-o", "yaml").out) == as_json


def test_the_version_is_data(backstay: Program) -> None:
    """Tool, Python, and every release with its parts."""
    found = json.loads(backstay("version", "-o", "json").out)
    assert set(found) == {"apiVersion", "kind", "backstay", "python", "releases"}
    assert found["releases"][0]["kubernetes"] == "1.37.2"
    assert found["releases"][0]["etcd"] == "3.7.3"
    assert backstay("--version").out == "backstay 0.1.0\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for_each_shell(backstay: Program, shell: str) -> None:
    """It calls the program back, and bash takes it."""
    ended = backstay("completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert "_BACKSTAY_COMPLETE" in ended.out
    if shell == "bash":
        subprocess.run(("bash", "-n"), input=ended.out, text=True, check=True)


def completed(backstay: Program, *words: str) -> list[str]:
    """Return what bash would offer for the last word."""
    environment = {
        "_BACKSTAY_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("backstay", *words)),
        "COMP_CWORD": str(len(words)),
    }
    lines = backstay(environment=environment).out.splitlines()
    return [line.partition(",")[2] for line in lines if line]


def test_verbs_and_options_are_completed(backstay: Program) -> None:
    """Also the global options, after the verb."""
    assert completed(backstay, "ver") == ["version"]
    assert completed(backstay, "lab", "un") == ["unpause"]
    assert completed(backstay, "plan", "--show") == ["--show-files"]
    assert completed(backstay, "plan", "--out") == ["--out", "--output"]
    assert completed(backstay, "plan", "-o", "js") == ["json"]


def test_machines_are_completed_from_their_file(backstay: Program) -> None:
    """No machine and no network is asked: the lab's cluster.yaml has the names."""
    folder = backstay.folder / "state/backstay/labs/small"
    folder.mkdir(parents=True)
    (folder / "cluster.yaml").write_text("hosts:\n- name: cp-1\n- name: cp-2\n- name: w-1\n")
    assert completed(backstay, "lab", "ssh", "--name", "small", "cp") == ["cp-1", "cp-2"]
    assert completed(backstay, "lab", "ssh", "cp") == []


@pytest.mark.parametrize("text", ["", "hosts: 1", "hosts: [1]", "a: [", "\x00"])
def test_a_broken_file_completes_to_nothing(tmp_path: Path, text: str) -> None:
    """While a line is typed nobody wants to read an error."""
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    assert hosts_in(path) == ()


def test_completing_verbs_loads_no_verb() -> None:
    """Offering names must be as fast as help."""
    script = (
        "import sys; from backstay.cli.main import backstay as program; import click\n"
        "program.shell_complete(click.Context(program), '')\n"
        "print([one for one in sys.modules if one.startswith('backstay.cli.verbs.')])"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# plan and apply, as far as no machine is needed


def test_a_saved_plan_is_known_by_its_identity(tmp_path: Path) -> None:
    """What `plan --out` writes, `apply FILE` reads."""
    path = tmp_path / "plan.json"
    save(PLAN, path)
    assert saved_identity(path) == render.identity(PLAN)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "Status"}', '{"kind": "Plan"}', "\x00"])
def test_what_is_no_saved_plan_is_rejected(backstay: Program, text: str) -> None:
    """Exit 3, before anything is connected to."""
    (backstay.folder / "plan.json").write_text(text)
    ended = backstay("apply", "plan.json")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: plan.json is not a saved plan\n")


def test_a_plan_that_cannot_be_saved_is_told(tmp_path: Path) -> None:
    """The reason is the system's, and there is another way."""
    with pytest.raises(RejectedError, match="could not be saved"):
        save(PLAN, tmp_path / "missing" / "plan.json")
    with pytest.raises(click.BadParameter):
        save(PLAN, Path("-"))
    with pytest.raises(ConfigError):
        saved_identity(tmp_path / "missing.json")


def console(settings: Settings) -> tuple[Console, io.StringIO, io.StringIO]:
    """Return a console without a terminal, and its streams."""
    out, err = io.StringIO(), io.StringIO()
    return Console(settings, out, err, {}), out, err


def run_of(one: Console, follower: Follower, *, agreement: Agreement | None = None) -> Run:
    """Return a run that has come to its question."""
    return Run(one, SPEC, agreement or Agreement(), follower)


def test_apply_shows_the_plan_and_asks_nobody_when_nobody_is_there() -> None:
    """Without --yes and without a terminal it is a usage error, after the plan was shown."""
    one, out, err = console(Settings(progress=Progress.PLAIN))
    with following(one) as follower, pytest.raises(click.UsageError, match="--yes"):
        run_of(one, follower).agreed(PLAN)
    assert out.getvalue() == ""
    assert "Plan: 1 to add, 0 to change, 0 to remove." in err.getvalue()


@pytest.mark.parametrize(
    "agreement", [Agreement(yes=True), Agreement(expected=render.identity(PLAN))]
)
def test_apply_asks_nothing_that_was_answered_before(agreement: Agreement) -> None:
    """--yes, or a plan that was read before it was saved."""
    one, _, _ = console(Settings(quiet=True))
    assert run_of(one, Silent(one), agreement=agreement).agreed(PLAN)


def test_in_json_progress_the_plan_is_a_summary() -> None:
    """A program gets counts, not text for people."""
    one, _, err = console(Settings(progress=Progress.JSON))
    with following(one) as follower:
        assert run_of(one, follower, agreement=Agreement(yes=True)).agreed(PLAN)
    objects = [json.loads(line) for line in err.getvalue().splitlines()]
    assert [one["type"] for one in objects] == ["version", "change_summary"]
    assert objects[1]["add"] == 1


def test_talk_never_mixes_with_data() -> None:
    """Talk goes to standard error, as an object where objects are read; quiet takes it away."""
    for settings, said in (
        (Settings(), "Saved.\n"),
        (Settings(quiet=True), ""),
        (
            Settings(progress=Progress.JSON),
            r'{"type": "diagnostic", "time": "[^"]+", "severity": "info", "summary": "Saved."}\n',
        ),
    ):
        one, out, err = console(settings)
        one.talk("Saved.")
        assert out.getvalue() == ""
        assert re.fullmatch(said, err.getvalue())


def test_every_output_says_the_same_names() -> None:
    """`-o name` is for xargs: one bare name a line."""
    from backstay.cli.console import Report  # noqa: PLC0415  # beside what it is for

    report = Report({"kind": "X"}, lambda _look: "text", ("a", "b"))
    shown = {}
    for output in Output:
        one, out, _ = console(Settings(output=output))
        one.show(report)
        shown[output.value] = out.getvalue()
    assert shown == snapshot(
        {
            "table": "text\n",
            "wide": "text\n",
            "json": """\
{
  "kind": "X"
}
""",
            "yaml": "kind: X\n",
            "name": """\
a
b
""",
        }
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (59.94, "59.9s"), (60, "1m00s"), (118.7, "1m58s")]
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """Tenths below a minute, whole seconds above."""
    assert spoken(seconds) == text


@pytest.mark.parametrize(
    ("config", "advice", "expected"),
    [
        ("cluster.yaml", "backstay apply", "backstay apply"),
        ("-", "backstay apply", "backstay apply"),
        ("p.yaml", "backstay apply", "backstay apply -c p.yaml"),
        ("a b.yaml", "see: backstay status; then", "see: backstay status -c 'a b.yaml'; then"),
        ("p.yaml", "backstay config schema", "backstay config schema"),
        ("p.yaml", "backstay plan -c x", "backstay plan -c x"),
    ],
)
def test_advice_can_be_typed_as_it_stands(config: str, advice: str, expected: str) -> None:
    """The next words to type name the configuration that was used."""
    assert Settings(config=config).runnable(advice) == expected
