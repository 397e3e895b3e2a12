# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, driven through a pipe: for the tests of the page and for pictures.

Speaks Chromium's DevTools protocol over two pipes (``--remote-debugging-pipe``), so it needs no
further package and no port. Not safe for several threads at once.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The program of Chromium or Chrome, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of a browser, closed at the end of ``with``.

    Args:
        width, height: size of the window in CSS pixels.
        scale: device pixels for each of them.
        dark: whether the user prefers a dark page.
        patience: seconds after which an answer that does not come is a `TimeoutError`.
    """

    def __init__(self, *, width: int = 1280, height: int = 800, scale: float = 1.0,
                 dark: bool = False, patience: float = 60.0):
        program = find_browser()
        if program is None:
            raise FileNotFoundError(f"none of {', '.join(NAMES)} is on PATH")
        self.patience = patience
        self.said: list[str] = []  # Errors of the page: exceptions, refused loads.
        self._number = 0
        self._rest = b""
        self._profile = tempfile.TemporaryDirectory(prefix="ipc0cp-browser-")
        self._start(program)
        try:
            self._open_page(width, height, scale, dark)
        except BaseException:
            self.close()
            raise

    def _start(self, program: str) -> None:
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        # The browser reads commands from descriptor 3 and writes answers to 4, which may be taken.
        read_end, write_end = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
                               for end in (commands, answers))
        launcher = f"exec 3<&{read_end} 4>&{write_end}; exec \"$@\""
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
                   "--force-color-profile=srgb", "--font-render-hinting=none",
                   f"--user-data-dir={self._profile.name}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", launcher, "browser", program, *options],
            pass_fds=(read_end, write_end), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in (commands, answers, read_end, write_end):
            os.close(end)

    def _open_page(self, width: int, height: int, scale: float, dark: bool) -> None:
        self._session: str | None = None
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        attached = self.command("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=scale, mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._write)  # Ends it, as the end of its commands.
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        shutil.rmtree(self._profile.name, ignore_errors=True)

    def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Sends a command of the protocol and waits for its answer."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self.patience
        while True:
            answer = self._next(deadline, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError(f"the browser does not answer {method}")
            received = os.read(self._read, 1 << 20)
            if not received:
                raise ConnectionError(f"the browser has ended at {method}")
            self._rest += received
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(str(event["params"]["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded":
            entry = event["params"]["entry"]
            self.said.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def go(self, url: str) -> None:
        self.command("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """What an expression of the page is; a promise is waited for."""
        result = self.command("Runtime.evaluate", expression=script, returnByValue=True,
                              awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """The value of an expression, once it is true."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            found = self.value(script)
            if found:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"never true: {script}; the page: "
                           f"{self.value('document.body.innerText')!r}; errors: {self.said}")

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, as a person presses it."""
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, *, whole: bool = True) -> bytes:
        """What is to be seen, as PNG; ``whole``: also what one would have to scroll to."""
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])
