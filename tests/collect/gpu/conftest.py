"""The GPUs that this folder's tests read."""

from typing import Any

import pytest


@pytest.fixture
def machine(gpu_machine: Any) -> Any:
    """Return a machine of two GPUs that answer everything."""
    return gpu_machine
