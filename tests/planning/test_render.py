"""The plan as text, as unified diffs and as JSON: the same facts, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from inline_snapshot import external_file, snapshot

from backstay.planning import render
from backstay.planning.look import ASCII, PLAIN, Detail, Look, Tone
from backstay.planning.plan import (
    ActOnUnits,
    ApiReady,
    ApplyObjects,
    Change,
    Converge,
    EtcdHealthy,
    LeasesHeld,
    Plan,
    Stage,
    UnitsActive,
)
from backstay.resources.content import Artefact, Kept, Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.kernel import Module
from backstay.resources.resource import Diff, Resource
from backstay.resources.service import Service, Tier
from backstay.spec.model import ClusterSpec

HOSTS = ("cp-1", "cp-2", "cp-3")
SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [
            {"name": name, "address": f"10.0.0.1{number}", "roles": ["control-plane"]}
            for number, name in enumerate(HOSTS)
        ],
    }
)
KEY_BYTES = "canary-of-a-private-key"
KEY_DIGEST = "5ec2e7" * 10


def anew(resource: Resource) -> Change:
    """Return the change that makes a thing that is not there."""
    return Change(resource, resource.diff(None))


def altered(path: str, *, have: str, want: str) -> Change:
    """Return the change of a file's content."""
    diff = Diff("sha256", Text(want).digest, Text(have).digest)
    return Change(File(path, Text(want)), (diff,), have)


def first_boot(host: str) -> Iterable[Change]:
    """Yield what a fresh machine gets."""
    for name in ("apiserver", "audit", "encryption"):
        yield anew(File(f"/etc/kubernetes/{name}.yaml", Text(f"{name} of {host}\n")))
    yield anew(File("/etc/kubernetes/pki/sa.key", Kept("sa.key", KEY_DIGEST)))
    yield anew(Directory("/etc/kubernetes", "700"))
    yield anew(Module("overlay"))
    yield anew(Binary("/usr/local/bin/etcd", Artefact("etcd", "d" * 64)))


UNITS = tuple(
    anew(Service(f"{name}.service", "digest", tier))
    for name, tier in (
        ("etcd", Tier.ETCD),
        ("kube-apiserver", Tier.APISERVER),
        ("kubelet", Tier.NODE),
        ("kube-proxy", Tier.NODE),
    )
)
BOOT = Plan(
    "spec-digest",
    "seen-digest",
    (
        Stage("files", tuple(Converge(host, tuple(first_boot(host))) for host in HOSTS)),
        Stage(
            "start",
            tuple(ActOnUnits(host, UNITS) for host in HOSTS),
            gates=(
                *(EtcdHealthy(host) for host in HOSTS),
                *(ApiReady(host) for host in HOSTS),
                LeasesHeld(("kube-scheduler",)),
            ),
        ),
        Stage(
            "cluster objects",
            (
                ApplyObjects(
                    ({}, {}, {}),
                    ("Namespace//a", "ConfigMap/kube-system/b", "ConfigMap/kube-system/c"),
                    tuple((Diff("object", "present", None),) for _ in range(3)),
                ),
            ),
        ),
    ),
    quorum="2 of 3 needed, 0 healthy now; tolerates 0 failures",
)
ROLLING = Plan(
    "spec-digest",
    "seen-digest",
    (
        Stage(
            "files",
            (Converge("cp-2", (altered("/etc/etcd/etcd.env", have="a\nb\n", want="a\nc\nd\n"),)),),
        ),
        Stage(
            "etcd cp-1",
            (
                ActOnUnits(
                    "cp-1",
                    (
                        Change(
                            Service("etcd.service", "new", Tier.ETCD),
                            (Diff("digest", "new", "old"),),
                        ),
                    ),
                ),
            ),
            gates=(UnitsActive("cp-1", ("etcd.service",)), EtcdHealthy("cp-1")),
            requires=(EtcdHealthy("cp-1"), EtcdHealthy("cp-2")),
            at_once=1,
        ),
        Stage(
            "cluster objects",
            (
                ApplyObjects(
                    ({},),
                    ("Deployment/kube-system/coredns",),
                    ((Diff("spec.replicas", "2", "1"),),),
                ),
            ),
        ),
    ),
    quorum="2 of 3 needed, 3 healthy now; tolerates 1 failure",
    notes=("cp-3 could not be reached: no answer on SSH",),
)
EMPTY = Plan("spec-digest", "seen-digest", ())


