"""Registers in the Kubernetes API: config maps, read and written as client-go would.

What client-go does by itself is done here too, and counted: its transport sends a request again
that a GOAWAY or REFUSED_STREAM says was not processed (seven times, the first at once, later ones
after 1, 2, 4 … seconds, x/net/http2 RoundTripOpt), and it waits and tries again after a
Retry-After (rest/with_retry.go). A time-out is for one attempt with its connection; waits that
these rules ask for are no part of it.

Two of its rules are left out, so that drills count what users could feel. It retries any 5xx with
Retry-After, which the API sends when etcd does not answer an update too: then nobody knows whether
it happened, and a write that is done twice is no register. And it retries reads whose connection
broke.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from backstay.drill.history import Change, Outcome
from backstay.drill.load.access import Address
from backstay.drill.load.failures import Fate, RequestError
from backstay.drill.load.http2 import Connection, Headers, Response, connect
from backstay.drill.load.store import Event, Result, Snapshot, WatchEndedError

NAMESPACE = "backstay-drill-"
"""With the drill's own name behind: another may still be on its way out."""

NAMESPACES = "/api/v1/namespaces"
PREFIX = "register-"
LABEL = "backstay.io/drill"

MOST_RETRIES = 10
"""client-go's own bound on answers to come back later (rest/request.go, maxRetries)."""

AGAIN_SECONDS = 0.2
"""From the end of a turn of watching to the next."""

MOST_SENT_AGAIN = 7
"""Go's own bound on requests that were not processed."""

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
SERVER_ERROR = 500
GONE = 410
FIRST_FAILURE = 300

AT_ONCE = 16
"""Registers that are made at a time."""

JSON = "application/json"


class KubeError(Exception):
    """The API did not do what it was asked; `told_to_retry` counts the answers to come back.

    `error` is a short class, the text says all that the API said.
    """

    def __init__(
        self, error: str, fate: Fate = Fate.UNKNOWN, told_to_retry: int = 0, said: str = ""
    ) -> None:
        super().__init__(f"{error}: {said}" if said else error)
        self.error = error
        self.fate = fate
        self.told_to_retry = told_to_retry


@dataclass(slots=True)
class Api:
    """One client's way to the API, over one connection at a time."""

    address: Address
    context: ssl.SSLContext
    connection: Connection | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", *, seconds: float
    ) -> tuple[Response, int]:
        """Return the answer, and how often we were told to come back; raises KubeError."""
        headers = self._headers(method, path, has_body=bool(body))
        told = retries = 0
        while True:
            response, told = await self._attempt(headers, body, seconds, told)
            wait = retry_after(response)
            if wait is None or retries == MOST_RETRIES:
                return response, told
            told, retries = told + 1, retries + 1
            await asyncio.sleep(wait)

    async def _attempt(
        self, headers: Headers, body: bytes, seconds: float, told: int
    ) -> tuple[Response, int]:
        """Return the first answer; a request is sent again only if it was not processed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        again = 0
        while True:
            try:
                connection = await self._connected(deadline)
                return await connection.request(headers, body, deadline=deadline), told + again
            except RequestError as error:
                if error.fate is not Fate.UNPROCESSED or again == MOST_SENT_AGAIN:
                    raise KubeError(error.failure, error.fate, told + again) from error
            wait = 2.0 ** (again - 1) if again else 0.0
            again, deadline = again + 1, deadline + wait
            await asyncio.sleep(wait)

    async def _connected(self, deadline: float) -> Connection:
        if self.connection is None or not self.connection.takes_requests:
            # The old one, if any, ends by itself when its last stream does.
            self.connection = await connect(
                self.address.host,
                self.address.port,
                context=self.context,
                name=self.address.name,
                deadline=deadline,
            )
        return self.connection

    def _headers(self, method: str, path: str, *, has_body: bool = False) -> Headers:
        body = [("content-type", JSON)] if has_body else []
        return [
            (":method", method),
            (":scheme", "https"),
            (":authority", self.address.name),
            (":path", path),
            ("accept", JSON),
            ("user-agent", "backstay-drill"),
            *body,
        ]

    async def lines(
        self, path: str, *, seconds: float, opened: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of an answer that does not end; `opened` is told when it begins.

        Raises WatchEndedError at its end. `seconds` bounds the connecting: how long an answer may
        be silent is for the connection's PING to say.
        """
        try:
            connection = await self._connected(asyncio.get_running_loop().time() + seconds)
            stream = connection.send(self._headers("GET", path))
            try:
                while not stream.status and not stream.ended:
                    await stream.change()
                if stream.status >= FIRST_FAILURE:
                    raise _refused(stream.status, stream.headers)
                if stream.status:
                    opened()
                async for line in connection.lines(stream):
                    yield line
            finally:
                connection.leave(stream)
        except RequestError as error:
            raise WatchEndedError(error.failure) from error
        raise WatchEndedError("")

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _refused(status: int, headers: Mapping[str, str] | None = None) -> WatchEndedError:
    """Say what a watch was answered; it is no write, so that any wait that is asked for is kept."""
    wait = _wait(headers or {}) or 0.0
    return WatchEndedError(f"http {status}", compacted=status == GONE, wait=wait)


