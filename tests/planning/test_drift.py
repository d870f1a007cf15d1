"""What differs: absent, unknown and empty are three things, and only what was read is compared."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from backstay.components.wish import Wish
from backstay.planning.drift import Drift, concealed, drift, object_name
from backstay.planning.observation import HostSeen, Observation, Unreachable
from backstay.resources.content import Kept, Text
from backstay.resources.files import File
from backstay.resources.kernel import Sysctl
from backstay.resources.resource import Resource, Seen, Unknown
from backstay.resources.service import Service, Tier

FILE = File("/etc/f", Text("new\n"))
EMPTY = File("/etc/empty", Text(""))
SECRET = File("/etc/key", Kept("key", "ab" * 32), "600")
SYSCTL = Sysctl("vm.panic_on_oom", "0")
UNIT = Service("x.service", "d1", Tier.NODE)
RELOADED = Service("r.service", "d1", Tier.BALANCER, reload_digest="r1")
ONESHOT = Service("o.service", "d1", Tier.NODE, oneshot=True)


def drift_of(resource: Resource, record: Seen) -> Drift:
    wish = Wish({"a": {resource.key: resource}})
    return drift(wish, Observation({"a": HostSeen({}, {resource.key: record})}))


def as_wished(file: File) -> Mapping[str, str]:
    content = file.content
    assert isinstance(content, Text | Kept)
    return {"type": "file", "mode": file.mode, "owner": file.owner, "sha256": content.digest}


def test_what_is_as_wished_is_no_drift() -> None:
    """Equal in all fields is no change."""
    assert drift_of(FILE, as_wished(FILE)).hosts == {"a": ()}


def test_what_is_absent_differs_in_every_field() -> None:
    """Absent is known: it is made."""
    (change,) = drift_of(FILE, None).hosts["a"]
    assert {diff.have for diff in change.diffs} == {None}
    assert change.have_content is None


def test_what_could_not_be_read_is_left_alone_and_said() -> None:
    """Unknown is neither absent nor different: nothing is planned, and the reason is kept."""
    found = drift_of(FILE, Unknown("permission denied"))
    assert found.hosts == {"a": ()}
    assert found.unknown == (("a", FILE.key, "permission denied"),)


def test_what_the_machine_did_not_speak_of_is_unknown() -> None:
    """An answer that was cut short plans nothing for what is missing in it."""
    found = drift(Wish({"a": {FILE.key: FILE}}), Observation({"a": HostSeen({}, {})}))
    assert found.hosts == {"a": ()}
    assert [key for _, key, _ in found.unknown] == [FILE.key]


def test_a_machine_that_does_not_answer_has_no_drift() -> None:
    """Of a silent machine nothing is known: it is not even in the result."""
    wish = Wish({"a": {FILE.key: FILE}, "b": {FILE.key: FILE}})
    observation = Observation({"a": HostSeen({}, {FILE.key: None}), "b": Unreachable("no route")})
    assert list(drift(wish, observation).hosts) == ["a"]
    assert drift(wish, observation).unknown == ()


@pytest.mark.parametrize(("resource", "record"), [(SYSCTL, {"value": "0"}), (EMPTY, None)])
def test_zero_and_nothing_are_values(resource: Resource, record: Seen) -> None:
    """`0` is as wished, an empty file that is not there is absent: never tested by truth."""
    assert bool(drift_of(resource, record).hosts["a"]) is (record is None)


def test_an_empty_file_is_not_an_absent_one() -> None:
    """A file with no bytes in it, as wished, is no drift."""
    assert drift_of(EMPTY, as_wished(EMPTY)).hosts == {"a": ()}


def test_the_content_of_a_public_file_is_kept_for_its_diff() -> None:
    """What stands on the machine is shown beside what is wished."""
    record = {**as_wished(FILE), "sha256": "0" * 64, "content": "old\n"}
    (change,) = drift_of(FILE, record).hosts["a"]
    assert change.have_content == "old\n"


def test_changes_stand_in_the_order_of_the_wish() -> None:
    """Directories before what is in them: the order in which things are made is the parts'."""
    wish = Wish({"a": {one.key: one for one in (SECRET, FILE, EMPTY)}})
    found = drift(wish, Observation({"a": HostSeen({}, dict.fromkeys(wish.hosts["a"]))}))
    assert [change.key for change in found.hosts["a"]] == [SECRET.key, FILE.key, EMPTY.key]


RUNNING = {"enabled": "enabled", "active": "active", "digest": "d1"}


