"""A running Veriscope, and pages of a real Chromium that watch what they load."""

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_START_S: Final = 60.0
_STOP_S: Final = 20.0
_ADDRESS: Final = re.compile(rb"http://127\.0\.0\.1:\d+")
# From then on every chart has something to show: a counter has two samples, and the server
# has collected the histogram of its own requests.
_FIRST_ANSWERS: Final = (
    "rate(node_cpu_seconds_total[15s])",
    "veriscope_http_request_duration_seconds_bucket",
)
_FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `veriscope up` as it is without a configuration, and wait for its first charts."""
    with _running(tmp_path_factory.mktemp("veriscope")) as url:
        for expression in _FIRST_ANSWERS:
            _wait_until(url, f"/api/v1/query?query={expression}", b'"value"')
        yield url


@pytest.fixture
def start_server() -> Iterator[Callable[..., str]]:
    """
    Return what starts one more server, with options of its own, in a folder.

    Ask for it before `reader`: a page that outlives its server complains.
    """
    with ExitStack() as running:
        yield lambda folder, *options: running.enter_context(_running(folder, *options))


@contextmanager
def _running(folder: Path, *options: str) -> Iterator[str]:
    """Start `veriscope up` in *folder* on a free port, and stop it as an operator would."""
    command = [sys.executable, "-m", "veriscope", "up"]
    command += ["--data", str(folder / "data"), "--listen", "127.0.0.1:0", *options]
    with (folder / "stderr.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    try:
        url = _read_address(process, folder / "stderr.log")
        _wait_until(url, "/-/ready", b"")
        yield url
    finally:
        process.terminate()
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
    assert code == 0, f"stopping with SIGTERM gave exit code {code}"


def _read_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the address that the server prints once it listens."""
    assert process.stdout is not None
    deadline = time.monotonic() + _START_S
    seen = b""
    while (rest := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], rest)
        chunk = os.read(process.stdout.fileno(), 65536) if ready else b""
        seen += chunk
        if match := _ADDRESS.search(seen):
            return match[0].decode()
        if ready and not chunk:
            break
    pytest.fail(f"no address was printed: {seen!r}\n{log.read_text(errors='replace')}")


def _wait_until(url: str, path: str, wanted: bytes) -> None:
    """Wait until *path* answers 200 with *wanted* in its body."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            with urlopen(url + path, timeout=60) as answer:
                if wanted in answer.read():
                    return
        except URLError as error:
            last: object = error
        else:
            last = "an answer without it"
        time.sleep(0.1)
    pytest.fail(f"{path} gave no {wanted!r} within {_START_S} s: {last}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; by module, so that no event loop is left to other tests."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("NO BROWSER TEST RAN: install Debian's `chromium` package")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield started
        started.close()


@dataclass
class Reader:
    """Someone who reads the page; what the page does wrong is kept until the test ends."""

    context: BrowserContext
    url: str
    expected_failures: list[str] = field(default_factory=list)
    """Parts of console messages that a test brings about on purpose."""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Open a tab at *path*, and watch it."""
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.goto(self.url + path)
        return page

    def check(self) -> None:
        """Fail if a request left the origin, or the console complained."""
        origin = urlsplit(self.url).netloc
        strangers = [
            url
            for url in self.requests
            if urlsplit(url).scheme != "data" and urlsplit(url).netloc != origin
        ]
        assert strangers == []
        surprises = [
            text
            for text in self.complaints
            if not any(part in text for part in self.expected_failures)
        ]
        assert surprises == []


@pytest.fixture
def reader(browser: Browser, server_url: str, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """Return a fresh profile; indirect parameters go to `Browser.new_context`."""
    options = {"viewport": {"width": 1280, "height": 860}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    someone = Reader(context, server_url)
    yield someone
    context.close()
    someone.check()
