"""Numbers are what a history shows, and nothing that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    Client,
    Connection,
    Header,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
    Record,
    WatchEvent,
)
from backstay.drill.load.failures import Failure
from backstay.drill.report.numbers import ASKED_AGAIN, measure
from backstay.drill.report.times import Gap
from fakes.drill_stories import BACK, FAULT, MARKS, MILLISECOND, story
from fakes.drill_stories import FINAL as ENDED
from fakes.drill_stories import UNDONE as THAWED

HEADER = Header(
    scenario="x",
    cluster="lab",
    started="2026-01-01T00:00:00Z",
    command="backstay drill run x",
    seed=1,
    clients=(
        Client("user", Path.VIP, Connection.KEPT),
        Client("pod", Path.SERVICE, Connection.KEPT),
        Client("member", Path.ETCD, Connection.NEW),
        Client("watch", Path.VIP, Connection.KEPT, watches=True),
    ),
)
INJECTED = Mark(2 * SECOND, Kind.FAULT, "cp-1", "injected", "kill")
UNDONE = Mark(6 * SECOND, Kind.FAULT, "cp-1", "undone", "kill")
FINAL = Mark(8 * SECOND, Kind.PHASE, "final")


def history(*records: Record) -> History:
    return History(HEADER, (INJECTED, UNDONE, FINAL, *records))


def write(second: float, outcome: Outcome = Outcome.OK, *, client: str = "user") -> Operation:
    """A write that took ten milliseconds and returned at that second."""
    at = int(second * SECOND)
    modified = int(second * 1000) if outcome is Outcome.OK else None
    error = "" if outcome is Outcome.OK else "reset"
    return Operation(
        client, Action.WRITE, "a", at - 10**7, at, outcome, "v", modified, modified, error=error
    )


def test_the_longest_gap_is_between_answers_from_the_fault_on() -> None:
    """A longer one before the fault is no consequence of it."""
    found = measure(history(*(write(at) for at in (0.1, 1.9, 2.1, 3.3, 4, 5, 6, 7, 7.9))))
    assert found.write_gap == Gap(2100 * MILLISECOND, 3300 * MILLISECOND)
    assert found.write_gap.seconds == 1.2


def test_a_gap_begins_before_the_fault_if_its_last_answer_was_there() -> None:
    """What was acknowledged last counts, however late we heard that the fault began."""
    found = measure(history(write(1.9), write(3.9), *(write(at) for at in (5, 6, 7, 7.9))))
    assert found.write_gap == Gap(1900 * MILLISECOND, 3900 * MILLISECOND)
    unanswered = measure(history(write(3.9), *(write(at) for at in (5, 6, 7, 7.9))))
    assert unanswered.write_gap == Gap(2 * SECOND, 3900 * MILLISECOND)


def test_a_gap_lasts_until_the_last_call_if_nothing_is_answered_again() -> None:
    """That nothing came is no reason to forget the gap; that nobody asked any more is."""
    found = measure(history(write(1.9), write(2.5), write(7, Outcome.UNKNOWN)))
    assert found.write_gap == Gap(5 * SECOND // 2, 7 * SECOND - 10**7)


def test_only_failed_writes_are_a_gap_and_no_writes_are_none() -> None:
    """Nobody reads, so that there is no read gap; somebody tried to write in vain."""
    found = measure(history(write(3, Outcome.UNKNOWN)))
    assert found.write_gap == Gap(2 * SECOND, 3 * SECOND - 10**7)
    assert found.read_gap is None
    assert found.etcd_write_gap is None
    assert found.groups[0].p99 is None


def test_a_service_that_goes_on_does_not_hide_that_the_address_was_gone() -> None:
    """Services find their own way to an apiserver."""
    pod = tuple(write(at, client="pod") for at in (2, 3, 4, 5, 6, 7))
    found = measure(history(write(1.9), *pod, write(6), write(7)))
    assert found.write_gap == Gap(1900 * MILLISECOND, 6 * SECOND)
    failed = replace(write(3, Outcome.FAIL), client="pod")
    assert measure(history(failed)).failed == 1


def test_failed_and_unknown_are_failures_at_the_endpoint_and_clients_of_etcd_are_apart() -> None:
    """A caller sees an error both times; what is bound to one member falls with it."""
    records = (
        *(write(3, Outcome.FAIL), write(3.1, Outcome.UNKNOWN), write(3.2)),
        *(write(3, Outcome.FAIL, client="member"), write(3.1, client="member")),
        replace(write(3.3), told_to_retry=2),
    )
    found = measure(history(*records))
    assert (found.failed, found.told_to_retry, found.operations, found.acknowledged) == (2, 2, 6, 3)
    assert found.errors == {"reset": 2}
    counted = [(one.name, one.ok, one.failed, one.unknown) for one in found.groups]
    assert counted == [("etcd new", 1, 1, 0), ("vip kept", 2, 1, 1)]


def test_a_read_that_was_cut_is_asked_again_by_client_go_and_a_write_is_not() -> None:
    """Both failed; a read that was refused, or that nobody answered in time, is its caller's."""
    cut = [write(3, Outcome.UNKNOWN), write(3.1, Outcome.FAIL), write(3.2)]
    reads = [
        replace(write(4, Outcome.UNKNOWN), action=Action.READ, error=error)
        for error in (*sorted(ASKED_AGAIN), "timeout", "http 500")
    ]
    found = measure(history(*cut, *reads))
    assert (found.failed, found.handed) == (2 + 6, 2 + 2)
    assert {Failure(error) for error in ASKED_AGAIN} <= set(Failure)


