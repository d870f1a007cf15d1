"""What a plan must respect, or be refused: quorum, data, and machines that do not answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstay.errors import QuorumError, RefusedError
from backstay.planning import render
from backstay.planning.plan import ActOnUnits, Converge, Plan
from backstay.resources.resource import Key, Unknown
from backstay.resources.service import Service
from backstay.spec.model import ClusterSpec
from backstay.spec.rules import violations
from fakes.clusters import Case, Shape, Wished, built, fresh

THREE = Shape(3, workers=1)
APART = Shape(3, members=3, balancers=2)
ETCD = "etcd.service"


def stop(case: Case, name: str, unit: str = ETCD) -> None:
    units = case.world.computers[name].units
    units[unit] = replace(units[unit], active="inactive", digest=None)


def age(case: Case, name: str, unit: str = ETCD) -> None:
    units = case.world.computers[name].units
    units[unit] = replace(units[unit], digest="old")


def silence(case: Case, *names: str) -> None:
    for name in names:
        case.world.computers[name].silent = "no answer on SSH"


def described_anew(first: Shape, then: Shape) -> Case:
    """Return a cluster that was built in one shape and is wished in another."""
    case, other = built(first), fresh(then)
    here = case.world.computers.items()
    computers = other.world.computers | {n: one for n, one in here if n in other.world.computers}
    return replace(case, spec=other.spec, world=replace(other.world, computers=computers))


def restarts(plan: Plan) -> set[tuple[str, str]]:
    """Which running units the plan takes away."""
    return {
        (host, change.key.name)
        for host, change in plan.changes
        if isinstance(change.resource, Service)
        and change.resource.verb({diff.field for diff in change.diffs}) in {"restart", "reload"}
    }


def test_a_plan_says_from_what_it_was_made() -> None:
    """The digest of what was seen is the identity that a saved plan is held against."""
    case = fresh(THREE)
    plan = case.look().plan()
    assert plan.seen_digest == render.identity(plan)
    assert plan.quorum == "2 of 3 needed, 0 healthy now; tolerates 0 failures"


def test_a_cluster_as_wished_needs_nothing() -> None:
    """No stage, and nothing to remark."""
    plan = built(THREE).look().plan()
    assert plan.is_empty
    assert plan.notes == ()
    assert plan.quorum == "2 of 3 needed, 3 healthy now; tolerates 1 failure"


def test_a_member_is_not_taken_away_while_another_cannot_be_seen_to_serve() -> None:
    """Of three, one whose state could not be read leaves no room for a restart."""
    case = built(THREE)
    case.world.computers["cp-3"].unreadable.add(Key("service", ETCD))
    age(case, "cp-1")
    with pytest.raises(QuorumError) as caught:
        case.look().plan()
    assert "not healthy now: cp-3" in caught.value.why


def test_a_member_that_the_plan_starts_first_counts() -> None:
    """A gate waits for it before any other is taken away."""
    case = built(THREE)
    stop(case, "cp-3")
    age(case, "cp-1")
    plan = case.look().plan()
    assert ("cp-1", ETCD) in restarts(plan)
    case.world.perform(plan)
    assert case.look().plan().is_empty


class TestData:
    """M9 and the first boot: an empty member never starts beside a cluster that lives."""

    @pytest.mark.parametrize("wiped", ["data", "machine"])
    def test_a_member_that_lost_its_data_is_not_started_empty(self, wiped: str) -> None:
        """Whether its data is gone or the whole machine is new, it would be a stranger."""
        case = built(THREE)
        stop(case, "cp-2")
        computer = case.world.computers["cp-2"]
        computer.etcd_data = False
        if wiped == "machine":
            computer.etcd_served = False
            computer.tree.clear()
        with pytest.raises(RefusedError) as caught:
            case.look().plan()
        assert caught.value.where == "cp-2"
        assert "has no data" in caught.value.what
        assert caught.value.exit_code == 5

    @pytest.mark.parametrize(
        ("first", "then", "seen"),
        [
            (Shape(3), Shape(3, members=1), "etcd's data is on cp-1, cp-2, cp-3"),
            (Shape(3, members=3), Shape(3), "an apiserver runs on cp-1, cp-2, cp-3"),
        ],
        ids=["to machines of its own", "to the control planes"],
    )
    def test_a_description_that_moves_etcd_elsewhere_is_refused(
        self, first: Shape, then: Shape, seen: str
    ) -> None:
        """Its apiservers would be led to an empty store, and every pod would be ended."""
        with pytest.raises(RefusedError, match="none of its etcd members") as caught:
            described_anew(first, then).look().plan()
        assert seen in caught.value.why

    def test_a_first_boot_that_was_cut_short_between_members_goes_on(self) -> None:
        """T1: one has begun, the others never did; nobody has served, so nothing is lost."""
        case = fresh(THREE)
        plan = case.look().plan()
        files, start = plan.stages[:2]
        case.world.perform(replace(plan, stages=(files,)))
        first = replace(start, steps=start.steps[:1], gates=())
        case.world.perform(replace(plan, stages=(first,)))
        assert case.world.computers["cp-1"].etcd_data
        assert not case.world.computers["cp-2"].etcd_data
        case.apply()
        assert case.world.is_live

    def test_the_last_member_of_a_first_boot_may_come_late(self) -> None:
        """Two of three already serve when the third starts for its first time."""
        case = fresh(THREE)
        plan = case.look().plan()
        files, start = plan.stages[:2]
        early = replace(start, steps=start.steps[:2], gates=())
        case.world.perform(replace(plan, stages=(files, early)))
        case.world.rest()
        assert case.world.is_live
        case.apply()
        assert case.look().plan().is_empty

    def test_a_new_cluster_needs_all_its_members(self) -> None:
        """A member that is silent may have data: without it nothing is begun."""
        case = fresh(APART)
        silence(case, "etcd-2")
        with pytest.raises(RefusedError) as caught:
            case.look()
        assert "etcd-2" in caught.value.where

    def test_a_member_that_fell_silent_after_trust_was_decided_is_refused_too(self) -> None:
        """The planner does not lean on what was looked at before it."""
        case = fresh(THREE)
        looked = case.look()
        silence(case, "cp-3")
        later = replace(looked, observation=case.world.observe(looked.wish.hosts))
        with pytest.raises(RefusedError) as caught:
            later.plan()
        assert "cp-3" in caught.value.where
        assert "no answer on SSH" in caught.value.why


class TestSilence:
    """T10, and part 5 of the issue: nothing is done to the others unless that is safe."""

    @pytest.mark.parametrize("silent", ["cp-3", "etcd-3", "lb-2"])
    def test_nothing_that_runs_is_restarted_while_a_part_of_the_control_plane_is_silent(
        self, silent: str
    ) -> None:
        """Neither store nor apiservers, controllers or balancers; and the plan says so."""
        case = built(APART, Wished.OTHER)
        silence(case, silent)
        plan = case.look().plan()
        assert restarts(plan) == set()
        assert f"{silent} could not be reached: no answer on SSH" in plan.notes
        assert any(f"is restarted while {silent} is silent" in note for note in plan.notes)
        assert any("what runs on nodes waits" in note for note in plan.notes)

    def test_nodes_go_on_where_nothing_of_the_control_plane_is_to_come_first(self) -> None:
        """Who is silent says nothing about kubelets that differ by themselves."""
        case = built(THREE)
        age(case, "w-1", "kubelet.service")
        silence(case, "cp-3")
        plan = case.look().plan()
        assert restarts(plan) == {("w-1", "kubelet.service")}
        assert not any("what runs on nodes waits" in note for note in plan.notes)

    def test_files_of_withheld_restarts_are_withheld_too(self) -> None:
        """A unit that restarts by itself meanwhile finds what it knows."""
        case = built(THREE, Wished.OTHER)
        silence(case, "cp-3")
        plan = case.look().plan()
        files = {
            change.key.name
            for stage in plan.stages
            for step in stage.steps
            if isinstance(step, Converge)
            for change in step.changes
        }
        assert not {"/etc/etcd/etcd.env", "/etc/systemd/system/kube-apiserver.service"} & files

    def test_a_unit_that_is_not_enabled_either_is_not_restarted(self) -> None:
        """To be enabled is harmless; that it also runs with older files is not."""
        case = built(THREE)
        age(case, "cp-1")
        units = case.world.computers["cp-1"].units
        units[ETCD] = replace(units[ETCD], enabled=False)
        silence(case, "cp-3")
        assert restarts(case.look().plan()) == set()

    def test_what_is_stopped_is_started_all_the_same(self) -> None:
        """Starting takes nothing away, and may be what brings quorum back."""
        case = built(THREE)
        stop(case, "cp-2")
        silence(case, "cp-3")
        plan = case.look().plan()
        assert [(h, c.key.name) for h, c in plan.changes] == [("cp-2", ETCD)]
        case.world.perform(plan)
        assert case.world.is_live

    def test_a_silent_worker_stops_nobody(self) -> None:
        """All others get what they need, restarts included."""
        case = built(THREE, Wished.OTHER)
        silence(case, "w-1")
        plan = case.look().plan()
        assert {("cp-1", ETCD), ("cp-2", ETCD), ("cp-3", ETCD)} <= restarts(plan)
        assert plan.notes == ("w-1 could not be reached: no answer on SSH",)
        case.world.perform(plan)
        assert case.look().plan().is_empty

    def test_a_silent_worker_is_not_waited_for(self) -> None:
        """A first boot without it ends: no gate asks for its node."""
        case = fresh(THREE)
        silence(case, "w-1")
        plan = case.apply()
        assert "w-1" not in repr([stage.gates for stage in plan.stages])
        assert case.look().plan().is_empty


class TestUnknown:
    """What could not be read is said, and nothing is planned for it."""

    def test_a_thing_that_could_not_be_read_is_left_alone(self) -> None:
        """With its reason as a note."""
        case = built(THREE)
        key = Key("file", "/etc/etcd/etcd.env")
        case.world.computers["cp-1"].unreadable.add(key)
        del case.world.computers["cp-1"].tree[key.name]
        plan = case.look().plan()
        assert plan.is_empty
        assert len(plan.notes) == 1
        assert "could not be read and is left alone" in plan.notes[0]

    def test_objects_that_could_not_be_read_are_said_to_be_so(self) -> None:
        """While the API is away, a plan without objects is no word on objects."""
        case = built(THREE)
        for name in ("cp-1", "cp-2", "cp-3"):
            stop(case, name, "kube-apiserver.service")
        case.world.objects.clear()
        plan = case.look().plan()
        assert not any(stage.name == "cluster objects" for stage in plan.stages)
        assert "objects of the API could not be read" in plan.notes[0]
        assert "no apiserver answers" in plan.notes[0]

    def test_equal_reasons_are_said_once(self) -> None:
        """Sixteen objects and one apiserver that is away are one note."""
        case = built(THREE)
        looked = case.look()
        names = dict.fromkeys(looked.observation.objects, Unknown("refused\n by  peer"))
        plan = replace(looked, observation=replace(looked.observation, objects=names)).plan()
        assert len(plan.notes) == 1
        assert plan.notes[0].endswith(": refused by peer")


@pytest.mark.parametrize(
    ("members", "wrong"),
    [(1, False), (2, True), (3, False), (4, True), (5, False), (6, True), (7, False), (9, True)],
)
def test_an_even_number_of_members_or_too_many_are_refused(members: int, wrong: bool) -> None:  # noqa: FBT001
    """M11: two tolerate less than one, and beyond seven writes only get slower."""
    hosts = [
        {"name": f"m{number}", "address": f"10.0.0.{number + 1}", "roles": ["etcd"]}
        for number in range(members)
    ]
    hosts.append({"name": "cp", "address": "10.0.1.1", "roles": ["control-plane"]})
    spec = ClusterSpec.model_validate({"name": "x", "hosts": hosts})
    said = [str(one.message) for one in violations(spec)]
    assert any("etcd members" in message for message in said) is wrong


def test_every_stage_that_restarts_a_member_restarts_only_that_one() -> None:
    """Whatever else is wrong, two members are never away at once by our doing."""
    plan = built(Shape(5, workers=3), Wished.OTHER).look().plan()
    for stage in plan.stages:
        hosts = {
            s.host
            for s in stage.steps
            if isinstance(s, ActOnUnits) and ETCD in {c.key.name for c in s.changes}
        }
        assert len(hosts) <= 1
