"""Columns of unknown length."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope.store import growing
from veriscope.store.growing import GrowingColumn


@given(st.lists(st.integers(0, 30), max_size=12))
def test_blocks_of_any_size_become_one_column(sizes: list[int]) -> None:
    """Whatever chunks they fall into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "_CHUNK", 8)
        column, start = GrowingColumn(np.int64), 0
        for size in sizes:
            column.extend(np.arange(start, start + size))
            start += size
            assert len(column) == start
        assert column.whole().tolist() == list(range(start))
        assert len(column) == 0


_PEAK = """
import re, numpy as np
from pathlib import Path
from veriscope.app.tuning import limit_allocator
from veriscope.store.growing import GrowingColumn

def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

limit_allocator()
before, column = peak_mb(), GrowingColumn(np.float64)
for _ in range(100):
    column.extend(np.ones(125_000))
found = column.whole()
assert found.sum() == 12_500_000
print(peak_mb() - before)
"""


def test_a_large_column_is_never_held_twice() -> None:
    """A hundred megabytes in blocks of one take little more than a hundred."""
    ran = subprocess.run(
        [sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(ran.stdout) < 130
