"""What stops an apiserver before its member, and starts it after it, run by a real sh."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from component_sites import STACKED, host, site_of, spec_of, text_of, unit_of

from backstay.components.assemble import build
from backstay.components.before_etcd import bound

SCRIPT = "/usr/local/lib/backstay/before-etcd"
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
*is-active*) exec test -e "$0.active" ;;
*start*) echo "$*" >>"$0.asked"; exec test ! -e "$0.broken" ;;
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
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "MAINPID": "1",
            "SERVICE_RESULT": "success",
        }

    def is_active(self, *, active: bool) -> None:
        """Let systemctl find the apiserver active, or not."""
        flag = self.systemctl.with_suffix(".active")
        flag.touch() if active else flag.unlink(missing_ok=True)

    def run(self, word: str) -> list[str]:
        """Return what systemctl was asked by this run."""
        asked = self.systemctl.with_suffix(".asked")
        asked.unlink(missing_ok=True)
        subprocess.run(["/bin/sh", self.script, word], env=self.environment, check=False)
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


def test_one_that_could_not_be_started_is_not_forgotten(machine: Machine) -> None:
    """The member's next start tries again."""
    machine.is_active(active=True)
    machine.run("leave")
    broken = machine.systemctl.with_suffix(".broken")
    broken.touch()
    assert machine.run("return") == ["start --no-block kube-apiserver.service"]
    broken.unlink()
    assert machine.run("return") == ["start --no-block kube-apiserver.service"]
    assert machine.run("return") == []


@pytest.mark.parametrize(("name", "value"), [("MAINPID", ""), ("SERVICE_RESULT", "oom-kill")])
def test_a_member_that_ended_by_itself_takes_nobody_with_it(
    machine: Machine, name: str, value: str
) -> None:
    """ExecStop is run then too, and the member would only come back later for it."""
    machine.is_active(active=True)
    machine.environment[name] = value
    assert machine.run("leave") == []
    assert machine.run("return") == []


def test_nobody_is_stopped_who_could_not_be_found_again(machine: Machine) -> None:
    """Where nothing can be written down, the member stops alone, as before."""
    machine.is_active(active=True)
    (machine.script.parent / "run").touch()
    assert machine.run("leave") == []


def test_a_restart_that_is_stopped_half_way_brings_it_back_later(machine: Machine) -> None:
    """Left twice, as when the member is stopped again before it served, it is still known."""
    machine.is_active(active=True)
    machine.run("leave")
    machine.is_active(active=False)
    assert machine.run("leave") == []
    assert machine.run("return") == ["start --no-block kube-apiserver.service"]


def test_only_who_has_a_member_goes_with_it() -> None:
    """Of two apiservers one asks its own member; the other asks all, and serves on."""
    hosts = [
        host("cp-1", "10.0.0.11", "control-plane", "etcd"),
        host("cp-2", "10.0.0.12", "control-plane"),
        *(host(f"etcd-{i}", f"10.0.0.2{i}", "etcd") for i in (1, 2)),
    ]
    assert bound(spec_of({**STACKED, "hosts": hosts})) == ("cp-1",)


@pytest.mark.parametrize(("example", "name"), [("single", "alone"), ("dedicated", "etcd-1")])
def test_nobody_is_stopped_where_no_other_serves_or_none_is(example: str, name: str) -> None:
    """A lone apiserver is away no longer than its member; a member apart has none."""
    wish = build(site_of(spec_of(example)))
    assert "before-etcd" not in unit_of(wish.hosts[name], "etcd")