def test_a_first_boot_groups_equal_hosts_and_counts_equal_things() -> None:
    """Three equal machines are one block, many files are one line, and gates are counted."""
    assert render.text(BOOT, spec=SPEC) == snapshot("""\
  cp-1 cp-2 cp-3 + 4 files                    /etc/kubernetes (3), /etc/kubernetes/pki
                 + /etc/kubernetes
                 + module overlay
                 + /usr/local/bin/etcd
                 + 4 units                    etcd, kube-apiserver, kubelet, kube-proxy
  cluster        + 3 objects                  Namespace, ConfigMap (2)

Order   files (3 hosts at once) → start (3 hosts at once) → [gate: etcd healthy ×3, apiserver ready
        ×3, leases held] → cluster objects
Quorum  2 of 3 needed, 0 healthy now; tolerates 0 failures

Plan: 36 to add, 0 to change, 0 to remove.
""")


def test_a_rolling_change_says_what_differs_and_why() -> None:
    """Each change stands by itself with its reason; what was left alone is a note."""
    assert render.text(ROLLING, spec=SPEC) == snapshot("""\
  cp-1           ~ etcd.service               restart (runs with older files)
  cp-2           ~ /etc/etcd/etcd.env         content +2 −1
  cluster        ~ Deployment/kube-system/coredns spec.replicas 1 → 2

Order   files (cp-2) → [gate: etcd healthy ×2] → etcd cp-1 → [gate: units active, etcd healthy] →
        cluster objects
Quorum  2 of 3 needed, 3 healthy now; tolerates 1 failure
Note    cp-3 could not be reached: no answer on SSH

Plan: 0 to add, 3 to change, 0 to remove.
""")


def test_nothing_to_do_is_said_so() -> None:
    """An empty plan is one sentence."""
    assert render.text(EMPTY, spec=SPEC) == "No changes: 3 hosts as cluster.yaml wishes.\n"


def test_every_single_thing_is_named_on_demand() -> None:
    """With full detail nothing is counted together or cut off."""
    text = render.text(BOOT, spec=SPEC, look=replace(PLAIN, detail=Detail.FULL))
    for host in HOSTS:
        for change in first_boot(host):
            assert change.key.name in text
    assert "…" not in text


def test_marks_can_be_had_in_ascii() -> None:
    """Without Unicode the text has the same lines, in ASCII."""
    look = Look(marks=ASCII)
    text = render.text(ROLLING, spec=SPEC, look=look) + render.files(ROLLING, look=look)
    assert text.isascii()
    assert "spec.replicas 1 -> 2" in text


def test_marks_read_without_colours() -> None:
    """Paint only adds: taking it away leaves the plain text."""

    def paint(tone: Tone, text: str) -> str:
        del tone
        return f"<{text}>"

    painted = render.text(ROLLING, spec=SPEC, look=Look(paint=paint))
    plain = render.text(ROLLING, spec=SPEC)
    assert "<+>" not in painted
    assert "<~>" in painted
    assert [line.replace("<", "").replace(">", "").split() for line in painted.splitlines()] == [
        line.split() for line in plain.splitlines()
    ]


def test_totals_count_things_and_objects() -> None:
    """Eleven things and three objects, on three hosts."""
    assert str(render.totals(BOOT)) == "36 to add, 0 to change, 0 to remove"
    assert str(render.totals(ROLLING)) == "0 to add, 3 to change, 0 to remove"
    assert render.totals(EMPTY) == render.Totals(0, 0)


def test_files_are_shown_as_unified_diffs() -> None:
    """Each difference once, with the hosts that share it."""
    assert render.files(ROLLING) == snapshot("""\
/etc/etcd/etcd.env (cp-2)
--- on the machine
+++ wished
@@ -1,2 +1,3 @@
 a
-b
+c
+d
""")


