"""Work with the API through the machines: kubectl on a control plane, over our SSH connection.

Operators often have SSH and nothing else, and no key of the cluster ever leaves a machine.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence

from backstay.errors import GateTimeoutError, PreflightError, StepFailedError, UnreachableError
from backstay.fleet.transport import Completed, Machine
from backstay.fleet.world import World
from backstay.planning.drift import object_name
from backstay.resources.resource import Unknown

KUBECTL = ("/usr/local/bin/kubectl", "--kubeconfig=/etc/kubernetes/super-admin.conf")
FIELD_MANAGER = "backstay"
ASK_SECONDS = 20.0


async def kubectl(
    machine: Machine, *words: str, stdin: str = "", deadline: float = ASK_SECONDS
) -> Completed:
    """Run kubectl on a control plane with the text on its standard input."""
    text = base64.encodebytes(stdin.encode()).decode()
    script = f"base64 -d <<'END' | {shlex.join((*KUBECTL, *words))}\n{text}END\n"
    return await machine.run(script, deadline=deadline)


async def through_any(
    world: World, planes: Sequence[str], *words: str, stdin: str = "", deadline: float = ASK_SECONDS
) -> Completed:
    """Ask one control plane after the other until one succeeds; StepFailedError if none does."""
    said = []
    for host in planes:
        try:
            done = await kubectl(world.machine(host), *words, stdin=stdin, deadline=deadline)
        except (GateTimeoutError, PreflightError, UnreachableError) as error:
            said.append(f"{host}: {error.what}")
            continue
        if done.status == 0:
            return done
        said.append(f"{host}: {done.stderr.strip()[-300:]}")
        if "timed out waiting" in done.stderr:
            # The API answered, and its answer is that the condition does not hold.
            break
    raise StepFailedError(
        f"kubectl {words[0]} failed on every control plane",
        where=", ".join(planes),
        why="\n".join(said),
        next_move="backstay status",
    )


def _as_list(objects: Sequence[Mapping[str, object]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


async def apply_objects(
    world: World, planes: Sequence[str], objects: Sequence[Mapping[str, object]]
) -> None:
    """Apply objects server-side as field manager `backstay`, whose fields win."""
    words = ("apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--force-conflicts")
    await through_any(world, planes, *words, "-f", "-", stdin=_as_list(objects), deadline=60)


async def get_objects(
    world: World, planes: Sequence[str], objects: Sequence[Mapping[str, object]]
) -> Mapping[str, Mapping[str, object] | Unknown | None]:
    """Return the live object for each wished one, None for absent, Unknown if no API answers."""
    names = [object_name(one) for one in objects]
    words = ("get", "-o", "json", "--ignore-not-found", "-f", "-")
    try:
        done = await through_any(
            world, planes, *words, stdin=_as_list(objects), deadline=ASK_SECONDS
        )
    except StepFailedError as error:
        return dict.fromkeys(names, Unknown(error.why))
    live = {object_name(one): one for one in _items(done.stdout)}
    return {name: live.get(name) for name in names}


def _items(text: str) -> Sequence[Mapping[str, object]]:
    if not text.strip():
        return ()
    document = json.loads(text)
    items: Sequence[Mapping[str, object]] = document.get("items", [document])
    return items
