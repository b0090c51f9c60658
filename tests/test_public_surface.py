"""What rooms export is deliberate, and importing the package is cheap."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from types import FunctionType

import pytest

import veriscope

ROOMS = sorted(
    room.name
    for room in pkgutil.iter_modules(veriscope.__path__)
    if room.ispkg and hasattr(import_module(f"veriscope.{room.name}"), "__all__")
)


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_exist_and_are_explained(room: str) -> None:
    """Each name of `__all__` is there; each class and function says what it is for."""
    module = import_module(f"veriscope.{room}")
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        exported = getattr(module, name)
        if isinstance(exported, type | FunctionType):
            assert exported.__doc__, f"{room}.{name} has no docstring"


def test_importing_the_package_loads_nothing_heavy() -> None:
    """An application that only imports `veriscope` pays for no engine, no server, no NumPy."""
    heavy = {"chdb", "clickhouse_connect", "numpy", "pyarrow", "starlette", "uvicorn", "aiohttp"}
    code = f"import sys, veriscope; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
