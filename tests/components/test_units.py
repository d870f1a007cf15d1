"""The digest law: what is in it, what is not, and what a unit says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from component_sites import site_of, spec_of

from backstay.components.assemble import build
from backstay.components.units import UNITS, Kind, Unit, install
from backstay.resources.account import Account
from backstay.resources.content import Artefact, Kept, Text
from backstay.resources.files import Binary, File
from backstay.resources.resource import Key
from backstay.resources.service import Tier

PROGRAM = Binary("/usr/local/bin/x", Artefact("x", "a" * 64))
CONFIG = File("/etc/x.conf", Text("one\n"))
SECRET = File("/etc/x.key", Kept("/etc/x.key", "b" * 64))
UNIT = Unit(
    "x",
    "An x",
    Tier.NODE,
    service=("ExecStart=/usr/local/bin/x",),
    reads=(PROGRAM, CONFIG, SECRET),
)


def digest(unit: Unit) -> str:
    """The digest of a unit."""
    return install(unit)[1].digest


def text(unit: Unit) -> str:
    """The text of a unit's file."""
    content = install(unit)[0].content
    assert isinstance(content, Text)
    return content.text


def test_the_digest_covers_text_program_and_files() -> None:
    """Each of the three alone changes it."""
    others = (
        replace(UNIT, service=("ExecStart=/usr/local/bin/x --more",)),
        replace(UNIT, reads=(replace(PROGRAM, artefact=Artefact("x", "c" * 64)), CONFIG, SECRET)),
        replace(UNIT, reads=(PROGRAM, replace(CONFIG, content=Text("two\n")), SECRET)),
        replace(UNIT, reads=(PROGRAM, CONFIG, replace(SECRET, content=Kept("k", "d" * 64)))),
    )
    assert len({digest(UNIT), *(digest(unit) for unit in others)}) == len(others) + 1


def test_the_digest_does_not_depend_on_the_order_of_what_is_read() -> None:
    """A set has no order."""
    assert digest(UNIT) == digest(replace(UNIT, reads=(SECRET, CONFIG, PROGRAM)))


def test_what_is_read_again_is_listed_and_not_covered() -> None:
    """It waits for the unit's turn when there is one, and gives no reason for one."""
    unit = replace(UNIT, reads=(PROGRAM,), rereads=(CONFIG,))
    other = replace(unit, rereads=(replace(CONFIG, content=Text("two\n")),))
    assert digest(unit) == digest(other)
    assert CONFIG.key in install(unit)[1].reads


def test_a_reload_has_a_digest_of_its_own() -> None:
    """Both stand in the unit, the second is recorded after a start and last after a reload."""
    unit = replace(
        UNIT,
        reads=(PROGRAM,),
        reloads=(CONFIG,),
        kind=Kind.RELOADED,
        service=("ExecStart=/usr/local/bin/x", "ExecReload=/bin/kill -HUP $MAINPID"),
    )
    other = replace(unit, reloads=(replace(CONFIG, content=Text("two\n")),))
    service, changed = install(unit)[1], install(other)[1]
    assert service.digest == changed.digest
    assert service.reload_digest != changed.reload_digest
    reloads = [line for line in text(unit).splitlines() if line.startswith("ExecReload=")]
    assert "BACKSTAY_RELOAD_DIGEST" in reloads[-1]
    assert reloads[-1].endswith(">/run/backstay/%n'")
    assert len(reloads) == 2


def test_a_oneshot_records_its_digest() -> None:
    """It has no process that could tell it."""
    unit = replace(UNIT, kind=Kind.ONESHOT)
    assert "ExecStartPost=+/bin/sh -c 'mkdir -p /run/backstay && echo ${BACKSTAY_DIGEST} " in text(
        unit
    )
    assert install(unit)[1].oneshot


def test_the_unit_file_is_read_by_the_unit() -> None:
    """A changed unit waits for its turn like everything that it reads."""
    file, service = install(UNIT)
    assert service.reads == (
        Key("file", "/etc/systemd/system/x.service"),
        PROGRAM.key,
        CONFIG.key,
        SECRET.key,
    )
    assert file.path == "/etc/systemd/system/x.service"


def test_units_start_as_often_as_it_takes() -> None:
    """No limit makes a unit give up while what it needs is on its way."""
    lines = text(UNIT).splitlines()
    assert lines.index("StartLimitIntervalSec=0") < lines.index("[Service]")
    assert lines[-1] == "WantedBy=multi-user.target"


def test_something_without_bytes_cannot_be_covered() -> None:
    """That would be a mistake of ours, and is said."""
    with pytest.raises(TypeError, match="account etcd has no digest"):
        install(replace(UNIT, reads=(Account("etcd"),)))


@pytest.mark.parametrize("unit", ["etcd", "kube-apiserver", "haproxy"])
def test_what_others_would_take_for_lost_goes_first(unit: str) -> None:
    """A busy processor delays whatever else runs on the machine before it delays these."""
    files = build(site_of(spec_of("stacked"))).hosts["cp-1"]
    content = files[Key("file", f"{UNITS}/{unit}.service")].content
    assert "\nNice=-15\n" in content.text
