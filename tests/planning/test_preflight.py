"""Whether machines are fit: all problems of all machines in one report, before any change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from backstay.errors import PreflightError
from backstay.planning.observation import HostSeen, Observation, Unreachable
from backstay.planning.preflight import Problem, interfaces, problems, require_fit
from backstay.resources.resource import Facts, Key, Unknown
from fakes.clusters import Shape, fresh, spec_of, survey

SHAPE = Shape(1, members=3, balancers=1, workers=1)
SPEC = spec_of(SHAPE)
US = "law f00d"


def host(
    name: str, records: Mapping[Key, Facts | Unknown | None] | None = None, **said: str
) -> HostSeen:
    """A machine that is fit, save for what it says otherwise."""
    address = str(SPEC.host(name).internal)
    units = {Key("service", "any.service"): None}
    return HostSeen({**dict(survey(name, address)), **said}, units if records is None else records)


def found(**hosts: HostSeen) -> tuple[Problem, ...]:
    """The problems when these machines are as said and all others are fit."""
    all_ = {one.name: host(one.name) for one in SPEC.hosts}
    named = {name.replace("_", "-"): seen for name, seen in hosts.items()}
    return problems(SPEC, Observation({**all_, **named}), incarnation="f00d")


def checks(**hosts: HostSeen) -> list[tuple[str, str]]:
    return [(problem.host, problem.check) for problem in found(**hosts)]


def test_machines_that_are_fit_have_no_problem() -> None:
    """Nothing is asked of a good machine."""
    assert found() == ()
    require_fit(found())


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("not-root", {"uid": "1000"}),
        ("etc-read-only", {"etc_writable": "no"}),
        ("architecture", {"architecture": "aarch64"}),
        ("hostname-differs", {"hostname": "debian"}),
        ("address-missing", {"addresses": "lo=127.0.0.1/8,eth0=10.9.9.9/24,"}),
        ("address-missing", {"addresses": ""}),
        ("swap-on", {"swap": "1"}),
        ("systemd-old", {"systemd": "245"}),
        ("systemd-old", {"systemd": ""}),
        ("disk-full", {"free_kilobytes": str(2 * 1024 * 1024 - 1)}),
        ("disk-full", {"free_kilobytes": ""}),
        ("leftovers", {"leftovers": "/etc/kubernetes "}),
        ("other-cluster", {"cluster": "prod f00d "}),
        ("other-cluster", {"cluster": "law beef ", "etcd_data": "yes"}),
        ("port-in-use", {"listening": "22,6443,"}),
        ("port-in-use", {"listening": "10250,"}),
    ],
)
def test_each_problem_is_found_by_itself(check: str, said: Mapping[str, str]) -> None:
    """I5, I6: one thing wrong on one machine is one problem with its id."""
    assert checks(cp_1=host("cp-1", **said)) == [("cp-1", check)]


@pytest.mark.parametrize(
    ("name", "program"),
    [
        *(
            ("cp-1", program)
            for program in ("base64", "sha256sum", "awk", "mount", "nft", "iptables")
        ),
        *(("lb-1", program) for program in ("haproxy", "keepalived", "curl", "nft")),
    ],
)
def test_a_missing_program_is_named_where_it_is_needed(name: str, program: str) -> None:
    """With the command that installs it."""
    present = dict(survey(name, "")).get("programs", "").split()
    said = " ".join(one for one in present if one != program)
    (problem,) = found(**{name: host(name, programs=said)})
    assert problem.check == "program-missing"
    assert program in problem.what
    assert problem.next_move.startswith("apt-get install")


@pytest.mark.parametrize(
    ("name", "program"), [("w-1", "haproxy"), ("etcd-1", "nft"), ("lb-1", "mount")]
)
def test_a_program_that_the_machine_does_not_need_may_be_missing(name: str, program: str) -> None:
    """A worker needs no balancer's programs."""
    present = dict(survey(name, "")).get("programs", "").split()
    said = " ".join(one for one in present if one != program)
    assert found(**{name: host(name, programs=said)}) == ()


