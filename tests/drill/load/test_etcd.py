"""Registers in a member of etcd that goes wrong, over real gRPC."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest

from backstay.drill.history import Change, Outcome
from backstay.drill.load import etcd_pb2 as pb
from backstay.drill.load.access import Address
from backstay.drill.load.etcd import (
    Etcd,
    Registers,
    hash_at,
    prefix_end,
    remove_registers,
    status,
)
from backstay.drill.load.store import Event, WatchEndedError
from fakes.drill_tls import credentials
from fakes.etcd_member import Member, etcd_member
from fakes.wire import wire

RUN = "r1"
SECONDS = 20.0
LOAD = Path(__file__).parents[3] / "src" / "backstay" / "drill" / "load"


@pytest.fixture
async def member() -> AsyncIterator[Member]:
    async with etcd_member() as found:
        yield found


@pytest.fixture
async def registers(member: Member) -> AsyncIterator[Registers]:
    made = Registers(Etcd(member.address, credentials()), RUN)
    yield made
    await made.close()


async def test_a_write_is_read_again_with_its_revision(registers: Registers) -> None:
    """Answers tell the store's revision and the key's."""
    empty = await registers.read("a", seconds=SECONDS)
    written = await registers.write("a", "x-1", seconds=SECONDS)
    await registers.write("b", "x-2", seconds=SECONDS)
    found = await registers.read("a", seconds=SECONDS)
    assert (empty.value, empty.revision, empty.modified) == (None, 100, None)
    assert (written.value, written.revision, written.modified) == ("x-1", 101, 101)
    assert (found.value, found.revision, found.modified) == ("x-1", 102, 101)


async def test_a_register_is_a_key_of_the_drill(member: Member, registers: Registers) -> None:
    """Drills do not meet, nor do they touch what is Kubernetes'."""
    await registers.write("a", "x-1", seconds=SECONDS)
    member.keys[b"/registry/pods/a"] = pb.KeyValue(key=b"/registry/pods/a")
    assert await registers.all(seconds=SECONDS) == {"a": ("x-1", 101)}
    assert b"/backstay/drill/r1/a" in member.keys
    await remove_registers(registers.etcd, RUN, seconds=SECONDS)
    assert list(member.keys) == [b"/registry/pods/a"]


