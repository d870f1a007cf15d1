"""What clients ask of the kernel for their connections."""

from __future__ import annotations

import socket

KEEP_ALIVE_SECONDS = 30
"""Of silence until TCP itself asks: client-go's dialer (client-go/transport/cache.go)."""


def keep_alive(connection: socket.socket) -> None:
    """Let the kernel ask an idle connection: after a move its new owner answers with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        connection.setsockopt(socket.IPPROTO_TCP, option, KEEP_ALIVE_SECONDS)
