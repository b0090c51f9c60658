"""What the process takes for itself of the memory there is."""

from pathlib import Path

import psutil
import pytest

from veriscope.app.tuning import cache_bytes, memory_bytes

_GIB = 1 << 30


def test_memory_is_that_of_the_machine_or_of_the_container(tmp_path: Path) -> None:
    """A limit of the control group counts where there is one that is lower."""
    machine = psutil.virtual_memory().total
    assert memory_bytes(tmp_path) == machine
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(tmp_path) == machine
    (tmp_path / "memory.max").write_text(f"{_GIB // 2}\n")
    assert memory_bytes(tmp_path) == _GIB // 2
    (tmp_path / "memory.max").write_text(f"{machine * 2}\n")
    assert memory_bytes(tmp_path) == machine


@pytest.mark.parametrize(
    ("memory", "taken"),
    [(_GIB, _GIB // 8), (16 * _GIB, _GIB // 2), (512 * _GIB, 2 * _GIB)],
    ids=["small", "laptop", "large"],
)
def test_samples_in_memory_take_a_share_of_it(memory: int, taken: int) -> None:
    """On the smallest machine enough for 6,000 series of three hours, and never all of a large."""
    assert cache_bytes(memory) == taken
