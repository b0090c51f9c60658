"""The GPU half of `SystemMonitor`, over NVML's C interface built for the tests."""

import math
from typing import Any

import pytest

from veriscope import SystemMonitor
from veriscope.collect.gpu import GpuOptions
from veriscope.instrument import delivery
from veriscope.signals import Duration

NOT_SUPPORTED, LOST = 3, 15


@pytest.fixture
def machine(gpu_machine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a machine with GPUs that answer everything, and no server to send to."""
    monkeypatch.setattr(delivery, "current", lambda: None)
    return gpu_machine


def monitor_of(machine: Any) -> SystemMonitor:
    """Return a monitor of *machine* that looks again at once for what failed."""
    return SystemMonitor(gpu=GpuOptions(library=str(machine.library), retry=Duration(0)))


def test_gpus_are_read_in_the_documents_units(machine: Any) -> None:
    """Percent, bytes, degrees, watts and megahertz."""
    first, second = monitor_of(machine)._collect_gpu_metrics()
    assert (first.gpu_id, second.gpu_id) == (0, 1)
    assert first.utilization == pytest.approx(37)
    assert (first.memory_used, first.memory_total) == (20 * 2**30, 80 * 2**30)
    assert isinstance(first.memory_used, int)
    assert (first.temperature, first.power_draw) == pytest.approx((61, 251.5))
    assert (first.fan_speed, first.clock_speed) == pytest.approx((45, 1410))


def test_a_field_that_fails_is_nan_and_costs_no_other(machine: Any) -> None:
    """A board without a fan has no fan speed; the rest stays."""
    machine.set({"1.nvmlDeviceGetFanSpeed.error": NOT_SUPPORTED})
    monitor = monitor_of(machine)
    monitor._collect()
    first, second = monitor.gpu_metrics_buffer
    assert first.fan_speed == pytest.approx(45)
    assert math.isnan(second.fan_speed)
    assert second.temperature == 61
    summary = monitor.get_gpu_summary()
    assert math.isnan(summary["gpu_1"]["fan"]["avg"])
    assert summary["gpu_1"]["memory"]["usage_percent"] == pytest.approx(25)


def test_a_lost_gpu_leaves_the_others(machine: Any) -> None:
    """A GPU that fell off the bus has no more samples, and comes back when it does."""
    monitor = monitor_of(machine)
    assert len(monitor._collect_gpu_metrics()) == 2
    machine.set({"0.error": LOST})
    assert [found.gpu_id for found in monitor._collect_gpu_metrics()] == [1]
    machine.set({"0.error": 0})
    monitor._collect_gpu_metrics()
    assert [found.gpu_id for found in monitor._collect_gpu_metrics()] == [0, 1]
