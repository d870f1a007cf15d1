"""Registers in etcd itself, over gRPC, with a client that tries nothing twice by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import grpc.aio

from backstay.drill.history import Change, Outcome
from backstay.drill.load import etcd_pb2 as pb
from backstay.drill.load.access import Address, Credentials
from backstay.drill.load.store import Event, Result, Snapshot, WatchEndedError

PREFIX = "/backstay/drill/"
"""Beside /registry, which is Kubernetes' own; removed when a drill ends."""

OPTIONS = (
    # Every attempt is one operation of the history.
    ("grpc.enable_retries", 0),
    # A member that comes back is found again within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    # This is how long a connection may take to be made.
    ("grpc.min_reconnect_backoff_ms", 1000),
    # A silent connection is asked, then given up, as by the apiserver (storagebackend/factory),
    # for as long as it is silent.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)

NOT_SENT = "failed to connect to all addresses"
"""What gRPC says when it had no connection to send a request over."""

WORDS = {
    NOT_SENT: "not connected",
    "Connection reset": "reset",
    "Socket closed": "eof",
    "GOAWAY": "goaway",
    "ping timeout": "ping timeout",
    "keepalive": "ping timeout",
}
"""Classes of errors by what gRPC says of them; etcd's own words are classes already."""

MOST_CHARACTERS = 60

SURE_FAILURES = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}

REQUIRE_LEADER = (("hasleader", "true"),)
"""A watch on a member without a leader ends, as the apiserver's do, rather than being silent."""


class Message(Protocol):
    """What protoc makes of a message."""

    def SerializeToString(self) -> bytes:  # noqa: N802  # protobuf's own name
        """Return its bytes."""


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all that begin with the prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


@dataclass(slots=True)
class Etcd:
    """One client's way to one member, over one channel at a time."""

    address: Address
    credentials: Credentials
    channel: grpc.aio.Channel | None = None

    async def ask(self, method: str, request: Message, reply: Any, *, seconds: float) -> Any:  # noqa: ANN401  # protobuf's classes know their own fields
        """Return the answer to one call; raises grpc.RpcError."""
        call = self.open().unary_unary(
            f"/etcdserverpb.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=reply.FromString,
        )
        return await call(request, timeout=seconds)

    def open(self) -> grpc.aio.Channel:
        """Return the channel, a new one if there is none."""
        if self.channel is None:
            own = self.credentials
            credentials = grpc.ssl_channel_credentials(
                own.authority, own.key.reveal(), own.certificate
            )
            host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
            name = ("grpc.ssl_target_name_override", self.address.name)
            self.channel = grpc.aio.secure_channel(
                f"{host}:{self.address.port}", credentials, (*OPTIONS, name)
            )
        return self.channel

    async def close(self) -> None:
        """Close the channel; the next call opens another."""
        if self.channel is not None:
            await self.channel.close()
            self.channel = None


