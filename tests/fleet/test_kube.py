"""kubectl on a control plane, over our connection: objects go in on standard input."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from backstay.errors import StepFailedError, UnreachableError
from backstay.fleet import kube
from backstay.fleet.ssh import connect
from backstay.fleet.world import World
from backstay.resources.resource import Unknown
from fakes.sshd import Sshd

OBJECT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "n"},
    "data": {"word": "it's $HOME `id`\n"},
}
GONE = UnreachableError("no answer on SSH", where="b")


@pytest.fixture
def kubectl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stand in for kubectl: keeps its words and its input, and says what `says` holds."""
    path = tmp_path / "kubectl"
    path.write_text(
        f'#!/bin/sh\ncd {tmp_path}; printf "%s\\n" "$@" >words; cat >input\n'
        "[ ! -e says ] || cat says\n"
        "if [ -e complains ]; then cat complains >&2; exit 1; fi\n"
    )
    path.chmod(0o755)
    monkeypatch.setattr(kube, "KUBECTL", (str(path),))
    return path


@pytest.fixture
async def world(sshd: Sshd, kubectl: Path) -> AsyncIterator[World]:
    """Return two control planes, of which the first one in the alphabet is silent."""
    del kubectl
    spec = sshd.spec("a")
    machine = await connect(spec, spec.host("a"))
    async with aclosing(_closed(machine)):
        yield World({"a": machine, "b": GONE})


async def _closed(machine: object) -> AsyncIterator[None]:
    yield
    machine.connection.close()  # type: ignore[attr-defined]


async def test_objects_are_applied_by_us_and_ours_wins(
    world: World, kubectl: Path, sshd: Sshd
) -> None:
    """One list on standard input, server-side, as field manager backstay; no word of it in argv."""
    await kube.apply_objects(world, ["b", "a"], [OBJECT])
    words = (kubectl.parent / "words").read_text().split()
    assert words[0] == "apply"
    assert {"--server-side", "--field-manager=backstay", "--force-conflicts"} <= set(words)
    sent = json.loads((kubectl.parent / "input").read_text())
    assert (sent["kind"], sent["items"]) == ("List", [OBJECT])
    assert sshd.commands == ["exec /bin/sh -s"]


async def test_what_the_api_refuses_is_told_of_every_control_plane(
    world: World, kubectl: Path
) -> None:
    """Each one's own words, and who could not be asked."""
    (kubectl.parent / "complains").write_text("error: it is not allowed\n")
    with pytest.raises(StepFailedError) as caught:
        await kube.apply_objects(world, ["b", "a"], [OBJECT])
    assert caught.value.why == "b: no answer on SSH\na: error: it is not allowed"
    assert caught.value.where == "b, a"


async def test_live_objects_come_back_by_name(world: World, kubectl: Path, sshd: Sshd) -> None:
    """I7: also on a machine whose login shell talks; what is not there is None."""
    sshd.noise = 'Welcome {"to": "this host"}\n'
    live = {**OBJECT, "data": {"word": "other"}}
    (kubectl.parent / "says").write_text(json.dumps({"kind": "List", "items": [live]}))
    absent = {**OBJECT, "metadata": {"name": "z", "namespace": "n"}}
    found = await kube.get_objects(world, ["a"], [OBJECT, absent])
    assert found == {"ConfigMap/n/a": live, "ConfigMap/n/z": None}
    (kubectl.parent / "says").write_text("")
    assert await kube.get_objects(world, ["a"], [absent]) == {"ConfigMap/n/z": None}


@pytest.mark.parametrize("trouble", ["it complains", "it hangs", "nobody answers"])
async def test_what_no_api_can_tell_is_unknown(
    world: World, kubectl: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Never absent: absent objects would be made again."""
    monkeypatch.setattr(kube, "ASK_SECONDS", 0.5)
    if trouble == "it complains":
        (kubectl.parent / "complains").write_text("error: no\n")
    if trouble == "it hangs":
        kubectl.write_text("#!/bin/sh\nexec sleep 5\n")
    planes = ["b"] if trouble == "nobody answers" else ["b", "a"]
    found = await kube.get_objects(world, planes, [OBJECT])
    assert isinstance(found["ConfigMap/n/a"], Unknown)
