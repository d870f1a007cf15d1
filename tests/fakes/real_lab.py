"""A lab as a user has it: everything goes through the `backstay` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay.fleet.artefacts.table import catalogue
from backstay.lab import blob_directory, places_of, read, ssh_argv
from backstay.spec.versions import DEFAULT

BACKSTAY = (sys.executable, "-m", "backstay")
LONGEST_SECONDS = 1800


@dataclass(frozen=True)
class RealLab:
    """A lab by its name, and the folder where its test keeps files."""

    name: str
    folder: Path

    @property
    def config(self) -> Path:
        """The lab's cluster.yaml."""
        return places_of(self.name).cluster

    def backstay(
        self, *words: str, code: int | None = 0, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb on the lab's cluster, and check its exit code."""
        return run(*words, "-c", str(self.config), code=code, stdin=stdin)

    def plan(self) -> dict[str, Any]:
        """Return the plan's document."""
        document: dict[str, Any] = json.loads(self.backstay("plan", "-o", "json").stdout)
        return document

    def status(self) -> dict[str, Any]:
        """Return the status' document."""
        document: dict[str, Any] = json.loads(
            self.backstay("status", "-o", "json", code=None).stdout
        )
        return document

    def sh(self, machine: str, script: str, *, check: bool = True) -> str:
        """Run a script as root on a machine."""
        argv = ssh_argv(self.name, machine, ("sh", "-s"))
        done = subprocess.run(
            argv, input=script, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"{machine}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def kubectl(
        self, *words: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl on this computer, with a kubeconfig of the user's, through the endpoint."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            (str(self.program("kubectl")), "--request-timeout=20s", *words),
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {words}: {done.stdout}\n{done.stderr}"
        return done

    @contextmanager
    def talking(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Run kubectl without any limit of time until the block ends."""
        with subprocess.Popen(
            (str(self.program("kubectl")), *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig made by the verb of that name, once."""
        path = self.folder / "kubeconfig"
        if not path.exists():
            text = self.backstay("kubeconfig", "-o", "-").stdout
            path.touch(mode=0o600)
            path.write_text(text)
        return path

    def machine_address(self, machine: str) -> str:
        """Return the address at which the other machines know one."""
        found = [one for one in read(self.name).machines if one.name == machine]
        return str(found[0].address)

    @property
    def endpoint(self) -> str:
        """The virtual address."""
        return str(read(self.name).vip)

    def program(self, name: str) -> Path:
        """Return a program out of the artefact cache, the one that the machines run."""
        return blob_directory() / catalogue(DEFAULT)[name].digest / name


def run(
    *words: str,
    code: int | None = 0,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run backstay as a user would, without a terminal, and check its exit code."""
    done = subprocess.run(
        (*BACKSTAY, *words),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        env=None if env is None else {**os.environ, **env},
        timeout=LONGEST_SECONDS,
        check=False,
    )
    said = f"backstay {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert code is None or done.returncode == code, said
    assert "Traceback" not in done.stderr, said
    return done


def eventually(check: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait until the check returns something true; AssertionError with its last answer if never."""
    end = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < end:
        last = check()
        if last:
            return
        time.sleep(0.2)
    message = f"not within {seconds} s: {what}; last answer {last!r}"
    raise AssertionError(message)


def changed_things(plan: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Return host, kind and name of everything a plan's document would change."""
    return [
        (step["host"], change["kind"], change["name"])
        for stage in plan["stages"]
        for step in stage["steps"]
        for change in step.get("changes", ())
    ]
