"""What every kind of host gets, as files to look at; `UPDATE_GOLDEN=1 pytest` writes them anew.

Of hosts that differ in names and addresses only, the first has its files here; all have a list
of everything that they get, with digests.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from component_sites import CASES, site_of, spec_of

from backstay.components.assemble import build
from backstay.components.wish import Wish
from backstay.pki.certificate import Certificate
from backstay.resources.content import Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.kernel import Sysctl
from backstay.resources.resource import Key, Resource
from backstay.resources.service import Service

GOLDEN = Path(__file__).parent.parent / "golden"
SHOWN = {
    "single": ("alone",),
    "stacked": ("cp-1", "w-1"),
    "dedicated": ("cp-1", "etcd-1", "lb-1", "w-1"),
    "ipv6": ("cp-1", "w-1"),
}
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


def told(resource: Resource) -> str:
    """One line that says all of a resource but its text."""
    match resource:
        case File(mode=mode, owner=owner, content=content):
            detail = f"{mode} {owner} {type(content).__name__.lower()} {content.digest[:16]}"  # type: ignore[union-attr]
        case Directory(mode=mode, owner=owner):
            detail = f"{mode} {owner}"
        case Binary(mode=mode, artefact=artefact):
            detail = f"{mode} {artefact.name}"
        case Sysctl(value=value):
            detail = value
        case Service():
            detail = f"tier {resource.tier.name.lower()} digest {resource.digest[:16]}"
            if resource.reload_digest is not None:
                detail += f" reload {resource.reload_digest[:16]}"
            detail += "".join(f"\n    reads {key}" for key in resource.reads)
        case Certificate(request=request):
            names = ", ".join(request.names)
            detail = f"{request.authority} {request.profile} {request.subject} {request.owner}"
            detail += f"\n    names {names}" if names else ""
        case _:
            detail = ""
    return f"{resource.key} {detail}".rstrip()


def tree(wish: Wish, case: str) -> Iterator[tuple[str, str]]:
    """Every golden file of a case: path below its directory, and text."""
    for host, resources in wish.hosts.items():
        yield f"{host}.txt", "".join(f"{told(each)}\n" for each in resources.values())
        if host in SHOWN[case]:
            yield from (
                (f"{host}{path}", text) for path, text in texts(resources) if "/pki/" not in path
            )
    for name in ("objects", "late_objects"):
        yield f"{name}.json", json.dumps(getattr(wish, name), indent=2) + "\n"


def texts(resources: Mapping[Key, Resource]) -> Iterator[tuple[str, str]]:
    """Every file whose content may be seen."""
    for resource in resources.values():
        if isinstance(resource, File) and isinstance(resource.content, Text):
            yield resource.path, resource.content.text


@pytest.mark.parametrize("case", CASES)
def test_hosts_get_exactly_the_golden_files(case: str) -> None:
    """The wish of each case is the tree that was looked at and found right."""
    found = dict(tree(build(site_of(spec_of(case))), case))
    directory = GOLDEN / case
    if UPDATE:
        shutil.rmtree(directory, ignore_errors=True)
        for name, text in found.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    golden = {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    assert sorted(golden) == sorted(found)
    for name, text in golden.items():
        assert text == found[name], f"{case}/{name} (UPDATE_GOLDEN=1 pytest, and look at the diff)"
