"""A member of etcd in memory, over real gRPC and TLS, that can refuse, hang, compact and stop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from backstay.drill.load import etcd_pb2 as pb
from backstay.drill.load.access import Address
from fakes.drill_tls import NAME, authority, server_pem

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class Member:
    """Keys with their last events, who watches, and what goes wrong next."""

    port: int = 0
    revision: int = 100
    compacted: int = 0
    keys: dict[bytes, pb.KeyValue] = field(default_factory=dict)
    log: list[pb.Event] = field(default_factory=list)
    watchers: list[asyncio.Queue[pb.WatchResponse]] = field(default_factory=list)
    refusals: deque[tuple[grpc.StatusCode, str]] = field(default_factory=deque)
    reads: list[bool] = field(default_factory=list)
    required_leader: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: bool = False
    server: grpc.aio.Server | None = None

    @property
    def address(self) -> Address:
        """Where it is, and its name."""
        return Address("127.0.0.1", self.port, NAME)

    def header(self) -> pb.ResponseHeader:
        """What every answer begins with."""
        return pb.ResponseHeader(member_id=7, revision=self.revision)

    async def check(self, context: Context) -> None:
        """Go wrong as asked."""
        if self.refusals:
            await context.abort(*self.refusals.popleft())
        if self.hanging:
            await self.stopped.wait()

    def change(self, event: pb.Event) -> None:
        """Write, and tell those who watch."""
        self.revision += 1
        event.kv.mod_revision = self.revision
        self.log.append(event)
        if event.type == pb.Event.DELETE:
            self.keys.pop(event.kv.key, None)
        else:
            self.keys[event.kv.key] = event.kv
        self.tell(pb.WatchResponse(header=self.header(), events=[event]))

    def tell(self, response: pb.WatchResponse) -> None:
        """Send something to all watches."""
        for queue in self.watchers:
            queue.put_nowait(response)

    async def put(self, request: pb.PutRequest, context: Context) -> pb.PutResponse:
        """KV/Put."""
        await self.check(context)
        self.change(pb.Event(kv=pb.KeyValue(key=request.key, value=request.value)))
        return pb.PutResponse(header=self.header())

    async def range(self, request: pb.RangeRequest, context: Context) -> pb.RangeResponse:
        """KV/Range."""
        await self.check(context)
        self.reads.append(request.serializable)
        last = request.range_end or request.key + b"\0"
        found = [one for key, one in sorted(self.keys.items()) if request.key <= key < last]
        return pb.RangeResponse(header=self.header(), kvs=found)

    async def delete(
        self, request: pb.DeleteRangeRequest, context: Context
    ) -> pb.DeleteRangeResponse:
        """KV/DeleteRange."""
        await self.check(context)
        for key in [one for one in self.keys if request.key <= one < request.range_end]:
            self.change(pb.Event(type=pb.Event.DELETE, kv=pb.KeyValue(key=key)))
        return pb.DeleteRangeResponse(header=self.header())

    async def status(self, request: pb.StatusRequest, context: Context) -> pb.StatusResponse:
        """Maintenance/Status."""
        del request
        await self.check(context)
        return pb.StatusResponse(header=self.header(), version="3.7.1", leader=7)

    async def hash(self, request: pb.HashKVRequest, context: Context) -> pb.HashKVResponse:
        """Maintenance/HashKV."""
        del request
        await self.check(context)
        found = hash(tuple((one.key, one.value) for _, one in sorted(self.keys.items())))
        found &= 0xFFFF_FFFF
        return pb.HashKVResponse(header=self.header(), hash=found, compact_revision=self.compacted)

    async def watch(
        self, requests: AsyncIterator[pb.WatchRequest], context: Context
    ) -> AsyncIterator[pb.WatchResponse]:
        """Watch/Watch, of one watch."""
        await self.check(context)
        self.required_leader = ("hasleader", "true") in (context.invocation_metadata() or ())
        create = (await anext(aiter(requests))).create_request
        if create.start_revision <= self.compacted:
            why = "etcdserver: mvcc: required revision has been compacted"
            gone = pb.WatchResponse(created=True, canceled=True, cancel_reason=why)
            gone.compact_revision = self.compacted
            yield gone
            return
        queue: asyncio.Queue[pb.WatchResponse] = asyncio.Queue()
        self.watchers.append(queue)
        past = [one for one in self.log if one.kv.mod_revision >= create.start_revision]
        try:
            yield pb.WatchResponse(header=self.header(), created=True)
            if past:
                yield pb.WatchResponse(header=self.header(), events=past)
            while True:
                yield await queue.get()
        finally:
            self.watchers.remove(queue)

    async def start(self) -> None:
        """Begin to serve, on the port it had if it had one."""
        self.stopped.clear()
        self.server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        self.server.add_generic_rpc_handlers((_handlers(self),))
        certificate, key = server_pem()
        credentials = grpc.ssl_server_credentials(
            ((key, certificate),), authority().certificate, require_client_auth=True
        )
        self.port = self.server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self.server.start()

    async def stop(self) -> None:
        """End at once, with whatever is under way."""
        self.stopped.set()
        if self.server is not None:
            await self.server.stop(None)


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, methods: dict[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self.methods = methods

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return what serves a method."""
        return self.methods.get(handler_call_details.method)


def _handlers(member: Member) -> _Handlers:
    unary: dict[str, tuple[Callable[..., Any], Any]] = {
        "KV/Put": (member.put, pb.PutRequest),
        "KV/Range": (member.range, pb.RangeRequest),
        "KV/DeleteRange": (member.delete, pb.DeleteRangeRequest),
        "Maintenance/Status": (member.status, pb.StatusRequest),
        "Maintenance/HashKV": (member.hash, pb.HashKVRequest),
    }
    methods = {
        f"/etcdserverpb.{name}": grpc.unary_unary_rpc_method_handler(
            serve, kind.FromString, lambda reply: reply.SerializeToString()
        )
        for name, (serve, kind) in unary.items()
    }
    methods["/etcdserverpb.Watch/Watch"] = grpc.stream_stream_rpc_method_handler(
        member.watch, pb.WatchRequest.FromString, lambda reply: reply.SerializeToString()
    )
    return _Handlers(methods)


@asynccontextmanager
async def etcd_member() -> AsyncIterator[Member]:
    """Serve on a port of loopback."""
    member = Member()
    await member.start()
    try:
        yield member
    finally:
        await member.stop()
