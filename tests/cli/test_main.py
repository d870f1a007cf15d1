"""How runs end: exit codes, who is told, and on which stream."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from backstay.cli.main import run
from fakes.program import Program


def test_an_unknown_verb_is_a_usage_error_with_the_nearest_name(backstay: Program) -> None:
    """The wrong word, the right one, and where to read on; nothing on standard output."""
    assert str(backstay("plam")) == snapshot("""\
exit 64
--- stdout
--- stderr
error: No such command 'plam'. Did you mean 'plan'?
  where  command line: backstay
  next   backstay --help
""")


def test_an_unknown_option_is_a_usage_error_with_the_nearest_name(backstay: Program) -> None:
    """The same for options, and the help that is named is the verb's own."""
    assert str(backstay("plan", "--show-file")) == snapshot("""\
exit 64
--- stdout
--- stderr
error: No such option '--show-file'. Did you mean '--show-files'?
  where  command line: backstay plan
  next   backstay plan --help
""")


def test_a_wrong_choice_names_the_right_ones(backstay: Program) -> None:
    """Choices are said as they are typed."""
    assert str(backstay("--progress", "jsn", "version")) == snapshot("""\
exit 64
--- stdout
--- stderr
error: Invalid value for '--progress': 'jsn' is not one of 'auto', 'live', 'plain', 'json'
  where  command line: backstay
  next   backstay --help
""")


def test_a_duration_without_a_unit_is_a_usage_error(backstay: Program) -> None:
    """The units are named."""
    ended = backstay("--timeout", "5", "version")
    assert (ended.code, ended.out) == (64, "")
    assert "a number and a unit" in ended.err


def test_a_missing_configuration_says_how_to_write_one(backstay: Program) -> None:
    """Exit 3: nothing was changed, and the next words to type are there."""
    ended = backstay("plan")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: there is no cluster.yaml\n")
    assert "next   write one: backstay init" in ended.err


@pytest.mark.parametrize(
    "words",
    [("status",), ("plan",), ("drill", "run", "idle", "--objective", "gap<2s"), ("drill", "undo")],
)
def test_where_the_configuration_is_missing_that_of_a_lab_is_named(
    backstay: Program, words: tuple[str, ...]
) -> None:
    """After the words that were typed, to be typed again; a folder that is no lab is none."""
    for name in ("half", "lab"):
        (backstay.folder / "state/backstay/labs" / name).mkdir(parents=True)
    config = backstay.folder / "state/backstay/labs/lab/cluster.yaml"
    config.touch()
    ended = backstay(*words)
    assert ended.code == 3
    _, _, advice = ended.err.partition("  next   ")
    first, second = advice.splitlines()
    assert first == f"{shlex.join(('backstay', *words))} -c {config}"
    assert second.strip().startswith("or write one: backstay init")
    other = backstay(*words, "-c", "prod.yaml").err
    assert f"  next   -c {config}\n" in other


BAD = """\
name: prod
endpoint:
  vip: 10.0.0.300
  prot: 8443
hosts:
  - name: cp-1
    address: 10.0.0.11
    roles: [control-plan]
"""


def test_every_mistake_of_a_configuration_is_shown_with_a_caret(backstay: Program) -> None:
    """All mistakes at once, each with line, column, the line itself, and what was meant."""
    assert str(backstay("plan", "-c", "-", stdin=BAD)) == snapshot("""\
exit 3
--- stdout
--- stderr
error: standard input has 3 problems
  why    standard input:3:8: endpoint.vip: this is no IPv4 or IPv6 address
               vip: 10.0.0.300
                    ^
         standard input:4:3: endpoint.prot: there is no key 'prot' here
               prot: 8443
               ^  did you mean 'port'?
         standard input:8:13: hosts[0].roles[0]: one of control-plane, etcd, worker, load-balancer
                 roles: [control-plan]
                         ^  did you mean 'control-plane'?
  next   backstay config schema prints every key with its meaning
""")


@pytest.mark.parametrize("data", [b"", b"\x00\x01\xff\xfe", b"- just\n- a list\n", b"a: [1, 2\n"])
def test_what_is_no_configuration_is_rejected_without_a_traceback(
    backstay: Program, data: bytes
) -> None:
    """Empty, binary, and other YAML: exit 3 with a reason."""
    ended = backstay("plan", "-c", "-", stdin=data)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err


def test_global_options_may_stand_before_and_after_the_verb(backstay: Program) -> None:
    """`-o json` means the same in both places, and the later one wins."""
    before, after = backstay("-o", "json", "version"), backstay("version", "-o", "json")
    assert before == after
    assert json.loads(before.out)["kind"] == "Versions"
    assert backstay("-o", "yaml", "version", "-o", "json") == before