@dataclass(slots=True)
class Registers:
    """A Store of keys under one prefix."""

    etcd: Etcd
    run: str
    last_batch: int = 0

    @property
    def prefix(self) -> str:
        """What all keys of the drill begin with."""
        return f"{PREFIX}{self.run}/"

    async def write(self, key: str, value: str, *, seconds: float) -> Result:
        """Put the value."""
        request = pb.PutRequest(key=self._key(key), value=value.encode())
        try:
            reply = await self.etcd.ask("KV/Put", request, pb.PutResponse, seconds=seconds)
        except grpc.RpcError as error:
            return _failed(error, value)
        revision = reply.header.revision
        return Result(Outcome.OK, value, revision, revision)

    async def read(self, key: str, *, seconds: float) -> Result:
        """Read linearizably."""
        request = pb.RangeRequest(key=self._key(key))
        try:
            reply = await self.etcd.ask("KV/Range", request, pb.RangeResponse, seconds=seconds)
        except grpc.RpcError as error:
            return _failed(error, None)
        if not reply.kvs:
            return Result(Outcome.OK, None, reply.header.revision)
        found = reply.kvs[0]
        return Result(Outcome.OK, found.value.decode(), reply.header.revision, found.mod_revision)

    async def snapshot(self, *, seconds: float) -> Snapshot:
        """Read them all linearizably; raises WatchEndedError."""
        try:
            reply = await self._range(seconds=seconds)
        except grpc.RpcError as error:
            raise WatchEndedError(said(error)) from error
        return Snapshot(reply.header.revision, self._values(reply))

    async def all(self, *, seconds: float) -> Mapping[str, tuple[str | None, int]]:
        """Return value and revision of every register as this very member has them, by key.

        A linearizable read comes first: the member then has all that was acknowledged before.
        """
        await self.etcd.ask(
            "KV/Range", pb.RangeRequest(key=self._key("")), pb.RangeResponse, seconds=seconds
        )
        return self._values(await self._range(seconds=seconds, serializable=True))

    async def _range(self, *, seconds: float, serializable: bool = False) -> Any:  # noqa: ANN401  # a RangeResponse
        start = self.prefix.encode()
        end = prefix_end(start)
        request = pb.RangeRequest(key=start, range_end=end, serializable=serializable)
        return await self.etcd.ask("KV/Range", request, pb.RangeResponse, seconds=seconds)

    def _values(self, reply: Any) -> Mapping[str, tuple[str | None, int]]:  # noqa: ANN401  # a RangeResponse
        return {
            one.key.decode().removeprefix(self.prefix): (one.value.decode(), one.mod_revision)
            for one in reply.kvs
        }

    async def watch(self, after: int, *, opened: Callable[[], None]) -> AsyncIterator[Event]:
        """Yield what happens after a revision, until WatchEndedError."""
        start = self.prefix.encode()
        create = pb.WatchCreateRequest(
            key=start,
            range_end=prefix_end(start),
            start_revision=after + 1,
            progress_notify=True,
            fragment=True,
        )
        ended = asyncio.Event()
        call = self.etcd.open().stream_stream(
            "/etcdserverpb.Watch/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )(_only(pb.WatchRequest(create_request=create), ended), metadata=REQUIRE_LEADER)
        try:
            async for reply in call:
                for event in self._events(reply, opened):
                    yield event
        except grpc.RpcError as error:
            raise WatchEndedError(said(error)) from error
        except asyncio.InvalidStateError as error:
            raise WatchEndedError("closed") from error
        finally:
            # A call that is over already cancels nothing.
            ended.set()
            call.cancel()
        raise WatchEndedError("")

    def _events(self, reply: Any, opened: Callable[[], None]) -> list[Event]:  # noqa: ANN401  # a WatchResponse
        if reply.canceled:
            why = reply.cancel_reason or "canceled"
            raise WatchEndedError(why, compacted=bool(reply.compact_revision))
        if reply.created:
            opened()
            return []
        self.last_batch += 1
        batch = self.last_batch
        if reply.fragment:
            # The rest of this response follows: it is the same batch.
            self.last_batch -= 1
        if not reply.events:
            return [Event(Change.BOOKMARK, reply.header.revision, batch=batch)]
        return [self._event(one, batch) for one in reply.events]

    def _event(self, found: Any, batch: int) -> Event:  # noqa: ANN401  # an Event of protobuf
        deleted = found.type == pb.Event.DELETE
        key = found.kv.key.decode().removeprefix(self.prefix)
        value = None if deleted else found.kv.value.decode()
        return Event(
            Change.DELETE if deleted else Change.PUT, found.kv.mod_revision, key, value, batch
        )

    def _key(self, key: str) -> bytes:
        return (self.prefix + key).encode()

    async def close(self) -> None:
        """Close the channel; the next operation opens another."""
        await self.etcd.close()


async def _only(request: pb.WatchRequest, ended: asyncio.Event) -> AsyncIterator[pb.WatchRequest]:
    """Yield a request, and leave the stream open: etcd ends a watch whose client says no more.

    With `call.write` instead, a call that ended meanwhile fails with the library's own words in
    place of the server's.
    """
    yield request
    await ended.wait()


def _failed(error: grpc.RpcError, value: str | None) -> Result:
    """Return what a failed call means: certainly nothing only if it never left, or was refused."""
    sure = NOT_SENT in str(error.details()) or error.code() in SURE_FAILURES
    return Result(Outcome.FAIL if sure else Outcome.UNKNOWN, value, error=said(error))


def said(error: grpc.RpcError) -> str:
    """Return a short class of what went wrong."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "timeout"
    details = str(error.details())
    known = (word for text, word in WORDS.items() if text in details)
    return next(known, details.removeprefix("etcdserver: ")[:MOST_CHARACTERS])


async def remove_registers(etcd: Etcd, run: str, *, seconds: float) -> None:
    """Remove all keys of a drill."""
    start = f"{PREFIX}{run}/".encode()
    request = pb.DeleteRangeRequest(key=start, range_end=prefix_end(start))
    await etcd.ask("KV/DeleteRange", request, pb.DeleteRangeResponse, seconds=seconds)


async def status(etcd: Etcd, *, seconds: float) -> pb.StatusResponse:
    """Return what a member says of itself."""
    found: pb.StatusResponse = await etcd.ask(
        "Maintenance/Status", pb.StatusRequest(), pb.StatusResponse, seconds=seconds
    )
    return found


async def hash_at(etcd: Etcd, revision: int, *, seconds: float) -> tuple[int, int]:
    """Return the hash of a member's whole store at a revision, and since which it is kept.

    Hashes are comparable only if both revisions are the same.
    """
    request = pb.HashKVRequest(revision=revision)
    found = await etcd.ask("Maintenance/HashKV", request, pb.HashKVResponse, seconds=seconds)
    return int(found.hash), int(found.compact_revision)
