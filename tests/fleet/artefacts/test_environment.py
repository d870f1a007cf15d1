"""What a build sees of the user's environment."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.compiler import LIBRARIES, c_toolchain
from backstay.fleet.artefacts.environment import closed, environment, user_choices
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.programs import run

STEERING = (
    "CC", "CXX", "AR", "LD", "CFLAGS", "CPPFLAGS", "LDFLAGS", "CPATH", "C_INCLUDE_PATH",
    "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR",
    "CGO_ENABLED", "CGO_CFLAGS", "CGO_LDFLAGS", "GOROOT", "GOPATH", "GOFLAGS", "GOEXPERIMENT",
    "GOAMD64", "GOARCH", "GOOS", "GOTOOLCHAIN", "GODEBUG", "GOWORK", "GOENV", "GOFIPS140",
    "GCCGO", "SOURCE_DATE_EPOCH", "LANG", "SOMETHING_NEW",
)  # fmt: skip
WAYS = (
    "PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY",
    "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOPROXY", "GONOPROXY",
    "GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GOPRIVATE", "GOINSECURE",
)  # fmt: skip
"""None of them changes a byte that go.sum has not proved."""


@pytest.mark.parametrize("name", STEERING)
def test_what_steers_a_compiler_is_not_taken_from_the_user(name: str, tmp_path: Path) -> None:
    """What nobody thought of is dropped too: only what is listed gets through."""
    assert environment(Places(tmp_path), {name: "theirs"}).get(name) != "theirs"


@pytest.mark.parametrize("name", WAYS)
def test_how_to_reach_modules_is_theirs(name: str, tmp_path: Path) -> None:
    """Who is behind a proxy, or has certificates of their own, can build."""
    assert environment(Places(tmp_path), {name: "theirs"})[name] == "theirs"


def test_the_compiler_is_the_one_that_was_asked_who_it_is(tmp_path: Path) -> None:
    """The identity of the C toolchain is that of gcc."""
    seen = environment(Places(tmp_path), {"CC": "clang", "GOFLAGS": "-race", "GOAMD64": "v3"})
    assert (seen["CC"], seen["PKG_CONFIG"]) == ("gcc", "pkg-config")
    assert (seen["GOFLAGS"], seen["GOAMD64"]) == ("-mod=readonly", "v1")
    assert (seen["GOTOOLCHAIN"], seen["GOENV"]) == ("local", "off")
    assert (seen["GOOS"], seen["GOARCH"]) == ("linux", "amd64")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
async def test_gcc_finds_no_other_library(tmp_path: Path) -> None:
    """The user's gcc may look elsewhere; the one whose identity is asked, and that builds, not."""
    (tmp_path / "libseccomp.a").write_text("theirs")
    theirs = {**os.environ, "GCC_EXEC_PREFIX": f"{tmp_path}/"}
    asked = ("gcc", "-print-file-name=libseccomp.a")
    assert (await run(asked, environment=theirs)).tail == str(tmp_path / "libseccomp.a")
    assert str(tmp_path) not in (await run(asked, environment=closed(theirs))).tail


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
async def test_the_identity_is_asked_in_the_same_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the identity would speak of one library, and the build link another."""
    for name in LIBRARIES:
        (tmp_path / name).write_text("theirs")
    try:
        before = await c_toolchain()
    except ArtefactError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("GCC_EXEC_PREFIX", f"{tmp_path}/")
    assert await c_toolchain() == before


def fake_go(folder: Path, script: str) -> Path:
    """Return a program that stands for Go."""
    path = folder / "go"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_what_go_was_told_once_counts(tmp_path: Path) -> None:
    """Whoever said `go env -w GOPROXY=...` need not say it again; the pinned Go is told."""
    said = {"GOPROXY": "https://proxy.example.test", "GOSUMDB": "off", "GOPRIVATE": ""}
    go = fake_go(tmp_path, f"[ $1 = env ] && echo '{json.dumps(said)}'")
    chosen = await user_choices(go, {"PATH": str(tmp_path / "nothing")})
    assert chosen == {"GOPROXY": "https://proxy.example.test", "GOSUMDB": "off"}


async def test_only_ways_to_modules_are_asked_for(tmp_path: Path) -> None:
    """A GOFLAGS that was written down once does not get in with them."""
    said = {"GOPROXY": "off", "GOFLAGS": "-race", "CC": "clang"}
    go = fake_go(tmp_path, f"echo '{json.dumps(said)}'")
    assert await user_choices(go, {"PATH": str(tmp_path / "nothing")}) == {"GOPROXY": "off"}


@pytest.mark.parametrize("script", ["exit 2", "echo no such subcommand", "echo '[]'", "echo {"])
async def test_a_go_that_does_not_answer_is_no_trouble(tmp_path: Path, script: str) -> None:
    """What the environment says remains."""
    go = fake_go(tmp_path, script)
    theirs = {"PATH": str(tmp_path / "nothing"), "GOPROXY": "direct"}
    assert await user_choices(go, theirs) == {"GOPROXY": "direct"}


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
async def test_a_real_go_reads_what_was_written_down(tmp_path: Path) -> None:
    """Its own file of settings, and the environment before it."""
    written = tmp_path / "env"
    written.write_text("GOPROXY=https://proxy.example.test\nGONOSUMDB=example.test\n")
    theirs = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GOENV": str(written)}
    go = Path(str(shutil.which("go")))
    chosen = await user_choices(go, theirs)
    assert chosen["GOPROXY"] == "https://proxy.example.test"
    assert chosen["GONOSUMDB"] == "example.test"
    assert (await user_choices(go, theirs | {"GOPROXY": "off"}))["GOPROXY"] == "off"
