"""Reading the kernel's small files cheaply."""

import os
from pathlib import Path
from typing import Any, Final

import re2

from veriscope.signals import InvalidInputError

_CHUNK: Final = 32_768


class KernelFile:
    """
    A file of /proc or /sys that is kept open and read anew each time.

    The kernel writes such a file when it is read from offset 0, so a kept descriptor saves
    finding and opening it, which costs more than the reading itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """Return the whole content; `OSError` where it cannot be opened or read."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._read_all()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the descriptor; the next reading opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()

    def _read_all(self) -> bytes:
        content = os.pread(self._descriptor, _CHUNK, 0)
        # The kernel gives long tables a page at a time, so only an empty answer is the end.
        while chunk := os.pread(self._descriptor, _CHUNK, len(content)):
            content += chunk
        return content


def read_once(path: str | Path) -> bytes:
    """Return the first 4 KiB of *path*, without the cost of a Python file object."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def read_text(path: str | Path) -> str:
    """Return the short text in *path*, stripped; bytes that are not UTF-8 are replaced."""
    return read_once(path).decode(errors="replace").strip()


def compile_exclusion(option: str, pattern: str) -> Any:
    """Compile the RE2 *pattern*; `InvalidInputError` naming *option* where it is not one."""
    try:
        # An empty pattern must exclude nothing; `$^` can match no name.
        return re2.compile(pattern or r"[^\x00-\x{10FFFF}]")
    except re2.error as error:
        raise InvalidInputError(f"{option}: {pattern!r} is not an RE2 pattern: {error}") from error
