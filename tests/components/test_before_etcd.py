"""What stops an apiserver before its member, and starts it after it, run by a real sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from component_sites import site_of, spec_of, text_of, unit_of

from backstay.components.assemble import build

SCRIPT = "/usr/local/lib/backstay/before-etcd"
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
*is-active*) exec test -e "$0.active" ;;
*) echo "$*" >>"$0.asked" ;;
esac
"""


class Machine:
    """A machine's script, with a systemctl that writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        text = text_of(build(site_of(spec_of("stacked"))).hosts["cp-1"], SCRIPT)
        self.script = folder / "before-etcd"
        self.script.write_text(text.replace("/run/backstay", str(folder / "run")))
        self.systemctl = folder / "systemctl"
        self.systemctl.write_text(SYSTEMCTL)
        self.systemctl.chmod(0o755)
        self.environment = {"PATH": f"{folder}:{os.environ['PATH']}"}

    def is_active(self, *, active: bool) -> None:
        """Let systemctl find the apiserver active, or not."""
        flag = self.systemctl.with_suffix(".active")
        flag.touch() if active else flag.unlink(missing_ok=True)

    def run(self, word: str) -> list[str]:
        """Return what systemctl was asked by this run."""
        asked = self.systemctl.with_suffix(".asked")
        asked.unlink(missing_ok=True)
        subprocess.run(["/bin/sh", self.script, word], env=self.environment, check=True)
        return asked.read_text().splitlines() if asked.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_is_stopped_before_and_started_once_after(machine: Machine) -> None:
    """A member that starts a second time, as after a crash, has nobody to bring back."""
    machine.is_active(active=True)
    assert machine.run("leave") == ["stop kube-apiserver.service"]
    machine.is_active(active=False)
    assert machine.run("return") == ["start --no-block kube-apiserver.service"]
    assert machine.run("return") == []


def test_one_that_its_owner_stopped_stays_so(machine: Machine) -> None:
    """Only who was stopped for the member's sake comes back with it."""
    machine.is_active(active=False)
    assert machine.run("leave") == []
    assert machine.run("return") == []


def test_a_restart_that_is_stopped_half_way_brings_it_back_later(machine: Machine) -> None:
    """Left twice, as when the member is stopped again before it served, it is still known."""
    machine.is_active(active=True)
    machine.run("leave")
    machine.is_active(active=False)
    assert machine.run("leave") == []
    assert machine.run("return") == ["start --no-block kube-apiserver.service"]


@pytest.mark.parametrize(("example", "host"), [("single", "alone"), ("dedicated", "etcd-1")])
def test_nobody_is_stopped_where_no_other_serves_or_none_is(example: str, host: str) -> None:
    """A lone apiserver is away no longer than its member; a member apart has none."""
    wish = build(site_of(spec_of(example)))
    assert "before-etcd" not in unit_of(wish.hosts[host], "etcd")
