"""Chromium without a window, driven by its own protocol (Chrome DevTools): what a reader sees, and what is wrong.

Debian's chromium, Google Chrome, or the one that ``MIDNIGHT_TEST_BROWSER`` names. It reads files of this machine only.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.waiting import LIMIT_SECONDS

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """The path of a browser; None if none is installed."""
    names = [os.environ["MIDNIGHT_TEST_BROWSER"]] if os.environ.get("MIDNIGHT_TEST_BROWSER") else _NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


# Where MIDNIGHT_REQUIRE_BROWSER is set, as in continuous integration, a missing browser is an error, not a skip.
needs_browser = pytest.mark.skipif(
    find_browser() is None and not os.environ.get("MIDNIGHT_REQUIRE_BROWSER"),
    reason="no chromium is installed; hint: apt-get install chromium, or name one in MIDNIGHT_TEST_BROWSER",
)


@dataclass
class Browser:
    """One tab.

    Args:
        socket: to the tab.
        errors: what the page has written to the console as an error, and exceptions of its scripts, since ``open``.
    """

    socket: ClientConnection
    errors: list[str] = field(default_factory=list)
    _calls: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._calls += 1
        self.socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=LIMIT_SECONDS))
            self._note(message)
            if message.get("id") == self._calls:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        details = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(details["exceptionDetails"].get("exception", details["exceptionDetails"])))
        if message.get("method") == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.errors.append(details["entry"]["text"])
        if message.get("method") == "Runtime.consoleAPICalled" and details["type"] == "error":
            self.errors.append(str(details["args"]))

    def open(self, page: Path, *, width: int = 1280, height: int = 720, dark: bool = False, media: str = "") -> None:
        """Open a file in a window of this size.

        Args:
            page: an HTML file.
            width: in pixels; below 500 it is a phone.
            height: in pixels.
            dark: the reader prefers dark colours.
            media: ``print``, or empty for the screen.
        """
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.errors.clear()
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.run("document.readyState + location.href") != f"complete{page.as_uri()}":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{page} was not loaded")
            time.sleep(0.02)

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        options: dict[str, Any] = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            options = {"captureBeyondViewport": True, "clip": clip}
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **options)["data"]))


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser with an empty profile, which ends with the context.

    Raises:
        FileNotFoundError: none is installed.
    """
    path = find_browser()
    if path is None:
        raise FileNotFoundError("no chromium is installed; hint: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="midnight-browser-", ignore_cleanup_errors=True) as profile:
        # Without the sandbox: tests also run as root in a container, and open only files that they wrote.
        options: tuple[str, ...] = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        )
        options += ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio")
        line = [path, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            with connect(_address(Path(profile), process), max_size=None, proxy=None) as socket:
                browser = Browser(socket)
                for domain in ("Page", "Runtime", "Log"):
                    browser.call(f"{domain}.enable")
                yield browser
                browser.call("Browser.close")
        finally:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """The WebSocket of the first tab."""
    import httpx

    file, deadline = profile / "DevToolsActivePort", time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and len(lines := file.read_text().splitlines()) == 2:
            tabs = httpx.get(f"http://127.0.0.1:{lines[0]}/json/list", trust_env=False, timeout=60).json()
            found = [tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"]
            if found:
                return str(found[0])
        time.sleep(0.05)
    raise TimeoutError(f"the browser did not start within {LIMIT_SECONDS} s (exit code {process.poll()})")
