"""A folder of profiles that cannot grow without bound."""

import contextlib
import os
import re
import time
from pathlib import Path


def file_stem(name: str) -> str:
    """Return *name* fit for a file's name: letters, digits, dot, dash and underscore."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", name)[:100] or "_"


def keep_newest(directory: Path, pattern: re.Pattern[str], keep: int) -> None:
    """
    Remove all but the *keep* newest files of *directory* whose name matches *pattern*.

    A file from the future is older than all others: the clock was set back since.
    """
    now_ns = time.time_ns()
    found: list[tuple[int, str]] = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            if pattern.fullmatch(entry.name):
                modified_ns = entry.stat().st_mtime_ns
                found.append((modified_ns if modified_ns <= now_ns else 0, entry.path))
    for _, path in sorted(found)[: max(0, len(found) - keep)]:
        # Another process that keeps the same folder tidy may have been faster.
        with contextlib.suppress(OSError):
            Path(path).unlink()
