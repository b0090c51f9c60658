"""Registries for the metrics of profiling."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry for the metrics of profiling."""
    return CollectorRegistry()


@pytest.fixture
def profiles(tmp_path: Path) -> Callable[[], list[Path]]:
    """List the profiles of calls that were written, oldest first."""

    def found() -> list[Path]:
        return sorted(tmp_path.glob("profile_*.prof"), key=lambda path: path.stat().st_mtime_ns)

    return found
