"""Compiled kernels: what is kept on disk is what the sources say."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veriscope.signals.compiled import compiled

CALLEE = """
from veriscope.signals.compiled import compiled

@compiled
def inner(number):
    return number + {added}
"""
CALLER = """
from veriscope.signals.compiled import compiled
from callee_kernels_of_a_test import inner

@compiled
def outer(number):
    return inner(number) * 10
"""
PAIR = """
from typing import NamedTuple

from veriscope.signals.compiled import compiled

class {name}(NamedTuple):
    left: int
    right: int

@compiled
def total(pair):
    return pair.left + pair.right

def run():
    return total({name}(20, 22))
"""
NAMES = "callee_kernels_of_a_test", "caller_kernels_of_a_test"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder from which modules are imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in (*NAMES, "pair_kernels_of_a_test"):
        sys.modules.pop(name, None)


def outer(folder: Path, added: int) -> Any:
    """Return the caller as a new process finds it, its callee adding *added*."""
    for name, text in zip(NAMES, (CALLEE.format(added=added), CALLER), strict=True):
        path = folder / f"{name}.py"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module(NAMES[1]).outer


def test_machine_code_is_kept_until_any_of_its_sources_changes(folder: Path) -> None:
    """A second process loads what the first compiled, unless a kernel that it calls is new."""
    assert outer(folder, 1)(1) == 20
    again = outer(folder, 1)
    assert again(1) == 20
    assert sum(again.stats.cache_hits.values()) == 1
    changed = outer(folder, 200)
    assert changed(1) == 2010
    assert not changed.stats.cache_hits


def test_types_in_what_was_kept_may_be_renamed(folder: Path) -> None:
    """What an older version left on disk is passed over, not read."""
    for name in ("Former", "Latter"):
        (folder / "pair_kernels_of_a_test.py").write_text(PAIR.format(name=name))
        sys.modules.pop("pair_kernels_of_a_test", None)
        importlib.invalidate_caches()
        assert importlib.import_module("pair_kernels_of_a_test").run() == 42


def test_without_a_folder_to_write_to_kernels_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be kept, each process compiles for itself."""

    def double(number: int) -> int:
        return 2 * number

    code = double.__code__.replace(co_filename="/nowhere/at/all.py")
    monkeypatch.setattr(double, "__code__", code)
    kernel: Any = compiled(double)
    assert kernel(21) == 42
    assert kernel.stats.cache_path is None