def retry_after(response: Response) -> float | None:
    """Return how many seconds the server says to wait before trying again; None if it does not."""
    told = response.status in {TOO_MANY_REQUESTS, UNAVAILABLE}
    return _wait(response.headers) if told else None


def _wait(headers: Mapping[str, str]) -> float | None:
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() else None


@dataclass(slots=True)
class Registers:
    """A Store of config maps in one namespace."""

    api: Api
    run: str
    last_batch: int = 0

    async def write(self, key: str, value: str, *, seconds: float) -> Result:
        """Replace it, whatever is there: a patch costs an apiserver much more."""
        thing = _thing(f"{PREFIX}{key}", self.run) | {"data": {"value": value}}
        body = json.dumps(thing).encode()
        return await self._one("PUT", key, body, written=value, seconds=seconds)

    async def read(self, key: str, *, seconds: float) -> Result:
        """Get it without a resourceVersion, which is a quorum read."""
        return await self._one("GET", key, b"", written=None, seconds=seconds)

    async def _one(
        self, method: str, key: str, body: bytes, *, written: str | None, seconds: float
    ) -> Result:
        path = f"{collection(self.run)}/{PREFIX}{key}"
        try:
            response, told = await self.api.ask(method, path, body, seconds=seconds)
            found, modified = _answered(response, told)
        except KubeError as error:
            unknown = error.fate is Fate.UNKNOWN
            outcome = Outcome.UNKNOWN if unknown else Outcome.FAIL
            return Result(outcome, written, error=error.error, told_to_retry=error.told_to_retry)
        return Result(Outcome.OK, written or found, None, modified, told_to_retry=told)

    async def snapshot(self, *, seconds: float) -> Snapshot:
        """List them as an informer does before it watches; raises WatchEndedError."""
        try:
            return await self._list(seconds)
        except KubeError as error:
            raise WatchEndedError(error.error) from error

    async def all(self, *, seconds: float) -> Mapping[str, tuple[str | None, int]]:
        """Return value and resourceVersion of every register, by key; raises KubeError."""
        return (await self._list(seconds)).values

    async def _list(self, seconds: float) -> Snapshot:
        found = await good(self.api, "GET", collection(self.run), b"", seconds)
        with understood():
            values = {_key(one): _register(one) for one in found["items"]}
            return Snapshot(int(found["metadata"]["resourceVersion"]), values)

    async def watch(self, after: int, *, opened: Callable[[], None]) -> AsyncIterator[Event]:
        """Yield what happens after a resourceVersion, until WatchEndedError."""
        options = f"watch=1&allowWatchBookmarks=true&resourceVersion={after}"
        path = f"{collection(self.run)}?{options}"
        async with aclosing(self.api.lines(path, seconds=5.0, opened=opened)) as lines:
            async for line in lines:
                self.last_batch += 1
                event = _heard(line, self.last_batch)
                if event is not None:
                    yield event

    async def close(self) -> None:
        """Close the connection; the next operation opens another."""
        await self.api.close()


