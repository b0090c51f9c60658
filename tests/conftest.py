"""Fixtures that many rooms share."""

import itertools
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb
import pytest

from veriscope.signals import Duration
from veriscope.store import RetentionOptions, Store, StoreOptions
from veriscope.wire import remote_write

_databases = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden files be written anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded engine for the whole run: a process can host only one."""
    path = tmp_path_factory.mktemp("engine")
    keep_open = chdb.connect(str(path))
    yield f"chdb://{path}"
    keep_open.close()


@pytest.fixture
def open_store(engine_url: str) -> Iterator[Callable[..., Store]]:
    """Open stores, each in a new database that keeps all for ever unless told otherwise."""
    opened: list[Store] = []

    def open_one(database: str | None = None, retention: str = "0s") -> Store:
        age = Duration.parse(retention)
        store = Store.open(
            StoreOptions(
                url=engine_url,
                database=database or f"test_{next(_databases)}",
                retention=RetentionOptions(metrics=age, spans=age, logs=age),
            )
        )
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    """Return an empty store."""
    return open_store()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with a file under `tests/golden`; `--update-golden` writes it."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()

    return compare


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A Veriscope process of its own."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return the JSON at *path*, whatever its HTTP status."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(self.url + path + query, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def query(self, text: str, **parameters: str) -> list[Any]:
        """Return the result of an instant query."""
        return list(self.get("/api/v1/query", query=text, **parameters)["data"]["result"])

    def write(self, message: bytes) -> int:
        """Send a remote write message and return the HTTP status."""
        request = urllib.request.Request(
            self.url + "/api/v1/write",
            remote_write.compress(message),
            {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Send *with_signal* and return the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(30)


@pytest.fixture
def run_server() -> Iterator[Callable[..., RunningServer]]:
    """Start `veriscope COMMAND` on a data directory and a free port; kill what is left over."""
    started: list[subprocess.Popen[str]] = []

    def start(data: Path, *options: str, command: str = "server") -> RunningServer:
        arguments = [sys.executable, "-m", "veriscope", command, "--data", str(data)]
        if "--listen" not in options:
            options = ("--listen", "127.0.0.1:0", *options)
        process = subprocess.Popen([*arguments, *options], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert "http" in announced, "the server did not start"
        return RunningServer(process, announced.split()[-1])

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