def test_everything_is_said_at_once() -> None:
    """I6: swap, a taken port, no root, read-only /etc on three machines are one report."""
    with pytest.raises(PreflightError) as caught:
        require_fit(
            found(
                cp_1=host("cp-1", swap="2", listening="6443,"),
                w_1=host("w-1", uid="1000"),
                etcd_2=host("etcd-2", etc_writable="no", listening="2380,"),
            )
        )
    assert caught.value.exit_code == 3
    assert caught.value.what == "5 problems to solve first; nothing changed"
    for check in ("swap-on", "port-in-use", "not-root", "etc-read-only"):
        assert f"[{check}]" in caught.value.why
    assert caught.value.why.index("cp-1") < caught.value.why.index("etcd-2")
    assert caught.value.why.count("next: ") == 5


def test_a_check_can_be_skipped_by_its_id() -> None:
    """The others still hold."""
    wrong = found(cp_1=host("cp-1", swap="2", uid="1000"))
    with pytest.raises(PreflightError) as caught:
        require_fit(wrong, skipped=frozenset({"swap-on"}))
    assert caught.value.what.startswith("1 problem ")
    require_fit(wrong, skipped=frozenset({"swap-on", "not-root"}))


@pytest.mark.parametrize("state", ["active", "activating", "reloading", "deactivating"])
def test_a_port_that_our_own_unit_holds_is_no_problem(state: str) -> None:
    """A cluster that runs is looked at in the same way."""
    records = {Key("service", "kube-apiserver.service"): {"active": state}}
    assert checks(cp_1=host("cp-1", records, listening="6443,")) == []


@pytest.mark.parametrize(
    "record", [None, Unknown("?"), {"active": "inactive"}, {"active": "failed"}]
)
def test_a_port_that_nobody_of_ours_holds_is_one(record: Facts | Unknown | None) -> None:
    """Unknown is not ours."""
    records = {Key("service", "kube-apiserver.service"): record}
    assert checks(cp_1=host("cp-1", records, listening="6443,")) == [("cp-1", "port-in-use")]


def test_a_port_matters_only_where_it_is_needed() -> None:
    """A worker may serve what it likes on 2379; the endpoint's port is the balancer's."""
    assert checks(w_1=host("w-1", listening="2379,8443,")) == []
    assert checks(lb_1=host("lb-1", listening="8443,")) == [("lb-1", "port-in-use")]


@pytest.mark.parametrize(
    ("skews", "wrong"),
    [
        ((0.0, 0.1, -0.1), ()),
        ((0.0, 1.9, -0.05), ()),
        ((0.0, 2.1, 0.0), ("etcd-2",)),
        ((0.0, 0.0, -2.1), ("etcd-3",)),
        ((5.0, 5.1, 0.0), ("etcd-3",)),
        ((3600.0, 3600.1, 3600.2), ()),
    ],
)
def test_clocks_that_are_two_seconds_apart_are_refused(
    skews: tuple[float, ...], wrong: tuple[str, ...]
) -> None:
    """P2: measured against each other; that this computer's own clock is off is no matter."""
    seen = {
        f"etcd-{number}": host(f"etcd-{number}", clock_skew=f"{skew:.3f}")
        for number, skew in enumerate(skews, 1)
    }
    assert problems_of_clocks(seen) == [(name, "clock-skew") for name in wrong]


def problems_of_clocks(seen: Mapping[str, HostSeen]) -> list[tuple[str, str]]:
    hosts = problems(SPEC, Observation(seen), incarnation="f00d")
    return [(problem.host, problem.check) for problem in hosts]


def test_two_clocks_that_differ_are_both_suspects_of_one_problem() -> None:
    """With two nobody knows who is right; one of them is named."""
    seen = {n: host(n, clock_skew=s) for n, s in (("etcd-1", "0"), ("etcd-2", "9"))}
    assert len(problems_of_clocks(seen)) == 1


def test_a_clock_that_was_not_read_is_not_judged() -> None:
    """Unknown is not zero."""
    assert found(cp_1=host("cp-1", clock_skew="")) == ()


