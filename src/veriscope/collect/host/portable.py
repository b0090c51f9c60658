"""
What psutil can tell where there is no /proc, such as on macOS.

Names are node_exporter's for that system. What only Linux has (pressure, `node_vmstat_…`) is
missing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import psutil

from veriscope.collect.host.kernel_files import compile_exclusion
from veriscope.collect.host.options import HostOptions
from veriscope.collect.sensors import Readings, Sensor, SeriesTable, counter, gauge, series
from veriscope.signals import Labels, MetricMetadata


class Point(NamedTuple):
    """One value of a metric with labels in the order they are shown."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float


class PortableSensor:
    """A sensor that lists its points anew each time."""

    source = ""

    def __init__(
        self,
        name: str,
        metadata: Sequence[MetricMetadata],
        points: Callable[[], Iterator[Point]],
        *,
        every: int = 1,
    ) -> None:
        self.name = name
        self.every = every
        self.metadata = metadata
        self._points = points
        self._table: SeriesTable[tuple[str, tuple[tuple[str, str], ...]]] = SeriesTable(_row_labels)

    def read(self, now_ms: int) -> Readings:
        """Ask psutil."""
        del now_ms
        points = list(self._points())
        labels = self._table.labels((point.metric, point.labels) for point in points)
        return Readings(labels, [point.value for point in points])


def _row_labels(row: tuple[str, tuple[tuple[str, str], ...]]) -> Iterator[Labels]:
    metric, labels = row
    yield series(metric, **dict(labels))


_CPU: Final = (
    counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "seconds"),
)
_SYSTEM: Final = (
    gauge("node_load1", "1m load average."),
    gauge("node_load5", "5m load average."),
    gauge("node_load15", "15m load average."),
    gauge("node_boot_time_seconds", "Node boot time, in unixtime.", "seconds"),
)
_MEMORY: Final = (
    gauge("node_memory_total_bytes", "Memory information field total_bytes.", "bytes"),
    gauge("node_memory_free_bytes", "Memory information field free_bytes.", "bytes"),
    gauge("node_memory_available_bytes", "Memory that programs can still get.", "bytes"),
    gauge("node_memory_swap_total_bytes", "Memory information field swap_total_bytes.", "bytes"),
    gauge("node_memory_swap_used_bytes", "Memory information field swap_used_bytes.", "bytes"),
)
_DISK: Final = (
    counter("node_disk_reads_completed_total", "Reads completed successfully."),
    counter("node_disk_read_bytes_total", "Bytes read successfully.", "bytes"),
    counter("node_disk_read_time_seconds_total", "Seconds spent by all reads.", "seconds"),
    counter("node_disk_writes_completed_total", "Writes completed successfully."),
    counter("node_disk_written_bytes_total", "Bytes written successfully.", "bytes"),
    counter("node_disk_write_time_seconds_total", "Seconds spent by all writes.", "seconds"),
)
_NETWORK: Final = tuple(
    counter(f"node_network_{what}_total", f"Network device statistic {what}.", unit)
    for what, unit in (
        ("receive_bytes", "bytes"),
        ("receive_packets", ""),
        ("receive_errs", ""),
        ("receive_drop", ""),
        ("transmit_bytes", "bytes"),
        ("transmit_packets", ""),
        ("transmit_errs", ""),
        ("transmit_drop", ""),
    )
)
_FILESYSTEM: Final = (
    gauge("node_filesystem_size_bytes", "Filesystem size in bytes.", "bytes"),
    gauge("node_filesystem_free_bytes", "Filesystem free space in bytes.", "bytes"),
)
_PROCESSES: Final = (
    gauge("node_processes_pids", "Number of PIDs."),
    gauge("node_processes_state", "Number of processes in each state."),
)


def _cpu_points() -> Iterator[Point]:
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode, seconds in times._asdict().items():
            if not mode.startswith("guest"):  # part of user and nice already
                labels = (("cpu", str(number)), ("mode", mode))
                yield Point("node_cpu_seconds_total", labels, seconds)


def _system_points() -> Iterator[Point]:
    values = (*psutil.getloadavg(), psutil.boot_time())
    for described, value in zip(_SYSTEM, values, strict=True):
        yield Point(described.name, (), value)


def _memory_points() -> Iterator[Point]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    values = (memory.total, memory.free, memory.available, swap.total, swap.used)
    for described, value in zip(_MEMORY, values, strict=True):
        yield Point(described.name, (), float(value))


def _disk_points(options: HostOptions) -> Callable[[], Iterator[Point]]:
    exclude = compile_exclusion("disks_exclude", options.disks_exclude)

    def points() -> Iterator[Point]:
        for device, io in (psutil.disk_io_counters(perdisk=True) or {}).items():
            if exclude.search(device):
                continue
            values = (
                io.read_count,
                io.read_bytes,
                io.read_time / 1000,
                io.write_count,
                io.write_bytes,
                io.write_time / 1000,
            )
            for described, value in zip(_DISK, values, strict=True):
                yield Point(described.name, (("device", device),), float(value))

    return points


def _network_points(options: HostOptions) -> Callable[[], Iterator[Point]]:
    exclude = compile_exclusion("networks_exclude", options.networks_exclude)

    def points() -> Iterator[Point]:
        for device, io in psutil.net_io_counters(pernic=True).items():
            if exclude.search(device):
                continue
            values = (
                io.bytes_recv,
                io.packets_recv,
                io.errin,
                io.dropin,
                io.bytes_sent,
                io.packets_sent,
                io.errout,
                io.dropout,
            )
            for described, value in zip(_NETWORK, values, strict=True):
                yield Point(described.name, (("device", device),), float(value))

    return points


def _filesystem_points(options: HostOptions) -> Callable[[], Iterator[Point]]:
    types = compile_exclusion("filesystem_types_exclude", options.filesystem_types_exclude)
    mounts = compile_exclusion("filesystem_mounts_exclude", options.filesystem_mounts_exclude)

    def points() -> Iterator[Point]:
        found = {part.mountpoint: part for part in psutil.disk_partitions()}
        for part in found.values():
            if types.search(part.fstype) or mounts.search(part.mountpoint):
                continue
            usage = psutil.disk_usage(part.mountpoint)
            labels = (
                ("device", part.device),
                ("fstype", part.fstype),
                ("mountpoint", part.mountpoint),
            )
            yield Point("node_filesystem_size_bytes", labels, float(usage.total))
            yield Point("node_filesystem_free_bytes", labels, float(usage.free))

    return points


def _process_points() -> Iterator[Point]:
    states = Counter(process.info["status"] for process in psutil.process_iter(["status"]))
    yield Point("node_processes_pids", (), float(states.total()))
    for state, count in sorted(states.items()):
        yield Point("node_processes_state", (("state", state),), float(count))


def portable_sensors(options: HostOptions) -> list[Sensor]:
    """Return the sensors that need nothing but psutil."""
    return [
        PortableSensor("cpu", _CPU, _cpu_points),
        PortableSensor("load", _SYSTEM, _system_points),
        PortableSensor("memory", _MEMORY, _memory_points),
        PortableSensor("disk", _DISK, _disk_points(options)),
        PortableSensor("network", _NETWORK, _network_points(options)),
        PortableSensor(
            "filesystem",
            _FILESYSTEM,
            _filesystem_points(options),
            every=options.filesystem_every,
        ),
        # psutil looks at each process by itself, ten times as dear as /proc/PID/stat.
        PortableSensor("processes", _PROCESSES, _process_points, every=options.process_every * 6),
    ]
