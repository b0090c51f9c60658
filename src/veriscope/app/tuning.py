"""Python, the C library and gRPC, told what kind of process this is."""

import ctypes
import gc
import os
from pathlib import Path
from typing import Final

# `malloc.h` of glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def limit_allocator() -> None:
    """
    Keep the process small between large queries; nothing happens where there is no glibc.

    By default each thread that allocates gets an arena of its own, of which glibc allows eight a
    processor, and what was freed in one stays with the process: some 100 MB after queries whose
    matrices are tens of megabytes each. A fixed threshold makes such matrices mappings of their
    own, which end when they are freed; setting it stops glibc from raising it to 32 MB.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in (
        (_M_ARENA_MAX, 2),
        (_M_MMAP_THRESHOLD, 1 << 20),
        (_M_TRIM_THRESHOLD, 8 << 20),
    ):
        mallopt(option, value)


def memory_bytes(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how much memory this process may use: the machine's, or its control group's."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        # In a container this is its own group; elsewhere the root, which has no such file.
        return min(machine, int((groups / "memory.max").read_text()))
    except (OSError, ValueError):  # no file, or `max`
        return machine


def cache_bytes(memory: int) -> int:
    """
    Return how much of *memory* (bytes) samples may take that are asked for often.

    What is read from disk for each query instead takes ten times as long and more.
    """
    return min(max(memory // 32, 128 << 20), 2 << 30)


def relax_collector() -> None:
    """
    Look for garbage less often, and never in what the server is made of.

    The label sets of series are a great many small tuples that stay. By default Python walks them
    again and again while new ones are made, which takes more than making them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def never_fork_grpc() -> None:
    """
    Let gRPC take no part in forks, before it is first used.

    The processes that a server starts run other programs, which use nothing of it. Its handlers
    would print a line about its threads each time.
    """
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
