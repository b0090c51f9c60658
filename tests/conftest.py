"""Fixtures that many rooms share."""

import contextlib
import fcntl
import importlib.util
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb
import pytest
import structlog
from hypothesis import HealthCheck, settings

from veriscope.signals import Duration
from veriscope.store import RetentionOptions, Store, StoreOptions
from veriscope.wire import remote_write

# The same examples each time: a run fails for what was changed, not for what was drawn.
# `--hypothesis-profile=default` draws others. How long one takes says nothing on a busy machine.
settings.register_profile(
    "repeatable",
    derandomize=True,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

_databases = itertools.count()
_chance = random.Random(os.getpid())  # noqa: S311 - of ports


def _load(name: str) -> Any:
    """Return the module *name* of this folder, which holds no tests."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"veriscope_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_sink = _load("sink")
_gpus = _load("gpus")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let golden files be written anew."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Refuse tests whose name is a whole input.

    pytest keeps the running test's name in the environment, and no process can be started with
    a variable of over 128 KiB: the fixture that starts a server fails in whatever order puts it
    behind such a test.
    """
    for item in items:
        if len(item.nodeid) > 1_000:
            raise pytest.UsageError(f"give this case a short id: {item.nodeid[:150]}...")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: some hold the time, and workers must agree on the names."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """
    Let a test marked `alone` run while no other worker has one.

    Each test holds the room, together with others or alone, and comes in by the door. Who wants
    to be alone waits in the door, so that nobody else slips in before. A test marked `waiting`
    holds nothing: it does so little that nobody need wait for its end.
    """
    is_waiting = item.get_closest_marker("waiting") is not None
    if "PYTEST_XDIST_WORKER" not in os.environ or is_waiting:
        return (yield)
    alone = item.get_closest_marker("alone") is not None
    with Path(__file__).open() as room, Path(_gpus.__file__).open() as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        try:
            return (yield)
        finally:  # not by closing: a process that the test forked may have the file still
            fcntl.flock(room, fcntl.LOCK_UN)


@pytest.fixture(autouse=True)
def _structlog_as_in_a_new_process() -> None:
    """Forget what other tests configured (`capture_logs` does), since logs go where it says."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One embedded engine for the whole run: a process can host only one."""
    path = tmp_path_factory.mktemp("engine")
    keep_open = chdb.connect(str(path))
    yield f"chdb://{path}"
    keep_open.close()


class Databases:
    """
    Databases for stores that keep all for ever, empty each.

    Making one takes a third of a second, so those that were given back are emptied and lent
    again. Who changes a schema names a database of its own.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._free: list[str] = []

    def lend(self) -> str:
        """Return a database that nobody uses."""
        return self._free.pop() if self._free else f"test_{next(_databases)}"

    def give_back(self, name: str) -> None:
        """Empty the database, whose stores are closed."""
        tables = self._connection.query(
            "SELECT name FROM system.tables WHERE database = {name:String}"
            " AND engine LIKE '%MergeTree' AND name != 'schema_migrations'",
            "TabSeparated",
            params={"name": name},
        )
        for table in str(tables).split():
            self._connection.query(f"TRUNCATE TABLE {name}.{table}")
            self._connection.query(f"SYSTEM START MERGES {name}.{table}")
        self._free.append(name)


@pytest.fixture(scope="session")
def databases(engine_url: str) -> Iterator[Databases]:
    """Return the databases of the run."""
    with chdb.connect(engine_url.removeprefix("chdb://")) as connection:
        yield Databases(connection)


@pytest.fixture
def open_store(engine_url: str, databases: Databases) -> Iterator[Callable[..., Store]]:
    """Open stores, each in an empty database, that keep all for ever unless told otherwise."""
    opened: list[Store] = []
    lent: list[str] = []

    def open_one(database: str | None = None, retention: str = "0s") -> Store:
        age = Duration.parse(retention)
        if database is None and not age:
            lent.append(database := databases.lend())
        store = Store.open(
            StoreOptions(
                url=engine_url,
                database=database or f"test_{next(_databases)}",
                retention=RetentionOptions(
                    metrics=age, rollups_5m=age, rollups_1h=age, spans=age, logs=age, events=age
                ),
            )
        )
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()
    for name in lent:
        databases.give_back(name)


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
            with urllib.request.urlopen(self.url + path + query, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def post(self, path: str, **parameters: str) -> Any:
        """Return the JSON that a form sent to *path* is answered with, None where there is none."""
        form = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(self.url + path, form, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
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
            with urllib.request.urlopen(request, timeout=60) as answer:
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
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def reply() -> Any:
    """Return the class of a sink's answers."""
    return _sink.Reply


@pytest.fixture
def start_sink() -> Iterator[Callable[..., Any]]:
    """Start servers that keep what the library sends, on a free port or a given one."""
    started: list[Any] = []

    def start(port: int = 0) -> Any:
        started.append(_sink.Sink(port))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def sink(start_sink: Callable[..., Any]) -> Any:
    """Return a server that keeps telemetry, and answers 200 unless told otherwise."""
    return start_sink()


@pytest.fixture
def receiver() -> Iterator[Any]:
    """Return a server that keeps notifications, and answers 200 unless told otherwise."""
    found = _sink.Receiver()
    yield found
    found.close()


@pytest.fixture
def free_port() -> int:
    """Return a port on which nothing listens; no other socket of a test run gets it by chance."""
    while True:
        port = _chance.randrange(10_000, 32_000)  # Linux gives out those above when asked for any
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the tests' NVML once; its name is the one the dynamic linker is asked for."""
    return Path(_gpus.build_nvml(tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"))


@pytest.fixture
def gpu_machine(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a machine of two GPUs that answer everything."""
    path = tmp_path / "nvml.state"
    monkeypatch.setenv("NVML_STATE", str(path))
    return _gpus.GpuMachine(path, nvml_library)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a Python process ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., Ended]:
    """Run a script in a new interpreter, with `VERISCOPE_URL` and what else is given around it."""

    def run(script: str, url: str = "", *options: str, **environment: str) -> Ended:
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(script))
        begun = time.monotonic()
        ended = subprocess.run(
            [sys.executable, *options, str(path)],
            env={**os.environ, "VERISCOPE_URL": url, "OTEL_SERVICE_NAME": "job", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr, time.monotonic() - begun)

    return run
