"""Registers in the Kubernetes API: config maps, read and written as client-go would.

What client-go does by itself is done here too, and counted: it waits and tries again after 429,
and after 5xx with Retry-After (rest/with_retry.go), and its transport tries again what a GOAWAY
or REFUSED_STREAM says was not processed. Everything else is the caller's to see.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from backstay.drill.history import Change, Outcome
from backstay.drill.load.access import Address
from backstay.drill.load.http2 import (
    Connection,
    Headers,
    Processed,
    RequestError,
    Response,
    connect,
)
from backstay.drill.load.store import Event, Result, WatchEndedError

NAMESPACE = "backstay-drill-"
"""With the drill's own name behind: another may still be on its way out."""

PREFIX = "register-"
LABEL = "backstay.io/drill"

MOST_RETRIES = 10
"""client-go's own bound (rest/request.go, maxRetries)."""

TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
GONE = 410
NOT_FOUND = 404
FIRST_FAILURE = 300

PING_AFTER_SECONDS = 30.0
PING_SECONDS = 15.0
"""A silent connection is asked, then given up, as by client-go (apimachinery util/net/http.go)."""

MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"


class KubeError(Exception):
    """An exchange with the API failed; `told_to_retry` counts the answers to come back later."""

    def __init__(self, error: str, processed: Processed, told_to_retry: int = 0) -> None:
        super().__init__(error)
        self.error = error
        self.processed = processed
        self.told_to_retry = told_to_retry


@dataclass(slots=True)
class Api:
    """One client's way to the API, over one connection at a time."""

    address: Address
    context: ssl.SSLContext
    connection: Connection | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, kind: str = JSON, seconds: float
    ) -> tuple[Response, int]:
        """Return the answer, and how often we were told to come back; raises KubeError."""
        told = 0
        while True:
            try:
                connection = await self._connected(seconds)
                headers = self._headers(method, path, kind if body else "")
                response = await connection.request(headers, body, seconds=seconds)
            except RequestError as error:
                if error.error not in {"goaway", "refused stream"} or told == MOST_RETRIES:
                    raise KubeError(error.error, error.processed, told) from error
                told += 1
                continue
            if (wait := retry_after(response)) is None or told == MOST_RETRIES:
                return response, told
            told += 1
            await asyncio.sleep(wait)

    async def _connected(self, seconds: float) -> Connection:
        if self.connection is None or not self.connection.usable:
            # The old one, if any, ends by itself when its last stream does.
            self.connection = await connect(
                self.address.host,
                self.address.port,
                context=self.context,
                name=self.address.name,
                seconds=seconds,
            )
        return self.connection

    def _headers(self, method: str, path: str, kind: str) -> Headers:
        body = [("content-type", kind)] if kind else []
        return [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.address.name),
            (":path", path),
            ("accept", JSON),
            ("user-agent", "backstay-drill"),
            *body,
        ]

    async def lines(self, path: str, *, seconds: float) -> AsyncIterator[bytes]:
        """Yield the lines of an answer that does not end, over a connection of its own.

        Raises WatchEndedError at its end; the connection is asked for life as client-go does.
        """
        connection = await self._fresh(seconds)
        pinging = asyncio.ensure_future(_keep_asking(connection))
        try:
            async with connection.opened(self._headers("GET", path, "")) as stream:
                buffer = b""
                while True:
                    while stream.chunks:
                        *whole, buffer = (buffer + stream.chunks.pop(0)).split(b"\n")
                        for line in whole:
                            yield line
                    if stream.ended:
                        raise _ending(stream.status, stream.error, buffer)
                    await stream.changed.wait()
                    stream.changed.clear()
        except RequestError as error:
            raise WatchEndedError(error.error) from error
        finally:
            pinging.cancel()
            connection.close()

    async def _fresh(self, seconds: float) -> Connection:
        try:
            self.connection = None
            return await self._connected(seconds)
        except RequestError as error:
            raise WatchEndedError(error.error) from error

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _ending(status: int, error: RequestError | None, body: bytes) -> WatchEndedError:
    if error is not None:
        return WatchEndedError(error.error)
    if status >= FIRST_FAILURE:
        return WatchEndedError(f"http {status}", compacted=status == GONE)
    del body
    return WatchEndedError("")


async def _keep_asking(connection: Connection) -> None:
    while not connection.ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(connection.ended.wait(), PING_AFTER_SECONDS)
        await connection.ping(seconds=PING_SECONDS)


def retry_after(response: Response) -> float | None:
    """Return how many seconds the server says to wait before trying again; None if it does not."""
    overloaded = response.status == TOO_MANY_REQUESTS or response.status >= SERVER_ERROR
    said = response.headers.get("retry-after", "")
    return float(said) if overloaded and said.isdigit() else None