@pytest.mark.parametrize(
    ("unit", "record", "fields", "verb"),
    [
        (UNIT, RUNNING, (), None),
        (UNIT, {**RUNNING, "digest": "d0"}, ("digest",), "restart"),
        (UNIT, {**RUNNING, "digest": ""}, ("digest",), "restart"),
        (UNIT, {"enabled": "enabled", "active": "inactive"}, ("active",), "start"),
        (UNIT, {"enabled": "enabled", "active": "failed"}, ("active",), "start"),
        (UNIT, {**RUNNING, "enabled": "disabled"}, ("enabled",), None),
        (UNIT, {**RUNNING, "active": "activating"}, ("active",), "start"),
        (
            UNIT,
            {**RUNNING, "active": "activating", "digest": "d0"},
            ("active", "digest"),
            "restart",
        ),
        (RELOADED, {**RUNNING, "recorded": "r1"}, (), None),
        (RELOADED, {**RUNNING, "recorded": "r0"}, ("recorded",), "reload"),
        (RELOADED, {**RUNNING, "digest": "d0", "recorded": "r1"}, ("digest",), "restart"),
        (ONESHOT, {"enabled": "enabled", "active": "active", "recorded": "d1"}, (), None),
        (
            ONESHOT,
            {"enabled": "enabled", "active": "active", "recorded": "d0"},
            ("recorded",),
            "restart",
        ),
    ],
)
def test_running_is_not_the_same_as_written(
    unit: Service, record: Seen, fields: tuple[str, ...], verb: str | None
) -> None:
    """A unit differs by what its process carries, and one that hangs in its start by that too."""
    changes = drift_of(unit, record).hosts["a"]
    assert tuple(diff.field for change in changes for diff in change.diffs) == fields
    assert unit.verb(frozenset(fields)) == verb


def manifest(replicas: int = 2) -> dict[str, object]:
    metadata = {"name": "dns", "namespace": "kube-system"}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas, "args": [1]}}


NAME = "Deployment/kube-system/dns"


def objects(live: Mapping[str, object] | Unknown | None) -> Drift:
    return drift(Wish({}, (manifest(),)), Observation({}, {NAME: live}))


def test_an_object_has_one_name() -> None:
    """Kind, namespace and name; nothing between the slashes where there is no namespace."""
    assert object_name(manifest()) == NAME
    assert object_name({"kind": "Node", "metadata": {"name": "a"}}) == "Node//a"


def test_an_object_that_is_absent_is_made() -> None:
    """The reason says that it is not there."""
    found = objects(None)
    assert found.objects == (manifest(),)
    assert [diff.have for diff in found.object_reasons[NAME]] == [None]


@pytest.mark.parametrize("why", ["no apiserver answers", "not asked"])
def test_an_object_that_could_not_be_read_is_left_alone(why: str) -> None:
    """While the API is away nothing is known of objects, so nothing is planned for them."""
    assert objects(Unknown(why)).objects == ()
    assert drift(Wish({}, (manifest(),)), Observation({})).objects == ()


def test_what_the_api_added_by_itself_is_no_difference() -> None:
    """Defaults and status are the API's own."""
    live = {**manifest(), "status": {"ready": 1}}
    assert objects(live).objects == ()


def test_an_object_that_differs_says_where() -> None:
    """The path of the field, what is there, and what is wished."""
    ((diff,),) = objects(manifest(replicas=5)).object_reasons.values()
    assert (diff.field, diff.want, diff.have) == ("spec.replicas", "2", "5")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a: 1\ntoken: abc\nb: 2\n", "a: 1\ntoken: (secret)\nb: 2\n"),
        ("  client-key-data: QUJD\n", "  client-key-data: (secret)\n"),
        ("DB_PASSWORD=hunter2\n", "DB_PASSWORD=(secret)\n"),
        ("PASSWORD=hunter2", "PASSWORD=(secret)"),
        ("ETCD_INITIAL_CLUSTER_TOKEN=prod-1\n", "ETCD_INITIAL_CLUSTER_TOKEN=prod-1\n"),
        (
            "x\n-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\ny\n",
            "x\n(private key)\ny\n",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "(private key)"),
        ("token:\n  - secrets\n", "token:\n  - secrets\n"),
    ],
)
def test_keys_in_public_files_are_concealed(text: str, shown: str) -> None:
    """Whoever writes a key into a public file does not find it in the plan."""
    assert concealed(text) == shown
