"""Where this computer gets its packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import PreflightError
from backstay.lab.apt import (
    for_suite,
    read_sources,
    render,
    stanzas_from_deb822,
    stanzas_from_lines,
)

LINES = """\
# deb http://commented.test/debian bookworm main
deb [signed-by=/keys/x.gpg arch=amd64] http://mirror.test/debian bookworm main contrib # why
deb-src http://mirror.test/debian bookworm main
deb http://mirror.test/debian-security bookworm-security main
deb http://other.test/apt cloud-sdk-bookworm main
"""

STANZAS = """\
# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.test/debian
Suites: bookworm
Components: main
"""


def test_lines_are_read_with_their_options() -> None:
    """Comments and sources of source packages are left out."""
    first, second, third = stanzas_from_lines(LINES)
    assert first == {
        "Types": "deb",
        "URIs": "http://mirror.test/debian",
        "Suites": "bookworm",
        "Components": "main contrib",
        "Signed-By": "/keys/x.gpg",
        "Architectures": "amd64",
    }
    assert second["Suites"] == "bookworm-security"
    assert third["Suites"] == "cloud-sdk-bookworm"


def test_only_the_release_itself_is_chosen() -> None:
    """Neither backports nor other people's suites whose names look alike."""
    chosen = for_suite([*stanzas_from_lines(LINES), *stanzas_from_deb822(STANZAS)], "bookworm")
    assert [stanza["Suites"] for stanza in chosen] == [
        "bookworm",
        "bookworm-security",
        "bookworm bookworm-updates",
    ]
    assert {stanza["Types"] for stanza in chosen} == {"deb"}


def test_a_key_within_a_stanza_survives() -> None:
    """Reading, choosing and writing give a stanza that reads the same."""
    chosen = for_suite(stanzas_from_deb822(STANZAS), "bookworm")
    again = tuple(stanzas_from_deb822(render(chosen)))
    assert again == chosen
    assert again[0]["Signed-By"].count("\n") == 4


def test_all_places_of_the_configuration_are_read(tmp_path: Path) -> None:
    """sources.list, and both endings in sources.list.d."""
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.test/debian bookworm main\n")
    (parts / "b.list").write_text("deb http://b.test/debian bookworm-updates main\n")
    (parts / "c.sources").write_text(STANZAS)
    (parts / "d.list.disabled").write_text("deb http://d.test/debian bookworm main\n")
    text = read_sources("bookworm", directory=tmp_path)
    assert [line for line in text.splitlines() if line.startswith("URIs")] == [
        "URIs: http://a.test/debian",
        "URIs: http://b.test/debian",
        "URIs: http://mirror.test/debian",
    ]


@pytest.mark.parametrize("text", ["", "deb http://a.test/debian trixie main\n", "nonsense"])
def test_a_computer_without_the_release_is_refused(tmp_path: Path, text: str) -> None:
    """The error names the place that was read."""
    (tmp_path / "sources.list").write_text(text)
    with pytest.raises(PreflightError, match="bookworm") as caught:
        read_sources("bookworm", directory=tmp_path)
    assert str(tmp_path) in caught.value.where
