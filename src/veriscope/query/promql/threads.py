"""How arrays are handed to compiled loops: as they take them, and to several threads at once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_LARGE: Final = 2_000_000
"""Cells or samples from which on work is worth splitting: some milliseconds of it."""


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """
    Return a contiguous view of *array* that cannot be written to.

    Columns of a cache may be read-only or not; a kernel that saw both would be compiled twice.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def split(count: int, work: int, among: int | None = None) -> list[slice]:
    """
    Return `range(count)` in one part, or in a few where *work* is large.

    *work* is the number of cells or samples, those of all *among* things (else of *count*).
    """
    total = among or count
    size = total if work < _LARGE else -(-total // (2 * processors()))
    return [slice(start, min(count, start + size)) for start in range(0, count, max(1, size))]


def run_all(tasks: Sequence[Callable[[], object]], work: int) -> None:
    """
    Run all *tasks*; those of large *work*, which is in cells or samples, on every processor.

    Raises what one of them raises, when none is running any more.
    """
    pending = iter(tasks)

    def run() -> None:
        for task in pending:
            task()

    helpers = min(processors(), len(tasks)) - 1 if work >= _LARGE else 0
    waiting = [_pool().submit(run) for _ in range(helpers)]
    try:
        run()
    finally:
        # A helper that waits behind other queries' has nothing left to do.
        errors = [helper.exception() for helper in waiting if not helper.cancel()]
    for error in errors:
        if error is not None:
            raise error


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the one pool of all queries: more threads than processors would only compete."""
    return ThreadPoolExecutor(processors(), thread_name_prefix="veriscope-query")


@cache
def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0))
