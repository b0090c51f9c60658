"""What the host's and the GPUs' collectors read, as the figures that the documents name."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import psutil

from veriscope.signals import METRIC_NAME, Labels, SampleBatch, is_stale, label_value

SHORTEST_S: Final = 0.1
"""CPU time is counted in hundredths of a second: over less than this its share is noise."""
_IDLE: Final = ("idle", "iowait")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds that all CPUs together have spent since the machine was started."""

    idle_s: float
    total_s: float

    @classmethod
    def read(cls) -> "CpuTimes":
        """Ask the system."""
        times = psutil.cpu_times()._asdict()
        # Time of guests is part of user and nice already.
        total = sum(seconds for mode, seconds in times.items() if not mode.startswith("guest"))
        return cls(sum(times.get(mode, 0.0) for mode in _IDLE), total)


class CpuUsage:
    """
    The share of all CPUs that was busy since the reading before, in percent.

    The first reading is made here; a question within `SHORTEST_S` of it waits that out, and one
    as soon after a later reading repeats that reading's answer. iowait counts as idle.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = CpuTimes.read()
        self._read_at_s = time.monotonic()
        self._percent: float | None = None

    def percent(self) -> float:
        """Return the share since the reading before."""
        with self._lock:
            remaining_s = self._read_at_s + SHORTEST_S - time.monotonic()
            if remaining_s > 0:
                if self._percent is not None:
                    return self._percent
                time.sleep(remaining_s)
            now = CpuTimes.read()
            total_s = now.total_s - self._before.total_s
            # The kernel's idle time can step back a little, and cores can be unplugged.
            if total_s > 0:
                idle = (now.idle_s - self._before.idle_s) / total_s
                self._percent = 100 * min(max(1 - idle, 0.0), 1.0)
            self._before, self._read_at_s = now, time.monotonic()
            return self._percent if self._percent is not None else 0.0


class Figures:
    """Looks up the values of a batch by name; the index is made anew when the series change."""

    def __init__(self) -> None:
        self._labels: tuple[Labels, ...] = ()
        self._names: dict[str, int] = {}

    def of(self, batch: SampleBatch) -> dict[str, float]:
        """Return the newest value of each metric that has one series, by its name."""
        if batch.labels is not self._labels:
            self._labels = batch.labels
            self._names = {
                labels[0][1]: place
                for place, labels in enumerate(batch.labels)
                if len(labels) == 1 and labels[0][0] == METRIC_NAME
            }
        values = np.full(len(batch.labels), np.nan)
        values[batch.series] = batch.values
        return {name: float(values[place]) for name, place in self._names.items()}


def memory_percent(figures: dict[str, float]) -> float:
    """Return the share of memory that programs cannot get, as psutil defines it; else NaN."""
    for total, available in (
        ("node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"),
        ("node_memory_total_bytes", "node_memory_available_bytes"),
    ):
        if figures.get(total, 0.0) > 0:
            return 100 * (1 - figures.get(available, math.nan) / figures[total])
    return math.nan


def thread_count(figures: dict[str, float]) -> int:
    """
    Return the threads of all processes.

    The kernel's own count where it gives one (Linux); elsewhere the sum over the processes that
    this user may look at.
    """
    told = figures.get("node_processes_threads", math.nan)
    if not math.isnan(told):
        return int(told)
    return sum(process.info["num_threads"] or 0 for process in psutil.process_iter(["num_threads"]))


def uptime_s(figures: dict[str, float]) -> float:
    """Return the seconds since the machine was started, by a clock that does not step if it can."""
    told = figures.get("system_uptime_seconds", math.nan)
    return time.time() - psutil.boot_time() if math.isnan(told) else told


def gpu_figures(batch: SampleBatch) -> Iterator[tuple[int, dict[str, float]]]:
    """Return each GPU's number and its figures by metric name (the clock: `graphics`)."""
    found: dict[int, dict[str, float]] = {}
    ended = is_stale(batch.values)
    for place, value, is_over in zip(batch.series, batch.values, ended, strict=True):
        labels = batch.labels[place]
        gpu = label_value(labels, "gpu")
        if gpu and not is_over and label_value(labels, "clock") in {"", "graphics"}:
            found.setdefault(int(gpu), {})[label_value(labels, METRIC_NAME)] = float(value)
    yield from sorted(found.items())
