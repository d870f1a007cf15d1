"""The real programs accept what is rendered for them: flags, units, scripts.

Cluster programs are taken from the artefact cache of this computer, when they are in it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from component_sites import CASES, environment_of, flags_of, site_of, spec_of, text_of

from backstay.components.assemble import build
from backstay.components.wish import Wish
from backstay.resources.resource import Key

BLOBS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "backstay/blobs"
COMPONENTS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
analyze = shutil.which("systemd-analyze")


@cache
def wish_of(case: str) -> Wish:
    """The wish of a case."""
    return build(site_of(spec_of(case)))


@cache
def known_flags(name: str) -> frozenset[str]:
    """Every flag that a program of the cache tells of; the test is skipped without it."""
    found = sorted(BLOBS.glob(f"*/{name}"))
    if not found:
        pytest.skip(f"{name} is not in the artefact cache")
    done = subprocess.run([str(found[0]), "--help"], capture_output=True, text=True, check=False)
    return frozenset(re.findall(r"--([a-z0-9-]+)", done.stdout + done.stderr))


@pytest.mark.parametrize("name", COMPONENTS)
def test_programs_know_their_flags(name: str) -> None:
    """An unknown flag would keep the program from starting."""
    known = known_flags(name)
    for case in CASES:
        for resources in wish_of(case).hosts.values():
            if Key("service", f"{name}.service") in resources:
                assert set(flags_of(resources, name)) - known == set()


def test_etcd_knows_its_variables() -> None:
    """A variable is a flag in capitals; one that is none would only be warned of."""
    known = known_flags("etcd")
    for case in CASES:
        for resources in wish_of(case).hosts.values():
            for path in ("/etc/etcd/etcd.env", "/etc/etcd/bootstrap.env"):
                if Key("file", path) not in resources:
                    continue
                variables = environment_of(resources, path)
                flags = {name[len("ETCD_") :].lower().replace("_", "-") for name in variables}
                assert flags - known == set()


def test_no_variable_of_etcd_is_given_twice() -> None:
    """The two files do not overlap, so their order means nothing."""
    resources = wish_of("stacked").hosts["cp-1"]
    settings = environment_of(resources, "/etc/etcd/etcd.env")
    bootstrap = environment_of(resources, "/etc/etcd/bootstrap.env")
    assert not settings.keys() & bootstrap.keys()


@pytest.mark.skipif(analyze is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("case", ["single", "dedicated"])
def test_systemd_understands_every_line_of_the_units(case: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds no unknown key and no value that it cannot read."""
    seen: dict[str, str] = {}
    for resources in wish_of(case).hosts.values():
        for key in resources:
            if key.name.startswith("/etc/systemd/system/"):
                seen[Path(key.name).name] = text_of(resources, key.name)
    paths = []
    for name, text in seen.items():
        path = tmp_path / name
        # The programs are not on this computer, which is all that may be missing here.
        path.write_text(re.sub(r"(?m)^(Exec\w+=\+?)/\S+", r"\1/bin/true", text))
        paths.append(str(path))
    done = subprocess.run(
        [str(analyze), "verify", "--recursive-errors=no", "--man=no", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert complaints == []


@pytest.mark.skipif(analyze is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("etcd", 20),
        ("kube-apiserver", 20),
        ("kube-controller-manager", 20),
        ("kube-scheduler", 20),
        ("haproxy", 20),
        ("keepalived", 50),
        ("kube-proxy", 45),
        ("backstay-network", 45),
    ],
)
def test_units_are_as_little_exposed_as_they_were(name: str, bound: int, tmp_path: Path) -> None:
    """S7: the exposure that systemd computes, in tenths; lower is safer."""
    path = tmp_path / f"{name}.service"
    path.write_text(text_of(wish_of("stacked").hosts["cp-1"], f"/etc/systemd/system/{path.name}"))
    done = subprocess.run(
        [str(analyze), "security", "--offline=yes", f"--threshold={bound}", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["check-endpoint", "pod-routes"])
def test_scripts_are_clean(name: str, tmp_path: Path) -> None:
    """Shellcheck, as for every script of ours, has nothing to say."""
    path = tmp_path / name
    path.write_text(text_of(wish_of("stacked").hosts["cp-1"], f"/usr/local/lib/backstay/{name}"))
    shellcheck = shutil.which("shellcheck") or str(Path(sys.executable).parent / "shellcheck")
    if not Path(shellcheck).exists():
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
