"""Law 4: nothing depends on the order of hosts, of facts, or of anything else that has none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from component_sites import CATALOGUE
from harms import cases
from hypothesis import given
from hypothesis import strategies as st

import backstay
from backstay.components.assemble import build
from backstay.components.network import subnets
from backstay.components.site import Site, Surroundings
from backstay.planning import render
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.propose import propose
from fakes.clusters import Case
from fakes.credentials import NOW

Name = TypeVar("Name")
Value = TypeVar("Value")


def shuffled(draw: st.DataObject, mapping: Mapping[Name, Value]) -> dict[Name, Value]:
    """The same mapping in another order."""
    return dict(draw.draw(st.permutations(list(mapping.items()))))


@given(cases(), st.data())
def test_shuffled_hosts_and_facts_make_the_same_plan(case: Case, data: st.DataObject) -> None:
    """Equal plans, equal identities, equal text: whoever is named first is nobody special."""
    looked = case.look()
    spec = case.spec.model_copy(
        update={"hosts": tuple(data.draw(st.permutations(case.spec.hosts)))}
    )
    around = {one.name: Surroundings(interface="eth0") for one in spec.hosts}
    wish = build(Site(spec, looked.trust, CATALOGUE, around, subnets(spec, {}), NOW))
    hosts = {
        name: HostSeen(shuffled(data, seen.survey), dict(reversed(seen.records.items())))
        if isinstance(seen, HostSeen)
        else seen
        for name, seen in shuffled(data, looked.observation.hosts).items()
    }
    objects = shuffled(data, looked.observation.objects)
    plan, other = looked.plan(), propose(spec, wish, Observation(hosts, objects))
    assert plan == other
    assert render.identity(plan) == render.identity(other)
    assert render.text(plan, spec=case.spec) == render.text(other, spec=spec)


PROGRAM = """
import json
import re
from fakes.clusters import Shape, Wished, built, fresh
from backstay.planning import render
from backstay.planning.look import Detail, Look
for case in (fresh(Shape(3, members=3, balancers=2)), built(Shape(3, workers=1), Wished.OTHER)):
    plan = case.look().plan()
    shown = render.text(plan, spec=case.spec, look=Look(detail=Detail.FULL))
    shown += json.dumps(render.document(plan))
    # Keys are others in each process, and with them the beginnings of digests.
    print(re.sub("[0-9a-f]{8,}…?", "", shown))
"""


def test_another_process_makes_the_same_plan() -> None:
    """Sets are in another order in each process, and keys are others; the plan is the same."""
    paths = [path for path in sys.path if "tests" in Path(path).parts]
    paths.append(str(Path(backstay.__file__).parents[1]))
    said = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
