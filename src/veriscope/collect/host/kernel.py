"""Load, time, file descriptors, identity and pressure: what the kernel says of itself."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from veriscope.collect.host.kernel_files import KernelFile, read_text
from veriscope.collect.sensors import (
    AbsentError,
    Readings,
    SeriesTable,
    counter,
    gauge,
    info,
    series,
)
from veriscope.signals import Labels


class LoadSensor:
    """Load averages and the number of threads, from /proc/loadavg."""

    name = "load"
    source = ""
    every = 1
    metadata = (
        gauge("node_load1", "1m load average."),
        gauge("node_load5", "5m load average."),
        gauge("node_load15", "15m load average."),
        gauge("node_processes_threads", "Allocated threads in system."),
    )

    def __init__(self, procfs: Path) -> None:
        self._file = KernelFile(procfs / "loadavg")
        self._labels = tuple(series(described.name) for described in self.metadata)

    def read(self, now_ms: int) -> Readings:
        """Read /proc/loadavg."""
        del now_ms
        one, five, fifteen, entities, *_ = self._file.read().split()
        threads = entities.partition(b"/")[2]
        return Readings(self._labels, (float(one), float(five), float(fifteen), float(threads)))


class TimeSensor:
    """The wall clock and the uptime."""

    name = "time"
    source = ""
    every = 1
    metadata = (
        gauge("node_time_seconds", "System time in seconds since epoch (1970).", "seconds"),
        gauge("system_uptime_seconds", "Seconds since the machine was started.", "seconds"),
    )

    def __init__(self, procfs: Path) -> None:
        self._file = KernelFile(procfs / "uptime")
        self._labels = tuple(series(described.name) for described in self.metadata)

    def read(self, now_ms: int) -> Readings:
        """Read /proc/uptime; the wall clock is the batch's own time."""
        uptime = self._file.read().partition(b" ")[0]
        return Readings(self._labels, (now_ms / 1000, float(uptime)))


class FileDescriptorSensor:
    """File descriptors of the whole machine, from /proc/sys/fs/file-nr."""

    name = "filefd"
    source = ""
    every = 1
    metadata = (
        gauge("node_filefd_allocated", "File descriptor statistics: allocated."),
        gauge("node_filefd_maximum", "File descriptor statistics: maximum."),
    )

    def __init__(self, procfs: Path) -> None:
        self._file = KernelFile(procfs / "sys" / "fs" / "file-nr")
        self._labels = tuple(series(described.name) for described in self.metadata)

    def read(self, now_ms: int) -> Readings:
        """Read file-nr."""
        del now_ms
        allocated, _, maximum = self._file.read().split()
        return Readings(self._labels, (float(allocated), float(maximum)))


_PRESSURES: Final = (
    ("cpu", b"some", "node_pressure_cpu_waiting_seconds_total", "waited for CPU time"),
    ("memory", b"some", "node_pressure_memory_waiting_seconds_total", "waited for memory"),
    ("memory", b"full", "node_pressure_memory_stalled_seconds_total", "all waited for memory"),
    ("io", b"some", "node_pressure_io_waiting_seconds_total", "waited for IO"),
    ("io", b"full", "node_pressure_io_stalled_seconds_total", "all waited for IO"),
    ("irq", b"full", "node_pressure_irq_stalled_seconds_total", "all waited for interrupts"),
)
"""Resource, line, metric, meaning. `full` of the CPU is undefined for a whole machine."""
_MICROSECOND: Final = 1e-6


class PressureSensor:
    """Pressure stall information of each resource, from /proc/pressure."""

    name = "pressure"
    source = ""
    every = 1
    metadata = tuple(
        counter(metric, f"Seconds in which processes {meaning}.", "seconds")
        for _, _, metric, meaning in _PRESSURES
    )

    def __init__(self, procfs: Path) -> None:
        self._root = procfs / "pressure"
        # Older kernels lack `irq`; which files there are is settled when the kernel is built.
        self._files = {
            resource: KernelFile(self._root / resource)
            for resource in dict.fromkeys(resource for resource, *_ in _PRESSURES)
            if (self._root / resource).exists()
        }
        self._table: SeriesTable[str] = SeriesTable(_pressure_labels)

    def read(self, now_ms: int) -> Readings:
        """Read the totals; `AbsentError` where the kernel keeps no pressure."""
        del now_ms
        rows: list[str] = []
        values: list[float] = []
        faults: list[tuple[str, Exception]] = []
        for resource, file in self._files.items():
            try:
                values += _pressure_totals(resource, file.read())
            except (OSError, ValueError, LookupError) as error:
                faults.append((resource, error))
            else:
                rows.append(resource)
        if not rows:  # not built in, or not switched on with psi=1
            raise AbsentError(f"the kernel keeps no pressure in {self._root}")
        return Readings(self._table.labels(rows), values, tuple(faults))


def _pressure_labels(resource: str) -> Iterator[Labels]:
    for of, _, metric, _ in _PRESSURES:
        if of == resource:
            yield series(metric)


def _pressure_totals(resource: str, content: bytes) -> list[float]:
    totals = {
        line.partition(b" ")[0]: int(line.rpartition(b"total=")[2]) * _MICROSECOND
        for line in content.splitlines()
    }
    return [totals[line] for of, line, _, _ in _PRESSURES if of == resource]


class UnameSensor:
    """The machine's name and kernel, as the labels of `node_uname_info`."""

    name = "uname"
    source = ""
    metadata = (
        info("node_uname_info", "System information as provided by the uname system call."),
    )

    def __init__(self, procfs: Path, *, every: int) -> None:
        self.every = every
        self._kernel = procfs / "sys" / "kernel"
        self._labels = (series("node_uname_info"),)

    def read(self, now_ms: int) -> Readings:
        """Read /proc/sys/kernel."""
        del now_ms
        labels = series(
            "node_uname_info",
            domainname=read_text(self._kernel / "domainname"),
            machine=os.uname().machine,
            nodename=read_text(self._kernel / "hostname"),
            release=read_text(self._kernel / "osrelease"),
            sysname=read_text(self._kernel / "ostype"),
            version=read_text(self._kernel / "version"),
        )
        if self._labels[0] != labels:
            self._labels = (labels,)
        return Readings(self._labels, (1.0,))
