"""Scenarios of one act: hand-overs, links between machines, disks, and everybody at once."""

from __future__ import annotations

from backstay.drill.faults.kinds import (
    BlindBalancer,
    BlockNames,
    BlockVrrp,
    BreakMachine,
    BreakUnit,
    Cut,
    FillDisk,
    FlapCheck,
    Harm,
    Lose,
    MoveLeader,
    MoveVip,
    Nothing,
    Power,
    ReloadBalancer,
    Restart,
    Ring,
    Silence,
    Slow,
    StallDisk,
    Starve,
    Unit,
    Way,
)
from backstay.drill.faults.rules import PEER_PORT
from backstay.drill.faults.scenario import (
    BLINDED,
    CALM,
    CHANGED,
    CUT_OFF,
    ELECTED,
    HANDED,
    LEFT_OUT,
    LOST,
    NEXT_HOLDER,
    ONE_HOLDER,
    QUIET,
    RELEASED,
    RENEWED,
    RESTARTED,
    SERVED,
    STEPPED,
    UNNOTICED,
    Scenario,
)

PLANNED = (
    Scenario(
        "apiserver-restart",
        "The apiserver on the vip-holder is restarted in an orderly way. It is drained, not cut: "
        "no request fails, and watches go on from where they were.",
        Restart(Unit.APISERVER),
        "vip-holder",
        5.0,
        UNNOTICED,
        ("N2",),
    ),
    Scenario(
        "etcd-leader-restart",
        "The etcd leader is restarted in an orderly way. It hands over first, so that nobody "
        "waits for an election time-out; its machine's apiserver is drained before it.",
        Restart(Unit.ETCD),
        "etcd-leader",
        5.0,
        (*RESTARTED, CHANGED),
    ),
    Scenario(
        "controller-manager-restart",
        "The controller-manager that leads is restarted. It gives its lease back, and another "
        "takes it at once.",
        Restart(Unit.CONTROLLER_MANAGER),
        "controller-manager-holder",
        10.0,
        RELEASED,
    ),
    Scenario(
        "scheduler-restart",
        "The scheduler that leads is restarted. It gives its lease back, and another takes it.",
        Restart(Unit.SCHEDULER),
        "scheduler-holder",
        10.0,
        RELEASED,
    ),
    Scenario(
        "leader-hand-over",
        "The etcd leader names its heir. A planned change costs a tenth of an election; a write "
        "that is on its way from another member in that moment may be dropped (etcd#8975).",
        MoveLeader(),
        "etcd-leader",
        5.0,
        HANDED,
    ),
    Scenario(
        "vip-hand-over",
        "The holder of the virtual address gives it up in an orderly way. No request fails.",
        MoveVip(),
        "vip-holder",
        5.0,
        (*UNNOTICED, "moves=1"),
    ),
    Scenario(
        "balancer-reload",
        "The balancer on the vip-holder takes in its configuration anew. The old process serves "
        "its connections to their end: none fails, watches go on.",
        ReloadBalancer(),
        "vip-holder",
        5.0,
        UNNOTICED,
        ("N14",),
    ),
)

