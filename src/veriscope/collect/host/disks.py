"""Disk activity, from /proc/diskstats."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from veriscope.collect.host.kernel_files import KernelFile, compile_exclusion
from veriscope.collect.sensors import Readings, SeriesTable, counter, gauge, series
from veriscope.signals import Labels

_SECTOR_BYTES: Final = 512
"""A sector in /proc/diskstats, whatever the disk's own is (kernel: admin-guide/iostats)."""
_MILLISECOND: Final = 0.001

_COLUMNS: Final = (
    (counter("node_disk_reads_completed_total", "Reads completed successfully."), 1),
    (counter("node_disk_reads_merged_total", "Reads merged."), 1),
    (counter("node_disk_read_bytes_total", "Bytes read successfully.", "bytes"), _SECTOR_BYTES),
    (
        counter("node_disk_read_time_seconds_total", "Seconds spent by all reads.", "seconds"),
        _MILLISECOND,
    ),
    (counter("node_disk_writes_completed_total", "Writes completed successfully."), 1),
    (counter("node_disk_writes_merged_total", "Writes merged."), 1),
    (
        counter("node_disk_written_bytes_total", "Bytes written successfully.", "bytes"),
        _SECTOR_BYTES,
    ),
    (
        counter("node_disk_write_time_seconds_total", "Seconds spent by all writes.", "seconds"),
        _MILLISECOND,
    ),
    (gauge("node_disk_io_now", "I/Os currently in progress."), 1),
    (
        counter("node_disk_io_time_seconds_total", "Seconds spent doing I/Os.", "seconds"),
        _MILLISECOND,
    ),
    (
        counter(
            "node_disk_io_time_weighted_seconds_total",
            "Seconds spent doing I/Os, times the I/Os in progress.",
            "seconds",
        ),
        _MILLISECOND,
    ),
    (counter("node_disk_discards_completed_total", "Discards completed successfully."), 1),
    (counter("node_disk_discards_merged_total", "Discards merged."), 1),
    (counter("node_disk_discarded_sectors_total", "Sectors discarded successfully."), 1),
    (
        counter(
            "node_disk_discard_time_seconds_total", "Seconds spent by all discards.", "seconds"
        ),
        _MILLISECOND,
    ),
    (counter("node_disk_flush_requests_total", "Flush requests completed successfully."), 1),
    (
        counter(
            "node_disk_flush_requests_time_seconds_total",
            "Seconds spent by all flush requests.",
            "seconds",
        ),
        _MILLISECOND,
    ),
)
"""The fields after the device's name, in the kernel's order, and the factor to base units."""
_FACTORS: Final = tuple(factor for _, factor in _COLUMNS)


class DiskSensor:
    """Reads, writes, discards and flushes of each disk, and the time they took."""

    name = "disk"
    source = ""
    every = 1
    metadata = tuple(described for described, _ in _COLUMNS)

    def __init__(self, procfs: Path, exclude: str) -> None:
        self._file = KernelFile(procfs / "diskstats")
        self._exclude = compile_exclusion("disks_exclude", exclude)
        self._watched: dict[bytes, bool] = {}
        self._table: SeriesTable[tuple[bytes, int]] = SeriesTable(_row_labels)

    def read(self, now_ms: int) -> Readings:
        """Read /proc/diskstats."""
        del now_ms
        rows: list[tuple[bytes, int]] = []
        values: list[float] = []
        for line in self._file.read().splitlines():
            _, _, device, *fields = line.split()
            if self._is_watched(device):
                # Kernels before 5.5 have fewer columns, later ones may have more.
                counts = [int(n) * factor for n, factor in zip(fields, _FACTORS, strict=False)]
                rows.append((device, len(counts)))
                values.extend(counts)
        return Readings(self._table.labels(rows), values)

    def _is_watched(self, device: bytes) -> bool:
        watched = self._watched.get(device)
        if watched is None:
            watched = self._watched[device] = not self._exclude.search(device.decode())
        return watched


def _row_labels(row: tuple[bytes, int]) -> Iterator[Labels]:
    device, count = row
    for described, _ in _COLUMNS[:count]:
        yield series(described.name, device=device.decode())
