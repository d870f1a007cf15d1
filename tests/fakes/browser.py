"""A real Chromium without a window, spoken to over two pipes in its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
)
ANSWER_SECONDS = 60.0
LOWEST_FREE = 10
"""Chromium reads from descriptor 3 and writes to 4: ours shall be others."""


@dataclass
class Browser:
    """One page of one browser; `complaints` are its console's errors and uncaught exceptions."""

    process: int
    to: int
    of: int
    session: str = ""
    number: int = 0
    rest: bytes = b""
    complaints: list[str] = field(default_factory=list)
    loaded: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call one method of the protocol and return its result."""
        self.number += 1
        asked = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.to, json.dumps(asked).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.number:
                assert "error" not in message, f"{method}: {message['error']}"
                found: dict[str, Any] = message["result"]
                return found

    def message(self) -> dict[str, Any]:
        """Return the next message; what the page complains of is kept on the way."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.of], [], [], deadline - time.monotonic())
            assert ready, "Chromium does not answer"
            self.rest += os.read(self.of, 1 << 20)
        line, _, self.rest = self.rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self.loaded += 1
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning"}:
            self.complaints.append(json.dumps(parameters["args"]))
        if method == "Log.entryAdded":
            self.complaints.append(json.dumps(parameters["entry"]))

    def attach(self) -> None:
        """Open an empty page and listen to it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def show(self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open a file as a reader would, in a window of that size."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.resize(width, height)
        before = self.loaded
        self.call("Page.navigate", url=path.as_uri())
        while self.loaded == before:
            self.message()
        self.settle()

    def resize(self, width: int, height: int) -> None:
        """Make the window that large, with one dot of the screen for each pixel."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script: str) -> Any:
        """Return what an expression is in the page."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, selector: str) -> str:
        """Return the text of the first element that matches."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).textContent"))

    def place(self, selector: str) -> tuple[float, float, float, float]:
        """Return left, top, width and height of an element in the window, scrolled to."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{element}.scrollIntoView({{block: 'center'}})")
        found = self.run(f"JSON.stringify({element}.getBoundingClientRect())")
        box = json.loads(found)
        return box["x"], box["y"], box["width"], box["height"]

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Do something with the mouse: Pressed, Moved, Released or Wheel."""
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button."""
        self.mouse("Moved", *begin)
        self.mouse("Pressed", *begin, button="left", buttons=1, clickCount=1)
        self.mouse("Moved", *end, button="left", buttons=1)
        self.mouse("Released", *end, button="left", clickCount=1)
        self.settle()

    def key(self, name: str) -> None:
        """Press and release a key."""
        text = {"text": name} if len(name) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)
        self.settle()

    def screenshot(self, path: Path) -> None:
        """Keep what the window shows."""
        found = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile; it and its children are gone at the end."""
    program = shutil.which("chromium")
    assert program, "apt-get install chromium"
    child_in, to = (_high(one) for one in os.pipe())
    of, child_out = (_high(one) for one in os.pipe())
    silent = os.open(os.devnull, os.O_RDWR)
    process = os.posix_spawn(
        program,
        [program, *FLAGS, f"--user-data-dir={profile}"],
        {**os.environ, "HOME": str(profile)},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, silent, 1),
            (os.POSIX_SPAWN_DUP2, silent, 2),
            (os.POSIX_SPAWN_DUP2, child_in, 3),
            (os.POSIX_SPAWN_DUP2, child_out, 4),
        ],
        setpgroup=0,
    )
    for one in (child_in, child_out, silent):
        os.close(one)
    browser = Browser(process, to, of)
    try:
        browser.attach()
        yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(to)
        os.close(of)


def _high(descriptor: int) -> int:
    """Return the same pipe under a number that is in nobody's way."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOWEST_FREE)
    os.close(descriptor)
    return moved