def test_global_options_may_come_from_the_environment(backstay: Program) -> None:
    """BACKSTAY_OUTPUT is -o, and a word on the command line is stronger."""
    environment = {"BACKSTAY_OUTPUT": "json"}
    assert json.loads(backstay("version", environment=environment).out)
    assert backstay("-o", "name", "version", environment=environment).out == "0.1.0\n"
    assert backstay("plan", environment={"BACKSTAY_CONFIG": "prod.yaml"}).err.startswith(
        "error: there is no prod.yaml"
    )


def test_an_option_of_a_verb_may_come_from_the_environment(backstay: Program) -> None:
    """Every flag is BACKSTAY_ and its name."""
    environment = {"BACKSTAY_VIP": "10.0.0.10", "BACKSTAY_NAME": "prod"}
    ended = backstay("init", "10.0.0.1", environment=environment)
    assert ended.out.startswith("name: prod\n")
    assert 'vip: "10.0.0.10"' in ended.out


def test_errors_become_diagnostics_in_progress_json(backstay: Program) -> None:
    """A program that follows a run reads its end as an object, too."""
    ended = backstay("plan", "--progress", "json")
    assert ended.out == ""
    last = json.loads(ended.err.splitlines()[-1])
    assert (last["type"], last["severity"], last["exit_code"]) == ("diagnostic", "error", 3)
    assert datetime.fromisoformat(last["time"]).tzinfo is not None
    assert set(last) == {"type", "time", "severity", "summary", "where", "why", "next", "exit_code"}


def test_quiet_still_says_errors(backstay: Program) -> None:
    """`-q` silences talk, never the reason of a failure."""
    assert backstay("-q", "plan").err.startswith("error: ")


def test_a_traceback_is_shown_only_on_demand(backstay: Program) -> None:
    """With --debug, and only then."""
    assert "Traceback" not in backstay("plan").err
    assert "Traceback" in backstay("plan", "--debug").err


def test_a_bug_of_ours_is_told_without_a_traceback(tmp_path: Path) -> None:
    """What nobody foresaw ends with exit 1, a place in the program, and what to do."""
    script = (
        "import backstay.cli.verbs.version as verb, backstay.cli.main as main\n"
        "def broken(ctx): raise KeyError('surprise')\n"
        "verb.version.callback = lambda: broken(None)\n"
        "main.sys.argv = ['backstay', 'version']\n"
        "main.main()\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: a bug in backstay: KeyError: 'surprise'")
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`backstay config schema | head -1` complains about nothing."""
    command = f"{sys.executable} -m backstay config schema | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ("bash", "-c", command), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[0] == "{"
    assert done.stdout.splitlines()[-1] in {"0", "141"}
    assert done.stderr == ""


def test_ctrl_c_ends_with_130_and_the_words_to_go_on(tmp_path: Path) -> None:
    """An interrupted verb says so in one line."""
    process = subprocess.Popen(
        (sys.executable, "-m", "backstay", "plan", "-c", "-"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    )
    _wait_until_reading(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Stopped." in said


def _wait_until_reading(pid: int) -> None:
    """Wait until the process sleeps in read(2) of its standard input."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        words = Path(f"/proc/{pid}/syscall").read_text().split()
        if words[:2] == [_READ, "0x0"]:
            return
        time.sleep(0.02)
    pytest.fail("the program never read its standard input")


_READ = {"x86_64": "0", "aarch64": "63"}.get(os.uname().machine, "0")


def test_an_error_is_coloured_only_for_those_who_can_see_it(backstay: Program) -> None:
    """A pipe gets no colours, FORCE_COLOR gives them, NO_COLOR and --no-color are stronger."""
    escape = "\x1b["
    assert escape not in backstay("plan").err
    assert escape in backstay("plan", environment={"FORCE_COLOR": "1"}).err
    assert escape not in backstay("plan", environment={"FORCE_COLOR": "1", "NO_COLOR": "1"}).err
    assert escape not in backstay("--no-color", "plan", environment={"FORCE_COLOR": "1"}).err


def test_a_terminal_gets_colours_and_a_dumb_one_does_not(tmp_path: Path) -> None:
    """What is a terminal is asked per stream."""
    assert "\x1b[" in _on_terminal(tmp_path, TERM="xterm")
    assert "\x1b[" not in _on_terminal(tmp_path, TERM="dumb")


def _on_terminal(folder: Path, **environment: str) -> str:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        (sys.executable, "-m", "backstay", "plan"),
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        check=False,
    )
    os.close(theirs)
    assert done.returncode == 3
    with os.fdopen(ours, "rb", buffering=0) as reader:
        return reader.read(4096).decode()


@pytest.mark.parametrize("words", [("version",), ("plam",), ("plan",), ("plan", "-c", "-")])
def test_it_is_the_same_in_a_process_of_its_own(backstay: Program, words: tuple[str, ...]) -> None:
    """What the other tests see in their own process is what a shell would see."""
    assert backstay.apart(*words, stdin=BAD) == backstay(*words, stdin=BAD)


def test_the_program_may_be_called_as_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    """`run` returns the exit code instead of ending the process."""
    assert run(["version", "-o", "name"]) == 0
    assert capsys.readouterr().out == "0.1.0\n"
