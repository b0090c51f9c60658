"""CPU time and the kernel's activity counters, from /proc/stat."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from veriscope.collect.host.kernel_files import KernelFile
from veriscope.collect.sensors import Readings, SeriesTable, counter, gauge, series
from veriscope.signals import Labels

_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_GUEST_MODES: Final = ("user", "nice")
_FIELDS: Final = len(_MODES) + len(_GUEST_MODES)
_ACTIVITY: Final = {
    b"ctxt": "node_context_switches_total",
    b"intr": "node_intr_total",
    b"processes": "node_forks_total",
    b"btime": "node_boot_time_seconds",
    b"procs_running": "node_procs_running",
    b"procs_blocked": "node_procs_blocked",
}
_HOTPLUG_S: Final = 3.0
"""A core whose time falls by more than this was taken out and put back; node_exporter's bound."""


class CpuSensor:
    """
    Seconds that each core spent in each mode, and the machine's activity counters.

    The kernel's idle and iowait times can step back a little; they are held at their highest
    value, since a counter that falls reads as a restart (as node_exporter does).
    """

    name = "cpu"
    source = ""
    every = 1
    metadata = (
        counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "seconds"),
        counter(
            "node_cpu_guest_seconds_total",
            "Seconds the CPUs spent in guests (VMs) for each mode.",
            "seconds",
        ),
        counter(
            "system_cpu_time_seconds_total",
            "Seconds that all CPUs together spent in each state.",
            "seconds",
        ),
        counter("node_context_switches_total", "Total number of context switches."),
        counter("node_intr_total", "Total number of interrupts serviced."),
        counter("node_forks_total", "Total number of forks."),
        gauge("node_boot_time_seconds", "Node boot time, in unixtime.", "seconds"),
        gauge("node_procs_running", "Number of processes in runnable state."),
        gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete."),
    )

    def __init__(self, procfs: Path, *, per_core: bool, ticks_per_second: int = 0) -> None:
        self._file = KernelFile(procfs / "stat")
        self._per_core = per_core
        self._second = ticks_per_second or os.sysconf("SC_CLK_TCK")
        self._table: SeriesTable[bytes] = SeriesTable(_row_labels)
        self._highest: dict[bytes, list[float]] = {}

    def read(self, now_ms: int) -> Readings:
        """Read /proc/stat."""
        del now_ms
        rows: list[bytes] = []
        values: list[float] = []
        for line in self._file.read().splitlines():
            # The `intr` line can hold thousands of numbers, of which the first is the sum.
            key, _, rest = line.partition(b" ")
            if key in _ACTIVITY:
                rows.append(key)
                values.append(float(rest.partition(b" ")[0]))
            elif key == b"cpu" or (self._per_core and key.startswith(b"cpu")):
                seconds = self._seconds(key, rest)
                rows.append(key)
                values.extend(seconds if key != b"cpu" else seconds[: len(_MODES)])
        if not rows:
            raise ValueError("no CPU is listed")
        return Readings(self._table.labels(rows), values)

    def _seconds(self, cpu: bytes, fields: bytes) -> Sequence[float]:
        now = [int(ticks) / self._second for ticks in fields.split()[:_FIELDS]]
        now += [0.0] * (_FIELDS - len(now))
        before = self._highest.get(cpu)
        if before is not None and before != now:
            now = [
                old if new < old <= new + _HOTPLUG_S else new
                for old, new in zip(before, now, strict=True)
            ]
        self._highest[cpu] = now
        return now


def _row_labels(key: bytes) -> Iterator[Labels]:
    if key in _ACTIVITY:
        yield series(_ACTIVITY[key])
        return
    cpu = key.removeprefix(b"cpu").decode()
    for mode in _MODES:
        if cpu:
            yield series("node_cpu_seconds_total", cpu=cpu, mode=mode)
        else:
            yield series("system_cpu_time_seconds_total", state=mode)
    if cpu:
        for mode in _GUEST_MODES:
            yield series("node_cpu_guest_seconds_total", cpu=cpu, mode=mode)
