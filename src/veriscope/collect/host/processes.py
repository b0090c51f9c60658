"""All processes counted by state, and the few that use the most CPU or memory."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nlargest
from pathlib import Path
from typing import Final, NamedTuple

from veriscope.collect.host.kernel_files import read_once
from veriscope.collect.sensors import Readings, SeriesTable, counter, gauge, series
from veriscope.signals import Labels

_STATES: Final = ("D", "I", "R", "S", "T", "Z")
"""The states that are always given, so that a rule on `Z` finds a 0 and not a gap."""
_TOP: Final = (
    counter("process_top_cpu_seconds_total", "CPU time of a top process.", "seconds"),
    gauge(
        "process_top_cpu_usage_ratio",
        "Cores a top process used since the reading before (1 is one core).",
        "ratio",
    ),
    gauge("process_top_resident_memory_bytes", "Resident memory of a top process.", "bytes"),
    gauge("process_top_threads", "Threads of a top process."),
)
_OPEN_FDS: Final = gauge("process_top_open_fds", "Open file descriptors of a top process.")
_IO: Final = (
    counter("process_top_io_read_bytes_total", "Bytes a top process read from disk.", "bytes"),
    counter("process_top_io_written_bytes_total", "Bytes a top process wrote to disk.", "bytes"),
)


_NOTABLE_RATIO: Final = 0.01
"""Of a core: without a floor, each passing `ls` on an idle machine would make new series."""


class Process(NamedTuple):
    """What /proc/PID/stat says of a process; times in clock ticks."""

    pid: str
    comm: str
    state: str
    cpu_ticks: int
    threads: int
    started_ticks: int
    resident_pages: int

    @property
    def identity(self) -> tuple[str, int]:
        """The process itself: a pid is used again, but not with the same start."""
        return self.pid, self.started_ticks


def parse_stat(content: bytes) -> Process:
    """
    Read the content of /proc/PID/stat (fields: proc_pid_stat(5)).

    The name in parentheses may itself hold spaces, parentheses and newlines.
    """
    pid, _, rest = content.partition(b" (")
    comm, found, rest = rest.rpartition(b") ")
    if not found:
        raise ValueError(f"not a process: {content[:80]!r}")
    fields = rest.split(None, 22)
    return Process(
        pid=pid.decode(),
        comm=comm.decode(errors="replace"),
        state=fields[0].decode(),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        threads=int(fields[17]),
        started_ticks=int(fields[19]),
        resident_pages=int(fields[21]),
    )


class _Row(NamedTuple):
    """One process among the top, and which of its figures this user may read."""

    pid: str
    comm: str
    has_fds: bool
    has_io: bool


class ProcessSensor:
    """
    Processes by state; the top *count* by CPU since the last reading and by memory.

    So at most `2 * count` processes have series of their own; to be at the top by CPU takes more
    than 1 % of a core. Descriptors and disk traffic are
    given where this user may read them.
    """

    name = "processes"
    source = ""
    metadata = (
        gauge("node_processes_state", "Number of processes in each state."),
        gauge("node_processes_pids", "Number of PIDs."),
        *_TOP,
        _OPEN_FDS,
        *_IO,
    )

    def __init__(self, procfs: Path, *, count: int, every: int) -> None:
        self.every = every
        self._root = str(procfs)
        self._count = count
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._before: dict[tuple[str, int], int] = {}
        self._read_at_ms = 0
        self._states: SeriesTable[str] = SeriesTable(
            lambda state: (series("node_processes_state", state=state),)
        )
        self._top: SeriesTable[_Row] = SeriesTable(_row_labels)
        self._labels: tuple[Labels, ...] = ()
        self._parts: tuple[tuple[Labels, ...], tuple[Labels, ...]] = ((), ())
        self._pids = series("node_processes_pids")

    def read(self, now_ms: int) -> Readings:
        """Read the state of every process, and more of those at the top."""
        found = list(self._scan())
        states = Counter(dict.fromkeys(_STATES, 0))
        states.update(process.state for process in found)
        rows, values = self._read_top(found, now_ms)
        self._before = {process.identity: process.cpu_ticks for process in found}
        self._read_at_ms = now_ms
        return Readings(
            self._join(self._states.labels(states), self._top.labels(rows)),
            [float(len(found)), *map(float, states.values()), *values],
        )

    def _scan(self) -> Iterator[Process]:
        for pid in os.listdir(self._root):  # noqa: PTH208 - thousands of Path objects are dear
            if pid.isdigit():
                try:
                    yield parse_stat(read_once(f"{self._root}/{pid}/stat"))
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue  # it ended since the folder was listed, or hidepid hides it

    def _read_top(self, found: list[Process], now_ms: int) -> tuple[list[_Row], list[float]]:
        used = {process.pid: self._used_ticks(process) for process in found}
        elapsed_ticks = (now_ms - self._read_at_ms) / 1000 * self._ticks_per_second
        busy = [each for each in found if used[each.pid] > _NOTABLE_RATIO * elapsed_ticks]
        rows: list[_Row] = []
        values: list[float] = []
        for process in self._choose(busy, found, used):
            fds, moved = self._open_fds(process.pid), self._disk_bytes(process.pid)
            rows.append(_Row(process.pid, process.comm, bool(fds), bool(moved)))
            values += (
                process.cpu_ticks / self._ticks_per_second,
                # The wall clock may have been set back since.
                used[process.pid] / elapsed_ticks if elapsed_ticks > 0 else 0.0,
                process.resident_pages * self._page_bytes,
                process.threads,
                *fds,
                *moved,
            )
        return rows, values

    def _used_ticks(self, process: Process) -> int:
        """Return the CPU time since the reading before; 0 at the first, which has none before."""
        if not self._read_at_ms:
            return 0
        return process.cpu_ticks - self._before.get(process.identity, 0)

    def _choose(
        self, busy: list[Process], found: list[Process], used: dict[str, int]
    ) -> Iterable[Process]:
        """Return the top by CPU and by memory, in the order of pids so that rows stay put."""
        by_cpu = nlargest(
            self._count,
            busy,
            key=lambda process: (used[process.pid], process.resident_pages),
        )
        by_memory = nlargest(
            self._count,
            (process for process in found if process.resident_pages),
            key=lambda process: process.resident_pages,
        )
        return sorted({*by_cpu, *by_memory}, key=lambda process: int(process.pid))

    def _open_fds(self, pid: str) -> tuple[float, ...]:
        try:
            return (float(len(os.listdir(f"{self._root}/{pid}/fd"))),)  # noqa: PTH208 - as above
        except OSError:  # another user's, or it ended
            return ()

    def _disk_bytes(self, pid: str) -> tuple[float, ...]:
        try:
            lines = read_once(f"{self._root}/{pid}/io").splitlines()
        except OSError:  # another user's, it ended, or the kernel does not account
            return ()
        found = dict(line.split(b": ") for line in lines)
        return float(found[b"read_bytes"]), float(found[b"write_bytes"])

    def _join(self, states: tuple[Labels, ...], top: tuple[Labels, ...]) -> tuple[Labels, ...]:
        if self._parts[0] is not states or self._parts[1] is not top:
            self._parts = (states, top)
            self._labels = (self._pids, *states, *top)
        return self._labels


def _row_labels(row: _Row) -> Iterator[Labels]:
    described = [*_TOP, *[_OPEN_FDS] * row.has_fds, *(_IO if row.has_io else ())]
    for metric in described:
        yield series(metric.name, pid=row.pid, comm=row.comm)
