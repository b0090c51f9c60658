"""Machine code for loops over samples: the one decorator of every compiled kernel."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import __version__, njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """
    Compile *function*, at its first call, to machine code that runs without Python's lock.

    What was compiled is kept on disk, beside the source or in the user's cache; where neither can
    be written to, each process compiles anew. Division by zero gives NaN or an infinity as in
    NumPy. Only modules of kernels import this one: Numba takes a tenth of a second and some 60 MB
    to load, which the agent and the library must not pay.
    """
    try:
        kernel: Any = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # Numba's, for want of a folder
        return cast("F", njit(nogil=True, error_model="numpy")(function))
    # Numba compares the kernel's own file only, and would go on with old code of what it calls; and
    # it does so after it has read types that may have another name by now. Its version comes first.
    kernel._cache._cache_file._version = (__version__, _stamp(function))  # noqa: SLF001 - no door
    return cast("F", kernel)


def _stamp(function: Callable[..., Any]) -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of every file whose code is in the kernel."""
    files: set[str] = set()
    _collect(function, files)
    found = [(Path(file).name, Path(file).stat()) for file in sorted(files)]
    return tuple([(name, stat.st_mtime_ns, stat.st_size) for name, stat in found])


def _collect(function: Callable[..., Any], files: set[str]) -> None:
    """Add the file of *function* and those of the kernels that its module knows."""
    file = inspect.getfile(function)
    if file in files:
        return
    files.add(file)
    for known in inspect.unwrap(function).__globals__.values():
        if (source := getattr(known, "py_func", None)) is not None:
            _collect(source, files)
