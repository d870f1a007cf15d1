"""A bad cluster.yaml as its author meets it: exit code 3, every mistake with line and caret."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from inline_snapshot import external_file

from fakes.program import Program

GOOD = """\
name: demo
endpoint:
  vip: 10.0.0.100
hosts:
  - {name: cp-1, address: 10.0.0.11, roles: [control-plane]}
  - {name: cp-2, address: 10.0.0.12, roles: [control-plane]}
  - {name: cp-3, address: 10.0.0.13, roles: [control-plane]}
  - {name: w-1, address: 10.0.0.21, roles: [worker]}
"""

CASES: dict[str, str | bytes] = {
    "empty": "",
    "binary": b"\x7fELF\x02\x01\x01",
    "not-utf-8": b"name: \xff\n",
    "huge": b"# " + b"x" * (1024 * 1024),
    "bomb": "a: &a [x, x]\nb: &b [*a, *a]\n" + "c: [" + "*b, " * 40_000 + "]\n",
    "tower": "a: " + "[" * 1000,
    "not-yaml": "name: [demo\n",
    "unknown-key": GOOD.replace("endpoint:", "endpont:"),
    "duplicate-key": f"{GOOD}name: other\n",
    "yaml-traps": f"{GOOD}ssh: {{port: 022, user: no}}\nproxy: {{mode: on}}\n",
    "duplicate-hosts": GOOD.replace("cp-2", "cp-1").replace("10.0.0.13", "10.0.0.12"),
    "overlapping-ranges": f"{GOOD}network: {{pods: 10.96.0.0/12, services: 10.96.0.0/16}}\n",
    "vip-of-pods": GOOD.replace("10.0.0.100", "10.244.0.9"),
    "vip-of-another-network": GOOD.replace("10.0.0.100", "10.9.9.9"),
    "shell-in-a-name": GOOD.replace("cp-2", '"a; rm -rf /"'),
    "newline-in-a-name": GOOD.replace("cp-2", '"a\\nb"'),
    "even-members": GOOD.replace(
        "cp-3, address: 10.0.0.13, roles: [control-plane]",
        "cp-3, address: 10.0.0.13, roles: [worker]",
    ),
    "too-many-members": GOOD
    + "".join(
        f"  - {{name: cp-{n}, address: 10.0.0.3{n}, roles: [control-plane]}}\n"
        for n in range(4, 10)
    ),
    "port-in-use": GOOD.replace("vip: 10.0.0.100", "{vip: 10.0.0.100, port: 2379}").replace(
        "endpoint:\n  ", "endpoint: "
    ),
    "services-without-dns": f"{GOOD}network: {{services: 10.96.0.0/29}}\n",
    "uneven-checks": f"{GOOD}loadBalancer:\n  addressCheckIntervalMilliseconds: 300\n",
    "several": GOOD.replace("10.0.0.12", "10.0.0.11").replace("[worker]", "[wroker]"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_told_and_nothing_is_done(case: str, backstay: Program) -> None:
    """I1 to I4, M11: also for apply, which asks nobody and reaches no machine."""
    config = backstay.folder / "cluster.yaml"
    text = CASES[case]
    config.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = config.read_bytes()
    ended = backstay("plan")
    assert (ended.code, ended.out) == (3, "")
    assert backstay("apply", "--yes").err == ended.err
    assert ended.err == external_file(f"snapshots/bad-config/{case}.txt")
    assert config.read_bytes() == before
    assert [path.name for path in backstay.folder.iterdir()] == ["cluster.yaml"]


def test_two_gigabytes_are_refused_unread(backstay: Program) -> None:
    """I1: what is more than any cluster needs is neither read nor held."""
    config = backstay.folder / "cluster.yaml"
    with config.open("wb") as file:
        file.truncate(2 * 1024**3)
    began = time.process_time()
    ended = backstay("plan")
    assert time.process_time() - began < 1.0
    assert (ended.code, ended.out) == (3, "")
    assert "cluster.yaml:1:1048577: beyond 1048576 bytes nothing is read" in ended.err


@pytest.mark.parametrize("words", [("plan", "-c", "-"), ("init", "--vip", "10.0.0.10")])
def test_input_that_never_ends_is_refused(words: tuple[str, ...], backstay: Program) -> None:
    """I1: as what comes through a pipe."""
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            (sys.executable, "-m", "backstay", *words),
            stdin=endless,
            capture_output=True,
            cwd=backstay.folder,
            env=backstay.environment,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"standard input:1:1048577: beyond" in done.stderr


@pytest.mark.parametrize("data", [b"\xff 10.0.0.1\n", b"a\x00 10.0.0.1\n"])
def test_a_list_of_machines_is_text(data: bytes, backstay: Program) -> None:
    """I1: `init` reads what anybody may have made, too."""
    ended = backstay("init", "--vip", "10.0.0.10", stdin=data)
    assert (ended.code, ended.out) == (3, "")
    assert "standard input:1:" in ended.err
