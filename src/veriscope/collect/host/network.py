"""Network traffic from /proc/net/dev, and links from /sys/class/net."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from veriscope.collect.host.kernel_files import KernelFile, compile_exclusion, read_text
from veriscope.collect.sensors import Readings, SeriesTable, counter, gauge, series
from veriscope.signals import Labels

_COLUMNS: Final = (
    ("receive", "bytes"),
    ("receive", "packets"),
    ("receive", "errs"),
    ("receive", "drop"),
    ("receive", "fifo"),
    ("receive", "frame"),
    ("receive", "compressed"),
    ("receive", "multicast"),
    ("transmit", "bytes"),
    ("transmit", "packets"),
    ("transmit", "errs"),
    ("transmit", "drop"),
    ("transmit", "fifo"),
    ("transmit", "colls"),
    ("transmit", "carrier"),
    ("transmit", "compressed"),
)
"""The columns of /proc/net/dev after the device, which have not changed since Linux 2.2."""
_HEADER_LINES: Final = 2
_MEGABIT_BYTES: Final = 1_000_000 / 8


class NetworkSensor:
    """Bytes, packets, errors and drops of each network device."""

    name = "network"
    source = ""
    every = 1
    metadata = tuple(
        counter(
            f"node_network_{way}_{what}_total",
            f"Network device statistic {way}_{what}.",
            "bytes" if what == "bytes" else "",
        )
        for way, what in _COLUMNS
    )

    def __init__(self, procfs: Path, exclude: str) -> None:
        self._file = KernelFile(procfs / "net" / "dev")
        self._exclude = compile_exclusion("networks_exclude", exclude)
        self._watched: dict[bytes, bool] = {}
        self._table: SeriesTable[bytes] = SeriesTable(_row_labels)

    def read(self, now_ms: int) -> Readings:
        """Read /proc/net/dev."""
        del now_ms
        devices: list[bytes] = []
        values: list[float] = []
        for line in self._file.read().splitlines()[_HEADER_LINES:]:
            device, _, fields = line.rpartition(b":")
            device = device.strip()
            if self._is_watched(device):
                devices.append(device)
                values.extend(map(float, fields.split()[: len(_COLUMNS)]))
        return Readings(self._table.labels(devices), values)

    def _is_watched(self, device: bytes) -> bool:
        watched = self._watched.get(device)
        if watched is None:
            if len(self._watched) > _REMEMBERED_DEVICES:
                self._watched.clear()
            watched = self._watched[device] = not self._exclude.search(device.decode())
        return watched


_REMEMBERED_DEVICES: Final = 4096
"""Container hosts make a new device for each container, for ever."""


def _row_labels(device: bytes) -> Iterator[Labels]:
    for way, what in _COLUMNS:
        yield series(f"node_network_{way}_{what}_total", device=device.decode())


class LinkSensor:
    """Whether each network device is up, and how fast its link is."""

    name = "link"
    source = ""
    metadata = (
        gauge("node_network_up", "Whether operstate is 'up' (1) or not (0)."),
        gauge("node_network_speed_bytes", "Speed of the link in bytes per second.", "bytes"),
    )

    def __init__(self, sysfs: Path, exclude: str, *, every: int) -> None:
        self.every = every
        self._root = sysfs / "class" / "net"
        self._exclude = compile_exclusion("networks_exclude", exclude)
        self._table: SeriesTable[tuple[str, str]] = SeriesTable(
            lambda row: (series(row[1], device=row[0]),)
        )

    def read(self, now_ms: int) -> Readings:
        """Read `operstate` and `speed` of every device."""
        del now_ms
        rows: list[tuple[str, str]] = []
        values: list[float] = []
        for folder in sorted(self._root.iterdir()):
            if not self._exclude.search(folder.name):
                for metric, value in _link_points(folder):
                    rows.append((folder.name, metric))
                    values.append(value)
        return Readings(self._table.labels(rows), values)


def _link_points(folder: Path) -> Iterator[tuple[str, float]]:
    try:
        state = read_text(folder / "operstate")
    except OSError:  # not a device (`bonding_masters`), or unplugged since it was listed
        return
    yield "node_network_up", float(state == "up")
    speed = _speed_bytes(folder)
    if speed is not None:
        yield "node_network_speed_bytes", speed


def _speed_bytes(folder: Path) -> float | None:
    """Return the link's bytes per second; None where there is no link or it has no speed."""
    try:
        megabits = int(read_text(folder / "speed"))
    except OSError:  # the kernel's answer for a device that is down or has no speed
        return None
    return megabits * _MEGABIT_BYTES if megabits > 0 else None
