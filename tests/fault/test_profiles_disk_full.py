import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from veriscope.instrument.profiling import SamplingProfiler, profile_generation


def lost(registry: CollectorRegistry, kind: str, reason: str) -> float:
    """Count the profiles that were dropped."""
    labels = {"kind": kind, "reason": reason}
    return registry.get_sample_value("veriscope_profiles_dropped_total", labels) or 0.0


def test_a_profile_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    """The result and the function's own exception come out; the loss is counted."""
    registry = CollectorRegistry()
    obstacle = tmp_path / "profiles"
    obstacle.write_text("a file where the folder should be")

    @profile_generation(directory=obstacle, registry=registry)
    def generate(number: int) -> float:
        return 1 / number

    assert generate(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        generate(0)
    assert lost(registry, "call", "file_error") == 2


def test_a_sampled_profile_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    """The sampling profiler counts what it cannot write, and stops as ever."""
    registry = CollectorRegistry()
    obstacle = tmp_path / "profiles"
    obstacle.write_text("a file where the folder should be")
    with SamplingProfiler(directory=obstacle, registry=registry):
        pass
    assert lost(registry, "sampling", "file_error") == 1


def test_a_full_disk_leaves_no_half_profiles(tmp_path: Path) -> None:
    """Where no file may grow, profiles are lost and counted, and nothing broken stays behind."""
    script = (
        "import resource\n"
        "from prometheus_client import REGISTRY\n"
        "from veriscope.instrument.profiling import SamplingProfiler, profile_generation\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))\n"
        f"@profile_generation(directory={str(tmp_path)!r})\n"
        "def generate(): return sum(range(10))\n"
        f"with SamplingProfiler(directory={str(tmp_path)!r}):\n"
        "    assert generate() == 45\n"
        "for kind in ('call', 'sampling'):\n"
        "    labels = {'kind': kind, 'reason': 'disk_full'}\n"
        "    assert REGISTRY.get_sample_value('veriscope_profiles_dropped_total', labels) == 1\n"
    )
    # Into pipes: the limit would hold for a file that stands for its standard error, too.
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True)
    assert list(tmp_path.iterdir()) == []
