"""Why a request has no answer, and what is certain of it then."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum

from h2 import errors


class Fate(Enum):
    """What is certain of a request without an answer."""

    UNSENT = "unsent"
    UNPROCESSED = "unprocessed"
    """The server says that it did nothing with it: it may be sent again elsewhere."""
    UNKNOWN = "unknown"


class Failure(StrEnum):
    """Why a request has no answer."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect timeout"
    CONNECT_RESET = "connect reset"
    TLS = "tls"
    TOO_MANY_STREAMS = "too many streams"
    FIRST_GOAWAY = "goaway with an error"
    GOAWAY = "goaway"
    REFUSED_STREAM = "refused stream"
    STREAM_PROTOCOL = "stream protocol"
    STREAM_RESET = "stream reset"
    RESET = "reset"
    EOF = "eof"
    PROTOCOL = "protocol"
    PING_TIMEOUT = "ping timeout"
    TIMEOUT = "timeout"
    CLOSED = "closed"


FATES: Mapping[Failure, Fate] = {
    **dict.fromkeys(Failure, Fate.UNKNOWN),
    Failure.REFUSED: Fate.UNSENT,
    Failure.UNREACHABLE: Fate.UNSENT,
    Failure.CONNECT_TIMEOUT: Fate.UNSENT,
    Failure.CONNECT_RESET: Fate.UNSENT,
    Failure.TLS: Fate.UNSENT,
    Failure.TOO_MANY_STREAMS: Fate.UNSENT,
    Failure.FIRST_GOAWAY: Fate.UNSENT,
    Failure.GOAWAY: Fate.UNPROCESSED,
    Failure.REFUSED_STREAM: Fate.UNPROCESSED,
    Failure.STREAM_PROTOCOL: Fate.UNPROCESSED,
}

RESETS: Mapping[int, Failure] = {
    errors.ErrorCodes.REFUSED_STREAM: Failure.REFUSED_STREAM,
    errors.ErrorCodes.PROTOCOL_ERROR: Failure.STREAM_PROTOCOL,
}
"""What a stream that the server resets has failed of, by its code; of anything else, of that."""


class RequestError(Exception):
    """A request has no answer, and what that means for what it asked."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure

    @property
    def fate(self) -> Fate:
        """What is certain of the request."""
        return FATES[self.failure]