REFUSALS = {
    (grpc.StatusCode.UNAVAILABLE, "etcdserver: leader changed"): (
        *(Outcome.UNKNOWN, "leader changed"),
    ),
    (grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"): (Outcome.UNKNOWN, "no leader"),
    (grpc.StatusCode.UNAVAILABLE, "etcdserver: request timed out"): (
        *(Outcome.UNKNOWN, "request timed out"),
    ),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"): (
        *(Outcome.UNKNOWN, "mvcc: database space exceeded"),
    ),
    (grpc.StatusCode.FAILED_PRECONDITION, "etcdserver: corrupt cluster"): (
        *(Outcome.UNKNOWN, "corrupt cluster"),
    ),
    (grpc.StatusCode.PERMISSION_DENIED, "etcdserver: permission denied"): (
        *(Outcome.FAIL, "permission denied"),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: str(one[1]))
async def test_what_a_refusal_means(
    member: Member, registers: Registers, refusal: tuple[grpc.StatusCode, str]
) -> None:
    """A write that etcd began may be done yet, whatever it says."""
    member.refusals.append(refusal)
    found = await registers.write("a", "x-1", seconds=SECONDS)
    assert (found.outcome, found.error, found.value) == (*REFUSALS[refusal], "x-1")
    assert (await registers.write("a", "x-2", seconds=SECONDS)).outcome is Outcome.OK


async def test_what_never_left_has_failed_and_a_member_that_returns_is_found(
    member: Member, registers: Registers
) -> None:
    """Without a connection nothing is sent; a new one is made within a second."""
    unsent = Outcome.FAIL
    assert (await registers.write("a", "x-1", seconds=SECONDS)).outcome is Outcome.OK
    await member.stop()
    async with asyncio.timeout(SECONDS):
        # Whoever writes before gRPC has noticed may have been heard.
        while (found := await registers.write("a", "x-2", seconds=SECONDS)).outcome is not unsent:
            assert found.outcome is Outcome.UNKNOWN
    assert found.error == "not connected"
    await member.start()
    async with asyncio.timeout(SECONDS):
        while (await registers.write("a", "x-4", seconds=SECONDS)).outcome is not Outcome.OK:
            await asyncio.sleep(0.02)


async def test_a_member_that_ends_with_a_write_leaves_it_unknown(
    member: Member,
) -> None:
    """A connection that is cut after the request tells nothing of it."""
    async with wire(member.port) as line:
        cut = Registers(Etcd(line_address(line.local), credentials()), RUN)
        await cut.write("a", "x-0", seconds=SECONDS)
        member.hanging = True
        asyncio.get_running_loop().call_later(0.2, line.cut)
        found = await cut.write("a", "x-1", seconds=SECONDS)
        await cut.close()
    assert found.outcome is Outcome.UNKNOWN
    assert found.error in {"reset", "eof"}


def line_address(port: int) -> Address:
    return Member(port=port).address


async def test_a_time_out_is_unknown(member: Member, registers: Registers) -> None:
    """A member may be slow, and do it yet."""
    await registers.write("a", "x-1", seconds=SECONDS)
    member.hanging = True
    found = await registers.write("a", "x-2", seconds=0.1)
    assert (found.outcome, found.error) == (Outcome.UNKNOWN, "timeout")


async def test_nothing_is_tried_twice(member: Member, registers: Registers) -> None:
    """One operation is one attempt."""
    member.refusals.extend([(grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader")] * 2)
    await registers.write("a", "x-1", seconds=SECONDS)
    assert len(member.refusals) == 1


async def test_clients_do_not_share_a_connection(member: Member) -> None:
    """What befalls one must not befall another."""
    async with wire(member.port) as line:
        clients = [Registers(Etcd(line_address(line.local), credentials()), RUN) for _ in range(3)]
        for one in (*clients, clients[0]):
            assert (await one.write("a", "x", seconds=SECONDS)).outcome is Outcome.OK
        await clients[0].close()
        assert (await clients[0].write("a", "x", seconds=SECONDS)).outcome is Outcome.OK
        assert line.made == 4
        for one in clients:
            await one.close()


async def test_a_member_answers_for_itself_but_not_from_its_past(
    member: Member, registers: Registers
) -> None:
    """A linearizable read before the serializable one makes it catch up."""
    await registers.all(seconds=SECONDS)
    assert member.reads == [False, True]


async def once_watched(member: Member, act: Callable[[], None]) -> None:
    """Do something as soon as a watch stands."""
    async with asyncio.timeout(SECONDS):
        while not member.watchers:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    act()


async def watched(registers: Registers, after: int, count: int) -> list[Event]:
    """The first events of a watch."""
    watch = registers.watch(after, opened=lambda: None)
    assert hasattr(watch, "aclose")
    async with aclosing(watch), asyncio.timeout(SECONDS):
        return [await anext(watch) for _ in range(count)]


async def test_a_watch_tells_what_happened_since(member: Member, registers: Registers) -> None:
    """Puts and deletions come with key, value and revision, from where it was asked to begin."""
    await registers.write("a", "x-1", seconds=SECONDS)
    start = (await registers.snapshot(seconds=SECONDS)).revision
    await registers.write("b", "x-2", seconds=SECONDS)
    await remove_registers(registers.etcd, RUN, seconds=SECONDS)
    found = await watched(registers, start, 3)
    assert [(one.change, one.key, one.value, one.modified) for one in found] == [
        (Change.PUT, "b", "x-2", 102),
        (Change.DELETE, "a", None, 103),
        (Change.DELETE, "b", None, 104),
    ]
    assert member.required_leader


async def test_fragments_are_one_batch_and_progress_is_a_bookmark(
    member: Member, registers: Registers
) -> None:
    """A response in parts is atomic; one without events says how far the watch is."""

    def response(number: int, *, fragment: bool) -> pb.WatchResponse:
        key = f"/backstay/drill/{RUN}/a".encode()
        event = pb.Event(kv=pb.KeyValue(key=key, value=b"x", mod_revision=number))
        return pb.WatchResponse(header=member.header(), events=[event], fragment=fragment)

    def say() -> None:
        for number, fragment in ((201, True), (202, True), (203, False), (204, False)):
            member.tell(response(number, fragment=fragment))
        member.tell(pb.WatchResponse(header=pb.ResponseHeader(revision=300)))

    saying = asyncio.ensure_future(once_watched(member, say))
    found = await watched(registers, 100, 5)
    await saying
    assert [one.batch for one in found] == [1, 1, 1, 2, 3]
    assert (found[4].change, found[4].modified) == (Change.BOOKMARK, 300)


async def ending(registers: Registers, after: int) -> tuple[WatchEndedError, list[str]]:
    """How a watch ends, and whether it had begun."""
    heard: list[str] = []
    with pytest.raises(WatchEndedError) as caught:
        async with asyncio.timeout(SECONDS):
            await anext(registers.watch(after, opened=lambda: heard.append("opened")))
    return caught.value, heard


async def test_a_watch_from_a_revision_that_is_gone_says_so(
    member: Member, registers: Registers
) -> None:
    """A compacted revision means to begin anew."""
    member.compacted = 90
    found, heard = await ending(registers, 50)
    assert (found.compacted, heard) == (True, [])


async def test_a_watch_without_a_leader_ends(member: Member, registers: Registers) -> None:
    """It says why, and is no reason to begin anew."""
    member.refusals.append((grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"))
    found, heard = await ending(registers, 100)
    assert (found.error, found.compacted, heard) == ("no leader", False, [])


async def test_a_watch_that_ended_leaves_nothing_behind(
    member: Member, registers: Registers
) -> None:
    """What gRPC began for it ends too, also when the server ended the call."""
    member.refusals.append((grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"))
    await ending(registers, 100)
    async with asyncio.timeout(2):
        while any("consume_request" in repr(each) for each in asyncio.all_tasks()):
            await asyncio.sleep(0.02)


async def test_a_watch_ends_with_its_member(member: Member, registers: Registers) -> None:
    """A watch on a member that stops is not silent."""

    async def stop() -> None:
        await once_watched(member, lambda: None)
        await member.stop()

    stopping = asyncio.ensure_future(stop())
    found, heard = await ending(registers, 100)
    assert found.error
    assert heard == ["opened"]
    # While it is still stopping, it says that it goes away.
    await stopping
    found, heard = await ending(registers, 100)
    assert (found.error, heard) == ("not connected", [])


async def test_a_list_that_cannot_be_had_ends_a_watch(member: Member, registers: Registers) -> None:
    """Where to begin is part of watching."""
    member.refusals.append((grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"))
    with pytest.raises(WatchEndedError, match="no leader"):
        await registers.snapshot(seconds=SECONDS)


async def test_members_tell_who_they_are_and_what_they_have(
    member: Member, registers: Registers
) -> None:
    """Status and hashes come with the revisions that make them comparable."""
    member.compacted = 40
    assert (await status(registers.etcd, seconds=SECONDS)).header.member_id == 7
    first = await hash_at(registers.etcd, 100, seconds=SECONDS)
    await registers.write("a", "x-1", seconds=SECONDS)
    assert first[1] == 40
    assert (await hash_at(registers.etcd, 101, seconds=SECONDS))[0] != first[0]


def test_a_prefix_ends_before_the_next() -> None:
    """Ranges are half open."""
    assert prefix_end(b"/a/") == b"/a0"


async def test_the_messages_are_what_protoc_makes_of_their_description(tmp_path: Path) -> None:
    """Nobody edits what is generated."""
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "grpc_tools.protoc", f"-I{LOAD}"),
        *(f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "etcd.proto"),
    )
    assert await made.wait() == 0
    for name in ("etcd_pb2.py", "etcd_pb2.pyi"):
        assert (tmp_path / name).read_text() == (LOAD / name).read_text()


ENDING = """
import asyncio
from backstay.drill.load.etcd import Etcd, Registers
from fakes.drill_tls import credentials
from fakes.etcd_member import etcd_member

async def main():
    async with etcd_member() as member:
        registers = Registers(Etcd(member.address, credentials()), "r1")
        watch = asyncio.ensure_future(anext(registers.watch(100, opened=lambda: None)))
        while not member.watchers:
            await asyncio.sleep(0.01)
        await member.stop()
        await asyncio.gather(watch, return_exceptions=True)
        print((await registers.write("a", "x", seconds=20)).outcome)

asyncio.run(main())
"""


async def test_grpc_keeps_what_it_sees_to_itself() -> None:
    """Standard error is for people, who are told of failures in our words."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ENDING),
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await child.communicate()
    assert complaints == b""
    # Whether the end of the connection was seen before the write is a matter of milliseconds.
    assert said in {b"fail\n", b"unknown\n"}