def test_a_silent_machine_is_not_judged() -> None:
    """Whether that matters is decided elsewhere."""
    everybody = {one.name: Unreachable("no route") for one in SPEC.hosts}
    assert problems(SPEC, Observation(everybody), incarnation="f00d") == ()


class TestMarks:
    """I5: whose machine it is, by the mark that every cluster leaves."""

    def test_our_own_mark_is_no_problem(self) -> None:
        """The second run looks at machines with leftovers: its own."""
        assert checks(cp_1=host("cp-1", cluster=f"{US} ", leftovers="/var/lib/etcd ")) == []

    @pytest.mark.parametrize(
        "record",
        [
            {"enabled": "enabled", "active": "inactive"},
            {"enabled": "disabled", "active": "active"},
            {"enabled": "disabled", "active": "activating"},
            {"enabled": "disabled", "active": "failed"},
            Unknown("systemd does not answer"),
        ],
    )
    def test_a_cluster_of_the_same_name_that_began_is_another(
        self, record: Facts | Unknown
    ) -> None:
        """It has other authorities, and something of it was started: it may live."""
        records = {Key("service", "kubelet.service"): record}
        assert checks(w_1=host("w-1", records, cluster="law beef ")) == [("w-1", "other-cluster")]

    @pytest.mark.parametrize("record", [None, {"enabled": "disabled", "active": "inactive"}])
    def test_a_run_that_was_cut_short_before_it_started_anything_is_no_cluster(
        self, record: Facts | None
    ) -> None:
        """T1: its authorities may have been lost with it, and the next run has others."""
        records = {Key("service", "kubelet.service"): record}
        assert checks(w_1=host("w-1", records, cluster="law beef ")) == []
        assert checks(w_1=host("w-1", {}, cluster="law beef ")) == [("w-1", "other-cluster")]
        assert checks(w_1=host("w-1", records, cluster="prod beef ")) == [("w-1", "other-cluster")]


def test_a_run_that_failed_on_all_control_planes_can_be_run_again() -> None:
    """The worker has the mark of authorities that no machine has; they are made anew."""
    case = fresh(Shape(3, workers=1))
    (worker,) = [step for step in case.look().plan().stages[0].steps if step.host == "w-1"]
    plan = case.look().plan()
    stage = replace(plan.stages[0], steps=(worker,))
    case.world.perform(replace(plan, stages=(stage,)))
    assert case.world.computers["w-1"].text("/etc/backstay/cluster").startswith("law ")
    case.apply()
    assert case.look().plan().is_empty


def test_addresses_are_read_with_their_interfaces() -> None:
    """Of both families, without their lengths."""
    said = {"addresses": "lo=127.0.0.1/8,eth0=10.0.0.1/24,eth0=fe80::1/64,"}
    assert interfaces(said) == {"127.0.0.1": "lo", "10.0.0.1": "eth0", "fe80::1": "eth0"}
    assert interfaces({}) == {}


def test_whoever_speaks_for_our_address_is_told_once() -> None:
    """N12: by which balancer heard it first; one that speaks for others is nobody's business."""
    heard = {"vrrp_router": "10.0.0.77, 10.0.0.78", "vrrp_address": "10.0.0.77"}
    silent = {"vrrp_router": "", "vrrp_address": ""}
    assert found(lb_1=host("lb-1", **silent)) == ()
    told = found(cp_1=host("cp-1", **heard), lb_1=host("lb-1", **heard))
    assert [(one.host, one.check, one.what.split()[0]) for one in told] == [
        ("cp-1", "router-id-in-use", "10.0.0.77"),
        ("cp-1", "router-id-in-use", "10.0.0.78"),
        ("cp-1", "address-in-use", "10.0.0.77"),
    ]
    router, vip = SPEC.endpoint.virtual_router_id, SPEC.endpoint.vip
    assert told[0].what.endswith(f"with the router id {router}, which is to be ours")
    assert told[2].what.endswith(f"the virtual address {vip}, which is to be ours")
