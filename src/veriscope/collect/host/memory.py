"""Memory and swap, from /proc/meminfo and /proc/vmstat."""

from pathlib import Path
from typing import Final

from veriscope.collect.host.kernel_files import KernelFile
from veriscope.collect.sensors import Readings, SeriesTable, gauge, series
from veriscope.signals import MetricMetadata, MetricType

_KIB: Final = 1024


class MeminfoSensor:
    """Every field of /proc/meminfo as `node_memory_<Field>_bytes`."""

    name = "memory"
    source = ""
    every = 1

    def __init__(self, procfs: Path) -> None:
        self._file = KernelFile(procfs / "meminfo")
        self._table: SeriesTable[tuple[bytes, bool]] = SeriesTable(
            lambda row: (series(_metric_name(*row)),)
        )
        self._fields: list[tuple[bytes, bool]] = []
        self.metadata: tuple[MetricMetadata, ...] = ()

    def read(self, now_ms: int) -> Readings:
        """Read /proc/meminfo."""
        del now_ms
        fields: list[tuple[bytes, bool]] = []
        values: list[float] = []
        for line in self._file.read().splitlines():
            field, _, rest = line.partition(b":")
            number, _, unit = rest.strip().partition(b" ")
            in_bytes = unit == b"kB"
            fields.append((field, in_bytes))
            values.append(float(int(number) * _KIB if in_bytes else int(number)))
        if fields != self._fields:
            self._fields = fields
            self.metadata = tuple(_describe(*field) for field in fields)
        return Readings(self._table.labels(fields), values)


def _metric_name(field: bytes, in_bytes: bool) -> str:  # noqa: FBT001 - half of a table row
    name = field.decode().replace("(", "_").replace(")", "")
    return f"node_memory_{name}_bytes" if in_bytes else f"node_memory_{name}"


def _describe(field: bytes, in_bytes: bool) -> MetricMetadata:  # noqa: FBT001 - likewise
    name = _metric_name(field, in_bytes)
    field_name = name.removeprefix("node_memory_")
    return gauge(name, f"Memory information field {field_name}.", "bytes" if in_bytes else "")


_VMSTAT: Final = (
    "oom_kill",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "pswpin",
    "pswpout",
)


class VmstatSensor:
    """Paging, swapping and out-of-memory kills, from /proc/vmstat."""

    name = "vmstat"
    source = ""
    every = 1
    # node_exporter leaves these untyped and without `_total`; its names are kept.
    metadata = tuple(
        MetricMetadata(
            f"node_vmstat_{field}",
            MetricType.UNKNOWN,
            f"/proc/vmstat information field {field}.",
        )
        for field in _VMSTAT
    )

    def __init__(self, procfs: Path) -> None:
        self._file = KernelFile(procfs / "vmstat")
        self._wanted = {field.encode() for field in _VMSTAT}
        self._table: SeriesTable[bytes] = SeriesTable(
            lambda field: (series(f"node_vmstat_{field.decode()}"),)
        )

    def read(self, now_ms: int) -> Readings:
        """Read /proc/vmstat."""
        del now_ms
        found: list[bytes] = []
        values: list[float] = []
        for line in self._file.read().splitlines():
            field, _, number = line.partition(b" ")
            if field in self._wanted:
                found.append(field)
                values.append(float(number))
        return Readings(self._table.labels(found), values)