LINKS = (
    Scenario(
        "partition-leader-peers",
        "The etcd leader hears no other member and is heard by none, while clients reach it. The "
        "others elect; the old leader acknowledges nothing, its apiserver leaves the balancers.",
        Cut(Way.BOTH, PEER_PORT),
        "etcd-leader",
        15.0,
        (*ELECTED, LEFT_OUT),
        ("E4",),
    ),
    Scenario(
        "partition-one-way",
        "The etcd leader is heard by the others and hears none of them. It steps down when nobody "
        "seems to follow; terms do not race.",
        Cut(Way.IN, PEER_PORT),
        "etcd-leader",
        15.0,
        STEPPED,
        ("E5",),
    ),
    Scenario(
        "partition-one-way-follower",
        "A follower hears nobody and is heard. It asks for votes before it stands, so that it "
        "does not unseat a leader whom the others hear.",
        Cut(Way.IN, PEER_PORT),
        "etcd-follower",
        15.0,
        (*SERVED, "elections=0"),
        ("E5",),
    ),
    Scenario(
        "partition-ring",
        "Each member sees only its neighbours; of three, the two ends do not see each other. "
        "There is one leader, or clearly none: never two that acknowledge.",
        Ring(),
        "all-members",
        15.0,
        CALM,
        ("E6",),
    ),
    Scenario(
        "machine-cut-off",
        "The holder of the virtual address is cut off from all other machines. They elect, take "
        "the address and serve; both sides claim it until the cut heals, one side can write.",
        Cut(),
        "vip-holder",
        15.0,
        (*CUT_OFF, NEXT_HOLDER, ONE_HOLDER),
        after=5.0,
    ),
    Scenario(
        "link-slow",
        "What the etcd leader's machine sends leaves at 4 Mbit/s. Everything is slower; nothing "
        "fails and no leader falls for it.",
        Slow(4000),
        "etcd-leader",
        15.0,
        CALM,
    ),
    Scenario(
        "link-lossy",
        "One packet of twenty that reaches the etcd leader's machine is lost. TCP sends it again; "
        "nothing fails.",
        Lose(5),
        "etcd-leader",
        15.0,
        CALM,
    ),
    Scenario(
        "balancer-blind-vip-holder",
        "The balancer that holds the virtual address lives and reaches no apiserver. Its check "
        "asks it, fails, and the address moves.",
        BlindBalancer(),
        "vip-holder",
        15.0,
        BLINDED,
        ("N5",),
    ),
    Scenario(
        "vrrp-blocked",
        "No balancer hears another's adverts: several claim the virtual address. All of them "
        "serve, nothing is lost, and three seconds after it heals one holder is left.",
        BlockVrrp(),
        "all-balancers",
        15.0,
        (*SERVED, ONE_HOLDER),
        ("N6",),
        after=5.0,
    ),
    Scenario(
        "check-flapping",
        "The check of the vip-holder fails for six seconds and holds for six, again and again, as "
        "its balancer hears apiservers. Nobody preempts: the address moves once and stays.",
        FlapCheck(6.0),
        "vip-holder",
        60.0,
        (*CALM, "moves<=1"),
        ("N7",),
    ),
    Scenario(
        "connection-silent-drop",
        "The connections of a worker to the endpoint die without a word; new ones work. The "
        "kubelet notices by its pings within 45 s, and its node stays Ready.",
        Silence(),
        "worker",
        # Were it to hang until they are back, its node would be given up 50 s after its last word.
        75.0,
        RENEWED,
        ("N9",),
    ),
    Scenario(
        "names-fail",
        "No machine gets an answer from its name servers. Nothing in the control plane asks "
        "them: nobody notices. Pods are answered on, but CoreDNS not by the servers behind it.",
        BlockNames(),
        "all-hosts",
        20.0,
        UNNOTICED,
        ("N11",),
    ),
)

REST = (
    Scenario(
        "etcd-kill-all",
        "Every member of etcd is killed at once. All come back with every write that they "
        "acknowledged: they had handed it to their kernels.",
        BreakUnit(Unit.ETCD, Harm.KILL),
        "all-members",
        10.0,
        CALM,
    ),
    Scenario(
        "etcd-power-cut-all",
        "All machines with a member of etcd lose their power at once, and with it what their "
        "disks had not been sent. They come back with every write that they acknowledged.",
        BreakMachine(Power.CUT),
        "all-members",
        10.0,
        # Nodes among them may well be given up before they are back.
        (LOST,),
        ("E8",),
    ),
    Scenario(
        "machine-power-cut-etcd-leader",
        "The machine of the etcd leader loses its power, and with it what its disk had not been "
        "sent. The others serve, and it comes back with every write that it acknowledged.",
        BreakMachine(Power.CUT),
        "etcd-leader",
        10.0,
        SERVED,
        ("E8",),
    ),
    Scenario(
        "disk-slow-leader",
        "The leader's disk hangs for 1.4 of every 1.5 seconds, longer than an election takes. "
        "Leadership moves to a member whose disk writes; nothing is lost.",
        StallDisk(pause=1400, every=1500),
        "etcd-leader",
        20.0,
        CALM,
        ("E14",),
    ),
    Scenario(
        "disk-stalled-leader",
        "The leader's disk takes no write at all. The others elect and serve; when the disk "
        "comes back, the member follows.",
        StallDisk(),
        "etcd-leader",
        10.0,
        (*CALM, CHANGED),
        ("E14",),
    ),
    Scenario(
        "disk-full-follower",
        "The disk under one member has no room left. The others serve.",
        FillDisk(),
        "etcd-follower",
        15.0,
        SERVED,
        ("E9",),
    ),
    Scenario(
        "etcd-leader-starved",
        "The leader gets a tenth of a processor. It serves slowly or loses its place to one that "
        "does not; nothing is lost.",
        Starve(Unit.ETCD, 10),
        "etcd-leader",
        20.0,
        CALM,
        ("E14",),
    ),
    Scenario(
        "idle",
        "Nothing is done for ten minutes, while clients work. No watch is cut, nor one on which "
        "nothing happens, nor an `exec` that says nothing; nobody is elected, the address stays.",
        Nothing(),
        "any-plane",
        600.0,
        QUIET,
        ("N8",),
    ),
)
