"""Files that are written whole, or not at all."""

import contextlib
import errno
import os
from pathlib import Path
from threading import get_ident
from typing import Final

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_whole(path: Path, content: bytes) -> None:
    """
    Put *content* at *path* so that nobody ever reads half of it; raises `OSError`.

    What a full disk leaves of it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of this writer alone: another may be at the same file.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def failure_reason(error: OSError) -> str:
    """Return the label value for a file that could not be written."""
    return "disk_full" if error.errno in _FULL else "file_error"
