import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from veriscope.instrument.health import (
    CheckResult,
    database_check,
    disk_check,
    gpu_check,
    http_check,
    memory_check,
    process_check,
    spice_check,
)
from veriscope.signals import InvalidInputError, UnavailableError

ROOT = Path(__file__).parents[3]


def test_the_disk_s_figure_is_that_of_df(tmp_path: Path) -> None:
    """Both round up, so that alert and console agree."""
    lines = subprocess.run(
        ["df", "-P", tmp_path], capture_output=True, check=True, text=True
    ).stdout.splitlines()
    shown = int(lines[-1].split()[4].rstrip("%"))
    result = disk_check(str(tmp_path), 100)()
    assert abs(result.observed - shown) <= 1  # others write meanwhile
    assert result.ok


def test_a_full_disk_is_unhealthy() -> None:
    """Above the threshold, with the document's words."""
    result = disk_check("/", 0)()
    assert not result.ok
    assert result.reason == f"Disk usage at {result.observed}%"


def test_memory_is_what_is_not_available() -> None:
    """Caches do not count."""
    memory = psutil.virtual_memory()
    result = memory_check(0)()
    assert result.observed == pytest.approx(100 - 100 * memory.available / memory.total, abs=3)
    assert (result.ok, memory_check(100)().ok) == (result.observed == 0, True)


@pytest.mark.parametrize("make", [lambda: disk_check("/", 101), lambda: memory_check(-1)])
def test_thresholds_are_percentages(make: Callable[[], object]) -> None:
    """Nothing else is taken."""
    with pytest.raises(InvalidInputError, match="not a percentage"):
        make()


def test_a_machine_without_gpu_says_so() -> None:
    """`no_gpu`, as in the document, and no failure."""
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has a GPU")
    assert gpu_check()() == CheckResult(text="no_gpu", observed=0, unit="gpus")


@pytest.fixture(scope="session")
def nvml_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a driver's library, as the tests of the GPU collector do."""
    folder = tmp_path_factory.mktemp("nvml")
    source = ROOT / "tests/collect/gpu/nvml.c"
    command = ["gcc", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", source]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ("", "True 2"),
        ("count 0\n", "True 0 no_gpu"),
        ("1.error 15\n", "NVMLError"),
        ("nvmlInitWithFlags.error 9\n", "True 0 no_gpu"),
        ("nvmlInitWithFlags.error 18\n", "NVMLError"),
    ],
    ids=["two", "none", "one is lost", "no driver", "wrong driver"],
)
def test_gpus_are_asked_through_nvml(
    nvml_folder: Path, tmp_path: Path, more: str, answer: str
) -> None:
    """Each GPU is asked; one that is lost is unhealthy, a machine without one is not."""
    state = tmp_path / "state"
    memory = "".join(
        f"{i}.memory_{key} 9\n" for i in (0, 1) for key in ("total", "used", "reserved")
    )
    state.write_text(f"count 2\n{memory}" if "count" not in more else more)
    with state.open("a") as file:
        file.write(more)
    code = (
        "from veriscope.instrument.health import gpu_check\n"
        "try: r = gpu_check()(); print(r.ok, r.observed, r.text)\n"
        "except Exception as error: print(type(error).__mro__)"
    )
    environment = {"LD_LIBRARY_PATH": str(nvml_folder), "NVML_STATE": str(state)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )
    assert answer in done.stdout


def test_a_database_is_asked() -> None:
    """A connection is opened, asked and closed."""
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(":memory:", check_same_thread=False))
        return opened[-1]

    assert database_check(connect)().ok
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")
    assert database_check(connect)().component_type == "datastore"


def test_a_database_that_does_not_answer_raises() -> None:
    """Its own words are the reason."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database_check(lambda: sqlite3.connect(":memory:"), "SELECT * FROM gone")()
    empty = "SELECT 1 WHERE 0"
    assert database_check(lambda: sqlite3.connect(":memory:"), empty)().reason.endswith("no row")


@pytest.fixture
def http_url() -> Iterator[str]:
    """Return the URL of a server that answers the status in the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_http_is_asked(http_url: str) -> None:
    """The status decides."""
    assert http_check(f"{http_url}/204")().ok
    result = http_check(f"{http_url}/503")()
    assert (result.ok, result.reason) == (False, "answered with status 503")


def test_http_that_is_gone_says_why() -> None:
    """Refused, silent and unknown are told in words."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert "timed out" in http_check(url, timeout_s=0.1)().reason
    assert "refused" in http_check(url)().reason
    assert "resolve" in http_check("http://name.invalid/")().reason.lower()
    with pytest.raises(InvalidInputError, match="http"):
        http_check("file:///etc/passwd")


def test_a_process_is_found_by_its_command_line() -> None:
    """Other processes count, this one does not."""
    marker = f"veriscope-marker-{os.getpid()}"
    assert not process_check(marker)().ok
    with subprocess.Popen(["sleep", "30", marker], stderr=subprocess.DEVNULL) as bad:
        bad.wait(60)  # sleep takes no words; it is gone, and only a zombie until now
    assert not process_check(marker)().ok
    with subprocess.Popen(
        [sys.executable, "-c", "input()", marker], stdin=subprocess.PIPE
    ) as found:
        result = process_check(f"{marker}$")()
        assert (result.ok, result.observed) == (True, 1)
        assert not process_check(marker, ignore="input")().ok
        found.communicate(b"\n")
    with pytest.raises(InvalidInputError, match="RE2"):
        process_check("(")


@pytest.mark.skipif(not Path("/usr/bin/ngspice").exists(), reason="Debian's ngspice is needed")
def test_ngspice_really_simulates() -> None:
    """One resistor, solved: two volts at its node."""
    assert spice_check()() == CheckResult(observed=2.0, unit="volts")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo 'v(in) = 2.000000e+00'; echo 'i(v1) = -2.100000e-03'",
            "gave i\\(v1\\) = -0.0021, not -0.002",
        ),
        ("echo 'v(in) = 2.000000e+00'", "gave no i\\(v1\\)"),
        ("echo hello", "gave no v\\(in\\): hello"),
        ("echo singular matrix; exit 1", "ended with code 1: singular matrix"),
        ("exec sleep 20", "did not finish in 0.3 s"),
    ],
)
def test_an_engine_that_computes_wrong_is_unhealthy(
    tmp_path: Path, script: str, words: str
) -> None:
    """That it starts is not enough: the numbers must be those of Ohm's law."""
    engine = tmp_path / "spice"
    engine.write_text(f"#!/bin/sh\n{script}\n")
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(UnavailableError, match=words):
        spice_check(str(engine), timeout_s=0.3 if "sleep" in script else 20)()


def test_an_engine_that_is_missing_is_told() -> None:
    """The name that was looked for is in the reason."""
    with pytest.raises(UnavailableError, match="no-such-spice is not installed"):
        spice_check("no-such-spice")()