@dataclass(slots=True)
class Registers:
    """A Store of config maps in one namespace."""

    api: Api
    run: str
    last_batch: int = 0

    async def write(self, key: str, value: str, *, seconds: float) -> Result:
        """Patch the value blindly, as `kubectl patch --type merge` does."""
        body = json.dumps({"data": {"value": value}}).encode()
        return await self._one("PATCH", key, body, written=value, seconds=seconds)

    async def read(self, key: str, *, seconds: float) -> Result:
        """Get it without a resourceVersion, which is a quorum read."""
        return await self._one("GET", key, b"", written=None, seconds=seconds)

    async def _one(
        self, method: str, key: str, body: bytes, *, written: str | None, seconds: float
    ) -> Result:
        try:
            response, told = await self.api.ask(
                method,
                f"{collection(self.run)}/{PREFIX}{key}",
                body,
                kind=MERGE_PATCH,
                seconds=seconds,
            )
        except KubeError as error:
            failed = error.processed is Processed.NO
            outcome = Outcome.FAIL if failed else Outcome.UNKNOWN
            return Result(outcome, written, error=error.error, told_to_retry=error.told_to_retry)
        if response.status >= FIRST_FAILURE:
            unknown = response.status >= SERVER_ERROR
            outcome = Outcome.UNKNOWN if unknown else Outcome.FAIL
            said = f"http {response.status}"
            return Result(outcome, written, error=said, told_to_retry=told)
        found, modified = _register(json.loads(response.body))
        return Result(Outcome.OK, written or found, None, modified, told_to_retry=told)

    async def position(self, *, seconds: float) -> int:
        """Return the collection's resourceVersion."""
        response, _ = await self.api.ask("GET", f"{collection(self.run)}?limit=1", seconds=seconds)
        if response.status >= FIRST_FAILURE:
            raise KubeError(f"http {response.status}", Processed.NO)
        return int(json.loads(response.body)["metadata"]["resourceVersion"])

    async def all(self, *, seconds: float) -> Mapping[str, tuple[str | None, int]]:
        """Return value and resourceVersion of every register, by key."""
        response, _ = await self.api.ask("GET", collection(self.run), seconds=seconds)
        if response.status >= FIRST_FAILURE:
            raise KubeError(f"http {response.status}", Processed.NO)
        return {_key(one): _register(one) for one in json.loads(response.body)["items"]}

    async def watch(self, after: int) -> AsyncIterator[Event]:
        """Yield what happens after a resourceVersion, until WatchEndedError."""
        options = f"watch=1&allowWatchBookmarks=true&resourceVersion={after}"
        path = f"{collection(self.run)}?{options}"
        async for line in self.api.lines(path, seconds=5.0):
            self.last_batch += 1
            event = _event(json.loads(line), self.last_batch)
            if event is not None:
                yield event

    async def close(self) -> None:
        """Close the connection; the next operation opens another."""
        await self.api.close()


def collection(run: str) -> str:
    """Return the path of all registers of a drill."""
    return f"/api/v1/namespaces/{NAMESPACE}{run}/configmaps"


def _key(found: Mapping[str, Any]) -> str:
    return str(found["metadata"]["name"]).removeprefix(PREFIX)


def _register(found: Mapping[str, Any]) -> tuple[str | None, int]:
    value = (found.get("data") or {}).get("value")
    return value, int(found["metadata"]["resourceVersion"])


def _event(found: Mapping[str, Any], batch: int) -> Event | None:
    kind, thing = found["type"], found["object"]
    if kind == "ERROR":
        code = int(thing.get("code", 0))
        raise WatchEndedError(f"http {code}", compacted=code == GONE)
    modified = int(thing["metadata"]["resourceVersion"])
    if kind == "BOOKMARK":
        return Event(Change.BOOKMARK, modified, batch=batch)
    if not str(thing["metadata"]["name"]).startswith(PREFIX):
        return None
    change = Change.DELETE if kind == "DELETED" else Change.PUT
    return Event(change, modified, _key(thing), _register(thing)[0], batch)


async def make_registers(api: Api, run: str, keys: tuple[str, ...], *, seconds: float) -> None:
    """Make a namespace and its registers, empty."""
    labels = {LABEL: run}
    namespace = {"metadata": {"name": f"{NAMESPACE}{run}", "labels": labels}}
    await _made(api, "/api/v1/namespaces", namespace, seconds)
    for key in keys:
        metadata = {"name": f"{PREFIX}{key}", "labels": labels}
        await _made(api, collection(run), {"metadata": metadata}, seconds)


async def _made(api: Api, path: str, thing: Mapping[str, object], seconds: float) -> None:
    conflict = 409
    response, _ = await api.ask("POST", path, json.dumps(thing).encode(), seconds=seconds)
    if response.status >= FIRST_FAILURE and response.status != conflict:
        raise KubeError(f"http {response.status}: {response.body[:200]!r}", Processed.NO)


async def remove_registers(api: Api, run: str, *, seconds: float) -> None:
    """Ask for the namespace's removal with all that is in it, and do not wait for it."""
    await api.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}{run}", seconds=seconds)
