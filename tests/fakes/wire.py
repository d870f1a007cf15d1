"""A wire to a server on loopback that can be cut, reset, or fall silent under its users."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PIECE = 65536


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with a RST rather than a FIN."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()


@dataclass
class Wire:
    """Passes bytes both ways between its own port and the server's while `open`."""

    port: int
    local: int = 0
    made: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    ends: set[asyncio.StreamWriter] = field(default_factory=set)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until an end of it ends."""
        self.made += 1
        with suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
            self.ends |= {writer, back}
            await asyncio.gather(self.carry(reader, back), self.carry(there, writer))

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way."""
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self.open.wait()
                writer.write(piece)
        writer.close()

    def freeze(self) -> None:
        """Carry nothing more, and say nothing of it."""
        self.open.clear()

    def cut(self) -> None:
        """Reset all connections that there are."""
        for end in self.ends:
            if not end.transport.is_closing():
                reset(end.transport)
        self.ends.clear()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """Give a wire to a local port."""
    made = Wire(port)
    made.open.set()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    made.local = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.open.set()
        made.cut()
