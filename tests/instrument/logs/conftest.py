"""Logging set up in a folder of the test's own, and put back afterwards."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.logs import LoggingHandle, configure_logging


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry for the counters of logging."""
    return CollectorRegistry()


@pytest.fixture
def log_to(tmp_path: Path, registry: CollectorRegistry) -> Iterator[Callable[..., LoggingHandle]]:
    """Configure logging into `tmp_path`, quiet on the console and towards any server."""
    handles: list[LoggingHandle] = []

    def configure(**settings: Any) -> LoggingHandle:
        chosen = {"directory": tmp_path, "console": "off", "ship": False, **settings}
        handles.append(configure_logging(registry=registry, **chosen))
        return handles[-1]

    yield configure
    for handle in reversed(handles):
        handle.reset()


@pytest.fixture
def records() -> Callable[[Path], list[dict[str, Any]]]:
    """Read a log file as events."""

    def read(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    return read


@pytest.fixture
def dropped(registry: CollectorRegistry) -> Callable[[str], float]:
    """Count what was dropped for a reason."""

    def count(reason: str) -> float:
        return registry.get_sample_value("veriscope_log_dropped_total", {"reason": reason}) or 0.0

    return count
