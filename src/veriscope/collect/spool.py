"""Bodies on disk: one file each, whole or not there, in the order in which they were made."""

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from veriscope.signals import UnavailableError

_NAME: Final = re.compile(r"(\d{16})-(\d+)\.snappy")
_UNFINISHED: Final = ".unfinished"


@dataclass(frozen=True, slots=True)
class SpooledBody:
    """A file: its place in the order, the samples in it and its size."""

    sequence: int
    samples: int
    size_bytes: int

    @property
    def name(self) -> str:
        """The file's name; names sort by age."""
        return f"{self.sequence:016}-{self.samples}.snappy"


class Spool:
    """
    The files in *directory*, which one process uses at a time.

    Construction raises `UnavailableError` where another does, or where it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(directory)
        except OSError as error:
            raise UnavailableError(
                f"cannot use {directory}: {error.strerror}; choose another directory with --data"
            ) from error
        for unfinished in directory.glob(f"*{_UNFINISHED}"):
            unfinished.unlink()
        found = self.found()
        self._next = found[-1].sequence + 1 if found else 0
        self.size_bytes = sum(each.size_bytes for each in found)

    def found(self) -> list[SpooledBody]:
        """Return what lies in the directory, oldest first."""
        return sorted(
            (
                SpooledBody(int(match[1]), int(match[2]), path.stat().st_size)
                for path in self._directory.iterdir()
                if (match := _NAME.fullmatch(path.name))
            ),
            key=lambda each: each.sequence,
        )

    def next_sequence(self) -> int:
        """Return the next place in the order."""
        self._next += 1
        return self._next - 1

    def write(self, content: bytes, sequence: int, samples: int) -> SpooledBody:
        """Write a file; durable on return. Raises `OSError` and leaves nothing behind then."""
        body = SpooledBody(sequence, samples, len(content))
        path = self._directory / body.name
        unfinished = path.with_suffix(_UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._sync_directory()
        self.size_bytes += body.size_bytes
        return body

    def read(self, body: SpooledBody) -> bytes:
        """Return the content of *body*; raises `UnavailableError` where it cannot be read."""
        try:
            return (self._directory / body.name).read_bytes()
        except OSError as error:
            raise UnavailableError(f"cannot read {body.name}: {error.strerror}") from error

    def delete(self, body: SpooledBody) -> None:
        """Delete the file of *body*; one that is gone already is no fault."""
        (self._directory / body.name).unlink(missing_ok=True)
        self.size_bytes -= body.size_bytes

    def close(self) -> None:
        """Let another process have the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _locked(directory: Path) -> int:
    """Return a descriptor that holds the lock; the kernel lets go of it with the process."""
    descriptor = os.open(directory / "agent.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "?"
        os.close(descriptor)
        raise UnavailableError(
            f"data directory {directory} is in use by process {holder}; stop that process, "
            "or choose another directory with --data"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