def test_equal_differences_are_shown_once() -> None:
    """Three hosts that get the same file share one block."""
    change = altered("/etc/hosts", have="a\n", want="b\n")
    plan = Plan("", "", (Stage("files", tuple(Converge(host, (change,)) for host in HOSTS)),))
    assert render.files(plan).count("--- on the machine") == 1
    assert render.files(plan).startswith("/etc/hosts (cp-1, cp-2, cp-3)\n")


SECRET = Plan(
    "",
    "",
    (
        Stage(
            "files",
            (
                Converge(
                    "cp-1",
                    (
                        Change(
                            File("/etc/kubernetes/pki/sa.key", Kept("sa.key", KEY_DIGEST), "600"),
                            (Diff("sha256", KEY_DIGEST, "0" * 64),),
                            KEY_BYTES,
                        ),
                    ),
                ),
            ),
        ),
    ),
)


@pytest.mark.parametrize("detail", list(Detail))
def test_a_secret_is_never_shown(detail: Detail) -> None:
    """Neither bytes nor digest of a secret are in any rendering; that it differs is."""
    look = replace(PLAIN, detail=detail)
    text = render.text(SECRET, spec=SPEC, look=look)
    files, document = render.files(SECRET, look=look), json.dumps(render.document(SECRET))
    for shown in (text, files, document):
        assert KEY_BYTES not in shown
        assert KEY_DIGEST not in shown
    assert "(secret, sha256 differs)" in text
    assert "(secret, sha256 differs)" in files


def test_the_document_is_plain_json() -> None:
    """It says apiVersion and kind, and reading it back gives the same values."""
    document = render.document(ROLLING)
    assert json.loads(json.dumps(document)) == document
    assert document == external_file("snapshots/plan.json")


def test_the_identity_is_the_same_for_plans_that_only_wish_otherwise() -> None:
    """Fresh authorities and certificates differ at each look; that is no other plan."""
    other = replace(ROLLING, stages=(_with_want(ROLLING.stages[0]), *ROLLING.stages[1:]))
    assert other != ROLLING
    assert render.identity(other) == render.identity(ROLLING)


def _with_want(stage: Stage) -> Stage:
    step = stage.steps[0]
    assert isinstance(step, Converge)
    (change,) = step.changes
    diffs = tuple(replace(diff, want="freshly made") for diff in change.diffs)
    return replace(stage, steps=(replace(step, changes=(replace(change, diffs=diffs),)),))


def _with_have(stage: Stage) -> Stage:
    step = stage.steps[0]
    assert isinstance(step, Converge)
    (change,) = step.changes
    diffs = tuple(replace(diff, have="edited by hand") for diff in change.diffs)
    return replace(stage, steps=(replace(step, changes=(replace(change, diffs=diffs),)),))


@pytest.mark.parametrize(
    "other",
    [
        replace(ROLLING, spec_digest="another"),
        replace(ROLLING, stages=ROLLING.stages[1:]),
        replace(ROLLING, stages=ROLLING.stages[::-1]),
        replace(ROLLING, stages=(_with_have(ROLLING.stages[0]), *ROLLING.stages[1:])),
        replace(ROLLING, stages=(replace(ROLLING.stages[0], name="x"), *ROLLING.stages[1:])),
        EMPTY,
    ],
    ids=["specification", "stage gone", "order", "seen", "name", "empty"],
)
def test_the_identity_differs_when_the_world_or_the_wish_changed(other: Plan) -> None:
    """Another specification, another order, or another thing seen is another plan."""
    assert render.identity(other) != render.identity(ROLLING)


def test_a_file_that_is_too_large_to_be_read_is_said_to_be_so() -> None:
    """What is on the machine is not guessed."""
    change = replace(altered("/etc/large", have="", want="b\n"), have_content=None)
    plan = Plan("", "", (Stage("files", (Converge("cp-1", (change,)),)),))
    assert "(what is there was not read" in render.files(plan)