def test_what_was_called_late_was_held_back() -> None:
    """A call that came on time is none, nor one whose time is not known."""
    late, on_time = write(3), write(4)
    records = (
        replace(late, due=late.called - 200 * MILLISECOND),
        replace(on_time, due=on_time.called - MILLISECOND),
        write(5),
    )
    assert [one.held_back for one in measure(history(*records)).groups] == [1]


def event(second: float, modified: int) -> WatchEvent:
    return WatchEvent("watch", int(second * SECOND), Change.PUT, modified)


def test_a_watch_is_behind_from_a_writes_answer_to_its_event() -> None:
    """An event before the answer is in time, and a later revision tells of all before it."""
    records = (write(3), write(4), write(5), event(2.995, 3000), event(5.25, 5000))
    gaps = measure(history(*records)).watch_gaps
    assert gaps == {"vip watch": Gap(4 * SECOND, 5250 * MILLISECOND)}


def test_a_watch_that_never_told_is_behind_until_the_end() -> None:
    """Silence is no proof that nothing happened."""
    assert measure(history(write(3))).watch_gaps == {"vip watch": Gap(3 * SECOND, 8 * SECOND)}


def test_a_watch_that_told_before_the_answer_was_not_behind() -> None:
    """It may hear of a write before the writer does."""
    assert measure(history(write(3), event(2.9, 3000))).watch_gaps["vip watch"].seconds == 0


def test_a_watch_of_another_store_is_not_asked() -> None:
    """A watch on the apiserver knows no revision of etcd's own keys."""
    assert measure(history(write(3, client="member"))).watch_gaps == {}


def test_what_nobody_told_of_is_not_zero() -> None:
    """Without a mark of its kind, nothing is known of leaders, addresses, leases and nodes."""
    found = measure(history(write(3)))
    unknown = (found.elections, found.vip_moves, found.reelected, found.vip_moved, found.detected)
    assert unknown == (None, None, None, None, None)
    assert found.lease_gaps == {}
    assert found.nodes == ()


def test_the_story_of_a_frozen_leader_in_numbers() -> None:
    """Times count from the fault: noticed, elected, moved, taken over, healed."""
    found = measure(story())
    assert (found.detected, found.reelected, found.elections) == (0.61, 1.24, 1)
    assert (found.vip_moved, found.vip_moves) == (1.38, 1)
    assert found.lease_gaps == {"kube-scheduler": 3.1}
    assert (found.out, found.healed, found.vip_split) == (0.7, 0.95, 0.06)
    assert found.not_ready == ()
    assert found.write_gap is not None
    assert 1.4 < found.write_gap.seconds < 1.6
    assert found.write_gap.begin < FAULT + 100 * MILLISECOND < BACK <= found.write_gap.end


def unit(at: int, state: str = "exited") -> Mark:
    return Mark(at, Kind.UNIT, "cp-1", state, "kube-scheduler: code=1")


def overlaps(*more: Mark, marks: tuple[Mark, ...] = MARKS) -> Mapping[str, float]:
    return measure(History(story().header, (*marks, *more))).lease_overlaps


