"""A log file that threads and processes append to together, and that any of them may rotate."""

import contextlib
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


class SharedLogFile:
    """
    Appends whole lines to *path*, which moves to `path.1`, `path.2`, … when it is full.

    A line is one `write` on a descriptor opened for appending, which Linux does not mix with
    another's. Before each one the file is compared with what stands at *path*, so that a file
    that another process (or logrotate) moved aside is left and the new one is opened; a line
    that was on its way goes to the file that was moved. Only the holder of `path.lock` moves
    files, and nobody waits for it: a file may grow a little past *max_bytes* meanwhile.

    Not for several threads at once; the handler calls it under its lock. Every method raises
    `OSError` as the system does; the next call tries again.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int, mode: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._mode = mode
        self._descriptor = -1
        self._torn = False

    def append(self, line: bytes) -> None:
        """Append *line*, which ends with a newline."""
        descriptor = self._current()
        if self._is_full(descriptor, len(line)):
            descriptor = self._rotate(descriptor)
        if self._torn:
            line = b"\n" + line
        written = os.write(descriptor, line)
        # A disk that fills up takes part of a line. What it took ends the next time there is
        # room; taking it back could take another process' line with it.
        self._torn = written < len(line)
        if self._torn:
            os.write(descriptor, line[written:])
            self._torn = False

    def close(self) -> None:
        """Close the file; a later `append` opens it again."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _current(self) -> int:
        """Return a descriptor of the file that stands at the path."""
        if self._descriptor >= 0:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self.path.stat(), os.fstat(self._descriptor)):
                    return self._descriptor
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, _FLAGS, self._mode)
        return self._descriptor

    def _is_full(self, descriptor: int, more_bytes: int) -> bool:
        if not self._max_bytes:
            return False
        found = os.fstat(descriptor)
        return (
            stat.S_ISREG(found.st_mode)
            and found.st_size > 0
            and found.st_size + more_bytes > self._max_bytes
        )

    def _rotate(self, descriptor: int) -> int:
        """Move the full file aside unless another process is at it; return where to write."""
        # Opened anew each time: a lock is shared with whoever inherits its descriptor by fork.
        lock = os.open(f"{self.path}.lock", _LOCK_FLAGS, self._mode)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the look at the size and the lock another process may have rotated.
            descriptor = self._current()
            if self._is_full(descriptor, 1):
                self._shift()
                descriptor = self._current()
        except BlockingIOError:
            return descriptor
        finally:
            os.close(lock)
        return descriptor

    def _shift(self) -> None:
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._backups + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
