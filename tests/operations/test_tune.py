"""A tuning says what was measured, what fits, and what to write; also with a machine missing."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from inline_snapshot import external_file, snapshot

from backstay.cli.tuning_text import document, lines, text
from backstay.errors import UnreachableError
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.operations.tune import Tuning, tune
from backstay.planning.look import ASCII, PLAIN, Look
from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from backstay.spec.profiles import TIMERS, Profile
from fakes.cluster_texts import cluster, machines
from fakes.machines import FakeMachine

SILENT = UnreachableError(
    "no answer on SSH", where="control-plane-3", why="timed out", next_move="look"
)


def spec_of(**parts: str) -> ClusterSpec:
    """Return three control planes with these parts of cluster.yaml."""
    return parse(cluster(hosts=machines(3), endpoint="{vip: 10.0.0.100}", **parts))


def times(milliseconds: float) -> str:
    """Return a hundred and one samples, of which the slowest two take this long."""
    return " ".join(["0.0001"] * 99 + [str(milliseconds / 1000)] * 2)


def machine(name: str, *, fsync: float, without: Collection[str] = ()) -> FakeMachine:
    """Return a machine that measures the same as its peers, with a disk of its own."""

    def answer(script: str) -> Completed:
        found = re.search(r"^mark=(\S+)$", script, re.MULTILINE)
        assert found
        told = [("survey", ".", "fsync", times(fsync)), ("survey", ".", "lateness", times(0.4))]
        for kind, took in (("peer", 0.9), ("readyz", 12.0)):
            names = re.findall(rf"^measure_{kind} \d+ (\S+)", script, re.MULTILINE)
            told += [(kind, peer, "times", times(took)) for peer in names if kind not in without]
        return Completed(0, "".join("\t".join((found[1], *one)) + "\n" for one in told), "")

    return FakeMachine(name, answer)


async def tuned(
    spec: ClusterSpec,
    *,
    fsync: float,
    third: UnreachableError | None = None,
    without: Collection[str] = (),
) -> Tuning:
    """Return the tuning of machines of which the second has this disk."""
    fakes = {
        host.name: machine(
            host.name, fsync=fsync if host.name.endswith("2") else 1.5, without=without
        )
        for host in spec.hosts
    }
    asked = World(fakes if third is None else {**fakes, "control-plane-3": third})
    return await tune(spec, world=asked)


async def test_good_machines_get_the_fast_profile() -> None:
    """One line for cluster.yaml; what stands there now fits too, and is slower."""
    found = await tuned(spec_of(), fsync=4)
    assert lines(found.proposal) == "profile: fast"
    assert found.fits
    assert f"{text(found, PLAIN)}\n" == external_file("snapshots/tune-good.txt")


async def test_a_slow_disk_is_named_and_raises_what_it_delays() -> None:
    """With the machine that was not measured, and with what stands in cluster.yaml refused."""
    found = await tuned(spec_of(profile="fast"), fsync=42, third=SILENT)
    assert not found.fits
    assert lines(found.proposal) == snapshot("""\
profile: fast
etcd:
  electionMilliseconds: 490\
""")
    assert f"{text(found, PLAIN)}\n" == external_file("snapshots/tune-slow-disk.txt")


async def test_the_lines_make_the_cluster_that_is_proposed() -> None:
    """Pasted into cluster.yaml they are read as the proposal, and then there is no more to say."""
    found = await tuned(spec_of(), fsync=42)
    own = cluster(hosts=machines(3), endpoint="{vip: 10.0.0.100}") + lines(found.proposal)
    assert parse(own).timers == found.proposal.timers
    again = await tuned(parse(own), fsync=42)
    assert again.fits
    assert "already" in text(again, PLAIN)


async def test_the_document_has_the_same_facts() -> None:
    """Programs find every measure, timer and gap."""
    found = document(await tuned(spec_of(), fsync=42))
    assert json.loads(json.dumps(found)) == found
    assert found["gaps"] == snapshot(
        {
            "now": {
                "fits": True,
                "leader_milliseconds": 1600,
                "apiserver_milliseconds": 1750,
                "address_milliseconds": 682.8,
                "balancer_milliseconds": 1382.8,
            },
            "proposed": {
                "fits": True,
                "leader_milliseconds": 980,
                "apiserver_milliseconds": 850,
                "address_milliseconds": 341.4,
                "balancer_milliseconds": 591.4,
            },
            "default": {
                "fits": True,
                "leader_milliseconds": 1600,
                "apiserver_milliseconds": 1750,
                "address_milliseconds": 682.8,
                "balancer_milliseconds": 1382.8,
            },
            "fast": {
                "fits": False,
                "leader_milliseconds": 700,
                "apiserver_milliseconds": 850,
                "address_milliseconds": 341.4,
                "balancer_milliseconds": 591.4,
            },
        }
    )
    election = found["timers"][1]
    assert election.pop("because").startswith("heartbeat 50 ms + 10 × (round trip 0.9 ms + fsync")
    assert election == snapshot(
        {
            "name": "electionMilliseconds",
            "now": 800,
            "proposed": 490,
            "least": 490,
            "most": 50000,
        }
    )
    assert {one["quantity"] for one in found["measured"]} == {
        "round trip",
        "fsync",
        "lateness",
        "/readyz",
    }


async def test_default_fits_where_fast_does_not() -> None:
    """So a careful owner need not write numbers."""
    found = await tuned(spec_of(), fsync=42)
    assert found.proposal.fits(TIMERS[Profile.FAST]) is False
    assert found.proposal.fits(TIMERS[Profile.DEFAULT]) is True


async def test_machines_for_which_no_timers_fit_are_shown_all_the_same() -> None:
    """What was measured, and each least value with its sum; only lines to write there are none."""
    found = await tuned(spec_of(), fsync=9000)
    assert not found.fits
    assert f"{text(found, PLAIN)}\n" == external_file("snapshots/tune-impossible.txt")
    told = document(found)
    assert [told[one] for one in ("fits", "profile", "cluster_yaml")] == [False, None, None]
    assert "proposed" not in told["gaps"]


async def test_what_was_not_measured_is_no_proof_that_anything_fits() -> None:
    """One machine that answers knows of no round trips to those that do not."""
    found = await tuned(spec_of(), fsync=4, without=("peer",))
    assert found.fits is None
    assert f"{text(found, PLAIN)}\n" == external_file("snapshots/tune-unmeasured.txt")
    told = document(found)
    assert (told["fits"], told["missing"]) == (None, ["round trip"])
    heartbeat = told["timers"][0]
    assert (heartbeat["least"], heartbeat["because"]) == (
        None,
        "fast's own: round trip not measured",
    )


async def test_a_machine_alone_misses_no_round_trips() -> None:
    """There is nobody to whom they could be."""
    spec = parse(cluster(hosts=machines(1)))
    found = await tuned(spec, fsync=4)
    assert (found.fits, found.proposal.missing) == (True, ())


async def test_signs_can_be_had_in_ascii() -> None:
    """On a terminal that knows no others."""
    found = await tuned(spec_of(), fsync=4)
    assert re.search(r"[✓✗→–×]", text(found, Look(marks=ASCII))) is None