def test_two_holders_overlap_from_the_thaw_until_the_first_ones_process_ends() -> None:
    """A frozen scheduler did nothing; awake, it finds its lease gone, and exits: too late."""
    assert overlaps(unit(THAWED + SECOND // 2)) == {"kube-scheduler": 0.5}


def test_a_thawed_holder_that_never_ends_overlaps_until_the_end() -> None:
    """Its machine was heard meanwhile; of one that was not, nothing is known."""
    assert overlaps() == {"kube-scheduler": (ENDED - THAWED) / SECOND}
    silent = tuple(one for one in MARKS if one.subject != "cp-1" or one.at <= THAWED)
    assert overlaps(marks=silent) == {}


def test_a_holder_that_was_not_frozen_overlaps_from_the_next_ones_lease() -> None:
    """Nothing kept it from working."""
    killed = tuple(replace(one, detail=one.detail.replace("freeze", "kill")) for one in MARKS)
    acquired = next(one for one in MARKS if one.detail == "acquired")
    assert overlaps(unit(acquired.at + SECOND // 4), marks=killed) == {"kube-scheduler": 0.25}
    assert overlaps(marks=killed) == {}


def test_of_several_overlaps_of_a_lease_the_longest_counts() -> None:
    """Who takes it again from the next one takes nothing back of what was."""
    acquired = next(one for one in MARKS if one.detail == "acquired")
    again = replace(acquired, at=THAWED + SECOND, state="cp-3")
    assert overlaps(unit(THAWED + SECOND // 2), again) == {"kube-scheduler": 0.5}


def test_a_process_that_ended_in_time_does_not_overlap() -> None:
    """Zero was seen, and is something else than not seen."""
    assert overlaps(unit(FAULT + 1)) == {"kube-scheduler": 0.0}


def test_a_node_is_named_once_however_often_it_was_not_ready() -> None:
    """Before the fault does not count."""
    marks = [
        Mark(at * SECOND, Kind.NODE, name, state)
        for at, name, state in ((1, "w", "False"), (3, "w", "True"), (4, "v", "Unknown"))
    ]
    found = measure(history(*marks, *marks))
    assert (found.nodes, found.not_ready) == (("v", "w"), ("v",))


def test_healing_lasts_until_the_last_failure_after_the_undoing() -> None:
    """A failure before belongs to the fault."""
    assert measure(history(write(5, Outcome.FAIL), write(7))).healed == 0
    assert measure(history(write(6.5, Outcome.FAIL), write(7))).healed == 0.5


def test_healing_lasts_until_the_last_part_is_up_again() -> None:
    """Nobody may have noticed that an apiserver started ten seconds later; never is no time."""
    down = Mark(3 * SECOND, Kind.READY, "lb", "down", "cp-1: Layer4 connection problem")
    up = Mark(7 * SECOND, Kind.READY, "lb", "up", "cp-1: Layer7 check passed")
    assert measure(history(write(7), down, up)).healed == 1
    assert measure(history(write(7), down)).healed is None
    assert measure(history(write(7), down, replace(up, detail="cp-2: passed"))).healed is None


def test_a_client_that_hangs_shows_though_all_others_are_served() -> None:
    """The gap of all hides it: another client has an answer in between."""
    clients = (*HEADER.clients, Client("other", Path.VIP, Connection.KEPT))
    served = tuple(write(at / 10, client="other") for at in range(1, 80))
    records = (INJECTED, UNDONE, FINAL, *served, write(1.9), write(5.9), write(7.9))
    found = measure(History(replace(HEADER, clients=clients), records))
    assert found.write_gap is not None
    assert found.write_gap.seconds < 0.2
    assert found.client_gap == Gap(1900 * MILLISECOND, 5900 * MILLISECOND)
    assert found.of("service kept").client_gap is None


def test_what_failed_before_the_fault_is_none_of_its_doing() -> None:
    """It is counted apart; what comes before the fault's sign, but after we began it, is not."""
    began = Mark(SECOND, Kind.PHASE, "fault")
    retried = replace(write(0.6), told_to_retry=1)
    found = measure(history(began, write(0.5, Outcome.FAIL), retried, write(1.5, Outcome.FAIL)))
    assert (found.failed, found.failed_before, found.told_to_retry) == (1, 1, 0)
    assert found.errors == {"reset": 1}
    assert [one.failed for one in found.groups] == [1]


def test_a_sign_that_arrives_late_hides_no_consequence() -> None:
    """A balancer's word may be there before ours: it noticed at once."""
    began = Mark(SECOND, Kind.PHASE, "fault")
    down = Mark(1900 * MILLISECOND, Kind.READY, "lb", "down", "cp-1: no answer")
    assert measure(history(began, down)).detected == 0
    assert measure(history(down)).detected is None


def balancer(second: float, name: str, server: str = "cp-1", state: str = "down") -> Mark:
    return Mark(int(second * SECOND), Kind.READY, name, state, f"{server}: Layer7 timeout")


def out(*marks: Mark, injected: Mark = INJECTED) -> float | None:
    header = replace(HEADER, targets=("cp-1",), planes=("cp-1", "cp-2"))
    return measure(History(header, (injected, UNDONE, FINAL, *marks))).out


def test_an_apiserver_is_out_once_every_balancer_has_left_it_out() -> None:
    """The first balancer is not enough, and one that never did leaves it open."""
    counted = Mark(7 * SECOND, Kind.SESSIONS, "cp-3", "7", "cp-2")
    assert out(balancer(3, "cp-1"), balancer(4, "cp-2"), balancer(5, "cp-2")) == 2
    assert out(balancer(3, "cp-1"), balancer(4, "cp-2"), counted) is None
    assert out(balancer(3, "cp-1", "cp-2")) is None
    assert out(balancer(3, "cp-1", state="up")) is None
    assert out() is None


def test_the_balancer_of_a_machine_that_is_gone_is_not_asked() -> None:
    """It could not say so; that of a machine whose apiserver alone is frozen could."""
    counted = Mark(7 * SECOND, Kind.SESSIONS, "cp-1", "7", "cp-2")
    machine = replace(INJECTED, detail="freeze the machine")
    assert out(balancer(4, "cp-2"), counted, injected=machine) == 2
    assert out(balancer(4, "cp-2"), counted) is None


def leader(second: float, name: str, term: str = "", *, by: str = "cp-2") -> Mark:
    return Mark(int(second * SECOND), Kind.LEADER, by, name, term)


def elections(*marks: Mark) -> tuple[int | None, float | None]:
    found = measure(history(leader(0, "cp-1", "4"), *marks))
    return found.elections, found.reelected


def test_an_election_that_the_same_member_wins_is_one() -> None:
    """Its term says so; two followers that tell of it are one election."""
    again = (leader(3, ""), leader(3.5, "cp-1", "6"), leader(3.6, "cp-1", "6", by="cp-3"))
    assert elections(*again) == (1, 1.5)
    assert elections(*again, leader(5, "cp-2", "7")) == (2, 1.5)


def test_a_member_that_starts_and_follows_the_old_leader_elects_nobody() -> None:
    """Nor does one that tells late of a term that is over."""
    assert elections(leader(3, "", by="cp-3"), leader(4, "cp-1", "4", by="cp-3")) == (0, None)
    late = (leader(3, "cp-2", "5"), leader(4, "cp-1", "4", by="cp-3"), leader(5, "cp-2", "5"))
    assert elections(*late) == (1, 1)


def test_without_terms_another_leader_is_a_new_one() -> None:
    """So were histories written that knew none."""
    found = measure(history(leader(0, "cp-1"), leader(3, "cp-2", "9"), leader(4, "cp-3", "9")))
    assert (found.elections, found.reelected) == (1, 1)


def holds(second: float, name: str, state: str = "holds") -> Mark:
    return Mark(int(second * SECOND), Kind.VIP, name, state)


def test_two_holders_are_a_split_only_once_the_fault_is_undone() -> None:
    """Meanwhile both must serve; what is measured is how long it takes to heal."""
    both = (holds(0, "cp-1"), holds(3, "cp-2"))
    assert measure(history(*both, holds(6.5, "cp-1", "backup"))).vip_split == 0.5
    assert measure(history(*both, holds(5, "cp-1", "backup"))).vip_split == 0
    assert measure(history(*both)).vip_split == 2
    assert measure(history()).vip_split is None


def test_a_machine_that_was_gone_and_did_not_speak_again_proves_no_split() -> None:
    """It may hold the address, or may have forgotten it with its power."""
    gone = Mark(2 * SECOND, Kind.FAULT, "cp-1", "injected", "kill the machine")
    both = (holds(0, "cp-1"), holds(3, "cp-2"))
    assert measure(history(gone, *both)).vip_split is None
    assert measure(history(gone, *both, holds(6.5, "cp-1", "backup"))).vip_split == 0.5


def test_an_apiserver_that_no_balancer_is_connected_to_has_none() -> None:
    """Balancers tell only of those that they have connections to; where none tells, who knows."""
    header = replace(HEADER, planes=("cp-1", "cp-2"))
    counted = Mark(7 * SECOND, Kind.SESSIONS, "cp-1", "7", "cp-2")
    assert measure(replace(history(counted), header=header)).sessions == {"cp-1": 0, "cp-2": 7}
    assert measure(replace(history(), header=header)).sessions == {}


def test_a_groups_numbers_take_the_place_of_the_endpoints() -> None:
    """An objective of one group is held against that group alone."""
    found = measure(history(write(3), write(3, Outcome.FAIL), write(3, client="member")))
    assert (found.failed, found.of("etcd new").failed, found.of("vip kept").failed) == (1, 0, 1)
    assert found.of("node kept").groups == ()


def test_a_node_is_silent_between_its_renewals_and_until_the_end() -> None:
    """A longer silence before the fault is no consequence of it."""

    def renewals(*seconds: float) -> tuple[Mark, ...]:
        return tuple(Mark(int(at * SECOND), Kind.RENEWAL, "w-1") for at in seconds)

    assert measure(history(*renewals(0, 1.9, 2.5, 6, 7))).renewal_gaps == {"w-1": 3.5}
    assert measure(history(*renewals(0, 1.9, 2.5))).renewal_gaps == {"w-1": 5.5}
    assert measure(history()).renewal_gaps == {}
