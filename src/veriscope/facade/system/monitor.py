"""System monitoring as the TruthGPT document names it, on the agent's own collectors."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psutil

from veriscope.collect.gpu import GpuCollector, GpuOptions
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.facade.local_time import local_now
from veriscope.facade.system.loop import PeriodicMonitor
from veriscope.facade.system.readings import (
    CpuUsage,
    Figures,
    gpu_figures,
    memory_percent,
    thread_count,
    uptime_s,
)
from veriscope.facade.windows import BufferAttribute, WindowedBuffer
from veriscope.instrument import delivery
from veriscope.signals import Clock, SystemClock

_SYSTEM_CLOCK: Final = SystemClock()
_BUFFERED: Final = 1000
_NAN: Final = math.nan
_HERTZ: Final = 1_000_000


@dataclass
class SystemMetrics:
    """
    One sample of this machine. A float that could not be read is NaN.

    Shares are in percent. `network_io` has the totals of all devices since the start of the
    machine: `bytes_sent`, `bytes_recv`, `packets_sent`, `packets_recv`; `network_rates` has the
    same keys per second since the sample before, and is empty in the first.
    """

    timestamp: datetime
    cpu_usage: float
    memory_usage: float
    disk_usage: float
    network_io: dict[str, int]
    load_average: list[float]
    uptime: float
    processes: int
    threads: int
    network_rates: dict[str, float] = field(default_factory=dict)


@dataclass
class GPUMetrics:
    """
    One sample of one GPU. What this GPU or its driver does not tell is NaN.

    Shares are in percent, memory in bytes, `temperature` in degrees Celsius, `power_draw` in
    watts, `clock_speed` (of the graphics domain) in MHz.
    """

    timestamp: datetime
    gpu_id: int
    utilization: float
    memory_used: float
    memory_total: float
    temperature: float
    power_draw: float
    fan_speed: float
    clock_speed: float


class SystemMonitor(PeriodicMonitor):
    """
    Samples this machine and its GPUs every *collection_interval* seconds, without blocking.

    The samples come from the agent's collectors; with an exporter configured their whole batches
    (`node_…`, `gpu_…`) go to the server too. *host* and *gpu* say what is read. Raises
    `InvalidInputError` for an interval that is not greater than 0.
    """

    _title = "System monitoring"
    metrics_buffer = BufferAttribute[SystemMetrics]()
    gpu_metrics_buffer = BufferAttribute[GPUMetrics]()

    def __init__(
        self,
        collection_interval: float = 1.0,
        *,
        host: HostOptions | None = None,
        gpu: GpuOptions | None = None,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        super().__init__(collection_interval, clock)
        self.metrics_buffer = WindowedBuffer(_BUFFERED, clock)
        self.gpu_metrics_buffer = WindowedBuffer(_BUFFERED, clock)
        self._host_options = host or HostOptions()
        self._gpu_options = gpu or GpuOptions()
        self._told_no_gpu = False
        self._readers = self._make_readers()

    def get_system_summary(self, duration: float = 300) -> dict[str, Any]:
        """
        Summarize the samples of the last *duration* seconds; `{}` where there are none.

        Averages and extremes are over what could be read: NaN where that is nothing.
        """
        recent = self.metrics_buffer.recent(duration)
        if not recent:
            return {}
        newest = recent[-1]
        return {
            "duration_seconds": duration,
            "sample_count": len(recent),
            "cpu": _spread([sample.cpu_usage for sample in recent]),
            "memory": _spread([sample.memory_usage for sample in recent]),
            "disk": _spread([sample.disk_usage for sample in recent]),
            "uptime": newest.uptime,
            "processes": newest.processes,
            "threads": newest.threads,
            "load_average": list(newest.load_average),
            "network": {"total": dict(newest.network_io), "per_second": _mean_rates(recent)},
        }

    def get_gpu_summary(self, duration: float = 300) -> dict[str, Any]:
        """Summarize each GPU's samples of the last *duration* seconds, as `gpu_0`, `gpu_1`, …."""
        groups: dict[int, list[GPUMetrics]] = {}
        for sample in self.gpu_metrics_buffer.recent(duration):
            groups.setdefault(sample.gpu_id, []).append(sample)
        return {f"gpu_{gpu_id}": _gpu_summary(samples) for gpu_id, samples in groups.items()}

    def _collect(self) -> None:
        self.metrics_buffer.append(self._collect_system_metrics())
        self.gpu_metrics_buffer.extend(self._collect_gpu_metrics())

    def _collect_system_metrics(self) -> SystemMetrics:
        """Take one sample of the machine."""
        readers = self._readers
        with readers.lock:
            batch = readers.host.collect(self._clock.now_ms())
            figures = readers.figures.of(batch)
            network = self._get_network_io()
            rates = readers.network_rates(network, self._clock.monotonic_s())
        if (exporter := delivery.current()) is not None:
            exporter.add_batch(batch)
        return SystemMetrics(
            timestamp=local_now(),
            cpu_usage=readers.cpu.percent(),
            memory_usage=memory_percent(figures),
            disk_usage=_disk_percent(),
            network_io=network,
            load_average=[figures.get(f"node_load{minutes}", _NAN) for minutes in (1, 5, 15)],
            uptime=uptime_s(figures),
            processes=len(psutil.pids()),
            threads=thread_count(figures),
            network_rates=rates,
        )

    def _collect_gpu_metrics(self) -> list[GPUMetrics]:
        """Take one sample of each GPU; none where there is no GPU or no driver."""
        with self._readers.lock:
            batch = self._readers.gpu.collect(self._clock.now_ms())
        if (exporter := delivery.current()) is not None:
            exporter.add_batch(batch)
        now = local_now()
        found = [_gpu_metrics(now, number, figures) for number, figures in gpu_figures(batch)]
        if not found and not self._told_no_gpu:
            self.logger.warning(
                "No NVIDIA GPU or driver found, GPU monitoring waits; looking again every %s",
                self._gpu_options.retry,
            )
        self._told_no_gpu = not found
        return found

    def _get_network_io(self) -> dict[str, int]:
        """Return the traffic of all network devices since the machine was started."""
        # psutil's guard against counters of 32 bits takes a lock, which a fork may leave taken.
        totals = psutil.net_io_counters(nowrap=False)
        names = ("bytes_sent", "bytes_recv", "packets_sent", "packets_recv")
        return {name: int(getattr(totals, name, 0)) for name in names}

    def _after_fork(self) -> None:
        self._readers = self._make_readers()

    def _make_readers(self) -> "_Readers":
        return _Readers(
            HostCollector(self._host_options, self._clock),
            GpuCollector(self._gpu_options, self._clock),
        )