def collection(run: str) -> str:
    """Return the path of all registers of a drill."""
    return f"{NAMESPACES}/{NAMESPACE}{run}/configmaps"


@contextmanager
def understood(told_to_retry: int = 0) -> Iterator[None]:
    """Take an answer that makes no sense for none, as from a proxy that speaks for the API."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KubeError("bad answer", told_to_retry=told_to_retry, said=repr(error)) from error


async def again_and_again(api: Api, turn: Callable[[], Awaitable[None]]) -> None:
    """Watch, and watch again when a turn of it has ended, until cancelled; then disconnect.

    No answer is the end of watching, not even one that makes no sense.
    """
    try:
        while True:
            with suppress(KubeError, WatchEndedError), understood():
                await turn()
            await asyncio.sleep(AGAIN_SECONDS)
    finally:
        await api.close()


def _answered(response: Response, told: int) -> tuple[str | None, int]:
    """Return the register that an answer holds; raises KubeError."""
    if response.status >= FIRST_FAILURE:
        fate = Fate.UNKNOWN if response.status >= SERVER_ERROR else Fate.UNPROCESSED
        raise KubeError(f"http {response.status}", fate, told)
    with understood(told):
        return _register(json.loads(response.body))


def _key(found: Mapping[str, Any]) -> str:
    return str(found["metadata"]["name"]).removeprefix(PREFIX)


def _register(found: Mapping[str, Any]) -> tuple[str | None, int]:
    value = (found.get("data") or {}).get("value")
    return value, int(found["metadata"]["resourceVersion"])


def _heard(line: bytes, batch: int) -> Event | None:
    try:
        with understood():
            return _event(json.loads(line), batch)
    except KubeError as error:
        raise WatchEndedError(error.error) from error


def _event(found: Mapping[str, Any], batch: int) -> Event | None:
    kind, thing = found["type"], found["object"]
    if kind == "ERROR":
        raise _refused(int(thing.get("code", 0)))
    modified = int(thing["metadata"]["resourceVersion"])
    if kind == "BOOKMARK":
        return Event(Change.BOOKMARK, modified, batch=batch)
    if not str(thing["metadata"]["name"]).startswith(PREFIX):
        return None
    change = Change.DELETE if kind == "DELETED" else Change.PUT
    return Event(change, modified, _key(thing), _register(thing)[0], batch)


async def make_registers(api: Api, run: str, keys: tuple[str, ...], *, seconds: float) -> None:
    """Make a namespace and its registers, empty; raises KubeError."""
    await _make(api, NAMESPACES, f"{NAMESPACE}{run}", run, seconds)
    for start in range(0, len(keys), AT_ONCE):
        names = (f"{PREFIX}{key}" for key in keys[start : start + AT_ONCE])
        await asyncio.gather(*(_make(api, collection(run), name, run, seconds) for name in names))


async def _make(api: Api, path: str, name: str, run: str, seconds: float) -> None:
    await good(api, "POST", path, json.dumps(_thing(name, run)).encode(), seconds)


def _thing(name: str, run: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {LABEL: run}}}


async def good(api: Api, method: str, path: str, body: bytes, seconds: float) -> Any:  # noqa: ANN401  # JSON
    """Return what the API says when it says yes; raises KubeError."""
    response, _ = await api.ask(method, path, body, seconds=seconds)
    if response.status >= FIRST_FAILURE:
        raise KubeError(
            f"http {response.status}", said=response.body[:200].decode(errors="replace")
        )
    with understood():
        return json.loads(response.body)


async def remove_registers(api: Api, run: str, *, seconds: float) -> None:
    """Ask for the namespace's removal with all that is in it, and do not wait for it."""
    await api.ask("DELETE", f"{NAMESPACES}/{NAMESPACE}{run}", seconds=seconds)
