"""`backstay apply` with a plan of three stages, in a process of its own that gets signals.

python staged_run.py CONFIG FOLDER: each stage writes one file below the folder. The second one
waits, on the machine, until the file `go` is there, and has made the file `began` before.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from backstay.cli.main import main
from backstay.components.wish import Wish
from backstay.fleet import lock
from backstay.fleet.keyring import Keyring
from backstay.fleet.store import Store
from backstay.fleet.world import World
from backstay.operations.look import Looked
from backstay.operations.plan import Planned
from backstay.pki.trust import Trust
from backstay.planning.observation import Observation
from backstay.planning.plan import Change, Converge, Plan, Stage
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.spec.model import ClusterSpec

STAGES = ("one", "two", "three")
WAIT = 'touch "$1/began"; until [ -e "$1/go" ]; do sleep 0.02; done'


def plan(folder: Path) -> Plan:
    """Return the plan: nothing for what is there already."""
    checks = {"two": ("sh", "-c", WAIT, "sh", str(folder))}
    files = [File(str(folder / name), Text(name), check=checks.get(name, ())) for name in STAGES]
    left = [one for one in files if not Path(one.path).exists()]
    steps = [Converge("a", (Change(one, one.diff(None)),)) for one in left]
    return Plan(
        "", "", tuple(Stage(Path(step.changes[0].key.name).name, (step,)) for step in steps)
    )


def run(config: str, folder: Path) -> None:
    """Run the program; only where its plan comes from is not its own."""

    async def make_plan(spec: ClusterSpec, *, world: World, **_: Any) -> Planned:
        looked = Looked(
            spec, Wish({}), Observation({}), Keyring(world, Trust(), {}, {}), "backstay-mark"
        )
        return Planned(plan(folder), looked)

    async def binaries(*_: object, **__: object) -> tuple[dict[str, Any], Store]:
        return {}, Store(folder)

    lock.LOCK_FILE = str(folder / "lock")
    sys.argv = ["backstay", "apply", "--yes", "-c", config]
    with (
        patch("backstay.operations.apply.make_plan", make_plan),
        patch("backstay.operations.binaries.binaries", binaries),
    ):
        main()


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
