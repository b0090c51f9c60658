"""Usage of each mounted file system."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from veriscope.collect.host.kernel_files import compile_exclusion
from veriscope.collect.sensors import Readings, SeriesTable, gauge, series
from veriscope.signals import Labels

_USAGE: Final = (
    gauge("node_filesystem_size_bytes", "Filesystem size in bytes.", "bytes"),
    gauge("node_filesystem_free_bytes", "Filesystem free space in bytes.", "bytes"),
    gauge(
        "node_filesystem_avail_bytes",
        "Filesystem space available to non-root users in bytes.",
        "bytes",
    ),
    gauge("node_filesystem_files", "Filesystem total file nodes."),
    gauge("node_filesystem_files_free", "Filesystem total free file nodes."),
    gauge("node_filesystem_readonly", "Filesystem read-only status."),
)
_DEVICE_ERROR: Final = gauge(
    "node_filesystem_device_error",
    "Whether an error occurred while getting statistics for the given device.",
)
_REMOTE_TYPES: Final = ("nfs", "cifs", "smb", "fuse", "9p", "ceph", "gluster", "lustre", "afs")
"""Prefixes of types whose server may be away: asking them can block for ever."""
_ESCAPES: Final = ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\"))


StatVfs: TypeAlias = Callable[[str], os.statvfs_result]
"""Asks the file system that holds a path for its usage."""


class Mount(NamedTuple):
    """One line of the mount table."""

    device: str
    mountpoint: str
    fstype: str

    @property
    def is_remote(self) -> bool:
        """Tell whether usage comes from a server that may not answer."""
        return self.fstype.startswith(_REMOTE_TYPES)


class _Question:
    """A `statvfs` asked in a thread of its own, which may never come back."""

    def __init__(self, path: str, statvfs: StatVfs) -> None:
        self._path = path
        self._statvfs = statvfs
        self._answer: os.statvfs_result | OSError | None = None
        self._thread = threading.Thread(target=self._ask, name=f"statvfs {path}", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._answer = self._statvfs(self._path)
        except OSError as error:
            self._answer = error

    def answer(self, wait_s: float) -> os.statvfs_result:
        """Return the answer; `TimeoutError` where there is none after *wait_s* seconds."""
        self._thread.join(wait_s)
        if self._answer is None:
            raise TimeoutError(f"{self._path} does not answer")
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer


class FilesystemSensor:
    """
    Size, free space, inodes and read-only state of each file system.

    One that gives no usage keeps only `node_filesystem_device_error` 1. A network file system
    that hangs is asked again only after the first question came back.
    """

    name = "filesystem"
    source = ""
    metadata = (*_USAGE, _DEVICE_ERROR)

    def __init__(
        self,
        procfs: Path,
        rootfs: str,
        *,
        exclude_types: str,
        exclude_mounts: str,
        every: int,
        patience_s: float = 0.25,
        statvfs: StatVfs = os.statvfs,
    ) -> None:
        self.every = every
        self._hosts_table = procfs / "1" / "mounts"
        self._own_table = procfs / "mounts"
        self._rootfs = rootfs.rstrip("/")
        self._exclude_types = compile_exclusion("filesystem_types_exclude", exclude_types)
        self._exclude_mounts = compile_exclusion("filesystem_mounts_exclude", exclude_mounts)
        self._patience_s = patience_s
        self._statvfs = statvfs
        self._open_questions: dict[Mount, _Question] = {}
        self._table: SeriesTable[tuple[Mount, bool]] = SeriesTable(_row_labels)

    def read(self, now_ms: int) -> Readings:
        """Read the mount table and ask each file system."""
        del now_ms
        rows: list[tuple[Mount, bool]] = []
        values: list[float] = []
        faults: list[tuple[str, Exception]] = []
        for mount, read_only in self._mounts().items():
            try:
                usage = self._usage(mount)
            except OSError as error:
                rows.append((mount, False))
                values.append(1.0)
                faults.append((mount.mountpoint, error))
                continue
            if usage.f_blocks == 0:  # pseudo file systems that no pattern names
                continue
            rows.append((mount, True))
            values.extend(_values(usage, read_only=read_only))
        return Readings(self._table.labels(rows), values, tuple(faults))

    def _mounts(self) -> dict[Mount, bool]:
        """Return what is mounted and wanted, with its read-only state; the last mount wins."""
        found: dict[str, tuple[Mount, bool]] = {}
        for line in self._mount_table().splitlines():
            device, mountpoint, fstype, options, *_ = map(_unescape, line.split(" "))
            if not (self._exclude_types.search(fstype) or self._exclude_mounts.search(mountpoint)):
                read_only = "ro" in options.split(",")
                found[mountpoint] = Mount(device, mountpoint, fstype), read_only
        return dict(found.values())

    def _mount_table(self) -> str:
        # Process 1 sees the host's mounts also where this process has a namespace of its own,
        # but only root may look at its table.
        try:
            return self._hosts_table.read_text(errors="replace")
        except OSError:
            return self._own_table.read_text(errors="replace")

    def _usage(self, mount: Mount) -> os.statvfs_result:
        path = self._rootfs + mount.mountpoint
        if not mount.is_remote:
            return self._statvfs(path)
        question, waited = self._open_questions.pop(mount, None), True
        if question is None:
            question, waited = _Question(path, self._statvfs), False
        try:
            return question.answer(0.0 if waited else self._patience_s)
        except TimeoutError:
            self._open_questions[mount] = question
            raise


def _unescape(field: str) -> str:
    if "\\" in field:
        for escape, character in _ESCAPES:
            field = field.replace(escape, character)
    return field


def _values(usage: os.statvfs_result, *, read_only: bool) -> tuple[float, ...]:
    """Return the values of `_USAGE` and no device error, in the order of `_row_labels`."""
    block = usage.f_frsize
    return (
        usage.f_blocks * block,
        usage.f_bfree * block,
        usage.f_bavail * block,
        usage.f_files,
        usage.f_ffree,
        float(read_only),
        0.0,
    )


def _row_labels(row: tuple[Mount, bool]) -> Iterator[Labels]:
    mount, answered = row
    for described in (*(_USAGE if answered else ()), _DEVICE_ERROR):
        yield series(described.name, **mount._asdict())
