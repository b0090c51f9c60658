"""Temperatures, from /sys/class/hwmon and /sys/class/thermal."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import re2

from veriscope.collect.host.kernel_files import read_text
from veriscope.collect.sensors import Readings, SeriesTable, gauge, info, series
from veriscope.signals import Labels

_MILLI: Final = 0.001
_UNCLEAN: Final = re2.compile("[^a-z0-9:_]")
_INPUT: Final = re2.compile(r"^(temp\d+)_(input|max|crit|label)$")
_LIMITS: Final = {
    "input": "node_hwmon_temp_celsius",
    "max": "node_hwmon_temp_max_celsius",
    "crit": "node_hwmon_temp_crit_celsius",
}
_Row = tuple[str, tuple[tuple[str, str], ...]]
"""A metric and its labels."""


def _labels_of(row: _Row) -> Iterator[Labels]:
    metric, labels = row
    yield series(metric, **dict(labels))


class HwmonSensor:
    """
    Every temperature of every monitoring chip, with its limits and label.

    A chip is named after its device (`pci0000:00_0000:00:18_3`), as node_exporter does, since
    the numbers of `hwmonN` change from one start to the next.
    """

    name = "hwmon"
    source = ""
    metadata = (
        gauge("node_hwmon_temp_celsius", "Hardware monitor for temperature (input).", "celsius"),
        gauge("node_hwmon_temp_max_celsius", "Hardware monitor for temperature (max).", "celsius"),
        gauge(
            "node_hwmon_temp_crit_celsius", "Hardware monitor for temperature (crit).", "celsius"
        ),
        info("node_hwmon_chip_names", "Annotation metric for human-readable chip names."),
        info("node_hwmon_sensor_label", "Label for given chip and sensor."),
    )

    def __init__(self, sysfs: Path, *, every: int) -> None:
        self.every = every
        self._root = sysfs / "class" / "hwmon"
        self._table: SeriesTable[_Row] = SeriesTable(_labels_of)

    def read(self, now_ms: int) -> Readings:
        """Read all chips; a machine without any has no temperatures, which is no fault."""
        del now_ms
        rows: list[_Row] = []
        values: list[float] = []
        faults: list[tuple[str, Exception]] = []
        chips: set[str] = set()
        for folder in sorted(self._root.iterdir()) if self._root.exists() else ():
            chip = _chip_name(folder)
            if chip in chips:  # two chips of one device, or without any
                chip = f"{chip}_{folder.name}"
            chips.add(chip)
            for file in _temperature_files(folder):
                sensor, _, kind = file.partition("_")
                try:
                    row, value = _read_file(folder / file, chip, sensor, kind)
                except (OSError, ValueError) as error:
                    faults.append((f"{chip}/{file}", error))
                else:
                    rows.append(row)
                    values.append(value)
            name = _read_name(folder)
            rows.append(("node_hwmon_chip_names", (("chip", chip), ("chip_name", name))))
            values.append(1.0)
        return Readings(self._table.labels(rows), values, tuple(faults))


def _temperature_files(folder: Path) -> list[str]:
    return sorted(entry for entry in os.listdir(folder) if _INPUT.search(entry))  # noqa: PTH208 - no Path objects for hundreds of files


def _read_file(path: Path, chip: str, sensor: str, kind: str) -> tuple[_Row, float]:
    if kind == "label":
        labels = (("chip", chip), ("label", read_text(path)), ("sensor", sensor))
        return ("node_hwmon_sensor_label", labels), 1.0
    return (_LIMITS[kind], (("chip", chip), ("sensor", sensor))), int(read_text(path)) * _MILLI


def _read_name(folder: Path) -> str:
    path = folder / "name"
    return read_text(path) if path.exists() else folder.name


def _chip_name(folder: Path) -> str:
    """Name the chip as node_exporter does: bus and device, else its own name."""
    device = folder / "device"
    if device.exists():
        real = device.resolve()
        parts = [part for part in (_clean(real.parent.name), _clean(real.name)) if part]
        if parts:
            return "_".join(parts)
    return _clean(_read_name(folder)) or _clean(folder.name)


def _clean(name: str) -> str:
    return str(_UNCLEAN.sub("_", name.lower())).strip("_")


class ThermalZoneSensor:
    """The temperature of each thermal zone of the kernel."""

    name = "thermal_zone"
    source = ""
    metadata = (gauge("node_thermal_zone_temp", "Zone temperature in Celsius.", "celsius"),)

    def __init__(self, sysfs: Path, *, every: int) -> None:
        self.every = every
        self._root = sysfs / "class" / "thermal"
        self._table: SeriesTable[_Row] = SeriesTable(_labels_of)

    def read(self, now_ms: int) -> Readings:
        """Read all zones; a machine without any has no temperatures, which is no fault."""
        del now_ms
        rows: list[_Row] = []
        values: list[float] = []
        faults: list[tuple[str, Exception]] = []
        for folder in self._zones():
            zone = folder.name.removeprefix("thermal_zone")
            try:
                value = int(read_text(folder / "temp")) * _MILLI
                kind = read_text(folder / "type")
            except (OSError, ValueError) as error:
                faults.append((zone, error))
            else:
                rows.append(("node_thermal_zone_temp", (("type", kind), ("zone", zone))))
                values.append(value)
        return Readings(self._table.labels(rows), values, tuple(faults))

    def _zones(self) -> Iterable[Path]:
        return sorted(self._root.glob("thermal_zone*"))