class _Readers:
    """What reads the machine, and what it must remember; *lock* is held while it reads."""

    def __init__(self, host: HostCollector, gpu: GpuCollector) -> None:
        self.host = host
        self.gpu = gpu
        self.cpu = CpuUsage()
        self.figures = Figures()
        self.lock = threading.Lock()
        self._network: dict[str, int] = {}
        self._network_at_s = 0.0

    def network_rates(self, totals: dict[str, int], now_s: float) -> dict[str, float]:
        """Return the growth of *totals* per second since the call before; `{}` at the first."""
        before, before_s = self._network, self._network_at_s
        self._network, self._network_at_s = totals, now_s
        if not before or now_s <= before_s:
            return {}
        # A device that was removed takes its totals with it.
        return {name: max(0, totals[name] - before[name]) / (now_s - before_s) for name in totals}


def _disk_percent() -> float:
    try:
        return float(psutil.disk_usage("/").percent)
    except OSError:
        return _NAN


def _gpu_metrics(now: datetime, number: int, figures: dict[str, float]) -> GPUMetrics:
    def figure(name: str, factor: float = 1.0) -> float:
        return figures.get(name, _NAN) * factor

    def size(name: str) -> float:
        found = figures.get(name, _NAN)
        return found if math.isnan(found) else int(found)

    return GPUMetrics(
        timestamp=now,
        gpu_id=number,
        utilization=figure("gpu_utilization_ratio", 100),
        memory_used=size("gpu_memory_used_bytes"),
        memory_total=size("gpu_memory_total_bytes"),
        temperature=figure("gpu_temperature_celsius"),
        power_draw=figure("gpu_power_draw_watts"),
        fan_speed=figure("gpu_fan_speed_ratio", 100),
        clock_speed=figure("gpu_clock_hertz", 1 / _HERTZ),
    )


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Return average and extremes of what is not NaN, and the newest value as it is."""
    known = [value for value in values if not math.isnan(value)]
    return {
        "avg": sum(known) / len(known) if known else _NAN,
        "min": min(known, default=_NAN),
        "max": max(known, default=_NAN),
        "current": values[-1],
    }


def _mean_rates(samples: Sequence[SystemMetrics]) -> dict[str, float]:
    rates = [sample.network_rates for sample in samples if sample.network_rates]
    if not rates:
        return {}
    return {name: sum(rate[name] for rate in rates) / len(rates) for name in rates[0]}


def _gpu_summary(samples: Sequence[GPUMetrics]) -> dict[str, Any]:
    newest = samples[-1]
    used = _spread([sample.memory_used for sample in samples])
    return {
        "utilization": _spread([sample.utilization for sample in samples]),
        "memory": {
            "used_avg": used["avg"],
            "used_max": used["max"],
            "total": newest.memory_total,
            "usage_percent": 100 * newest.memory_used / (newest.memory_total or _NAN),
        },
        "temperature": _spread([sample.temperature for sample in samples]),
        "power": _spread([sample.power_draw for sample in samples]),
        "fan": _spread([sample.fan_speed for sample in samples]),
        "clock": _spread([sample.clock_speed for sample in samples]),
    }
