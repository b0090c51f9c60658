"""What the fault tests of the library share: a server that can fail, exporters, processes."""

import importlib.util
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery import Exporter, ExportOptions


def _load_sink() -> Any:
    path = Path(__file__).parents[1] / "instrument/delivery/sink.py"
    spec = importlib.util.spec_from_file_location("fault_sink", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_sink_module = _load_sink()


@pytest.fixture
def reply() -> Any:
    """Return the class of the sink's answers."""
    return _sink_module.Reply


@pytest.fixture
def start_sink() -> Iterator[Callable[..., Any]]:
    """Start servers that keep what they are sent, on a free port or a given one."""
    started: list[Any] = []

    def start(port: int = 0) -> Any:
        started.append(_sink_module.Sink(port))
        return started[-1]

    yield start
    for sink in started:
        sink.close()


@pytest.fixture
def sink(start_sink: Callable[..., Any]) -> Any:
    """Return a server that answers 200 unless told otherwise."""
    return start_sink()


@pytest.fixture
def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def export() -> Iterator[Callable[..., Exporter]]:
    """Start exporters with short pauses, each with a registry of its own."""
    started: list[Exporter] = []

    def start(url: str, *, clock: Any = None, **options: Any) -> Exporter:
        defaults = {
            "service_name": "shop",
            "metrics_interval_s": 3600.0,
            "batch_interval_s": 3600.0,
            "first_pause_s": 0.01,
            "longest_pause_s": 0.05,
        }
        exporter = Exporter(
            url,
            ExportOptions(**{**defaults, **options}),
            registry=CollectorRegistry(),
            clock=clock,
        )
        started.append(exporter)
        return exporter

    yield start
    for exporter in started:
        exporter.shutdown(0)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a Python process ended."""

    code: int
    out: str
    err: str
    seconds: float


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., Ended]:
    """Run a script, with `VERISCOPE_URL` and what else is given in its environment."""

    def run(script: str, url: str, *options: str, **environment: str) -> Ended:
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
