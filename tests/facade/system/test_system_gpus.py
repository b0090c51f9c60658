"""The GPU half of `SystemMonitor`, over NVML's C interface built for the tests."""

import math
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from veriscope import SystemMonitor
from veriscope.collect.gpu import GpuOptions
from veriscope.instrument import delivery
from veriscope.signals import Duration

GPU = {
    "name": "NVIDIA Test GPU",
    "utilization": "37",
    "memory_utilization": "12",
    "memory_total": str(80 * 2**30),
    "memory_reserved": str(2**29),
    "memory_used": str(20 * 2**30),
    "temperature": "61",
    "power": "251500",
    "power_limit": "400000",
    "energy": "123456789",
    "fan": "45",
    "clock_graphics": "1410",
    "clock_sm": "1395",
    "clock_memory": "1593",
    "throttle": "0",
    "pcie_generation": "4",
    "pcie_width": "16",
}
NOT_SUPPORTED, LOST = 3, 15


class Machine:
    """Two GPUs whose state the test writes."""

    def __init__(self, library: Path, path: Path) -> None:
        self.library = library
        self._path = path
        self._lines: dict[str, object] = {"driver_version": "580.65.06", "count": "2"}
        for index in range(2):
            self._lines |= {f"{index}.{key}": value for key, value in GPU.items()}
            self._lines[f"{index}.uuid"] = f"GPU-{index}"
            self._lines[f"{index}.pci_bus_id"] = f"00000000:0{index}:00.0"
        self.set({})

    def set(self, lines: Mapping[str, object]) -> None:
        """Change the state."""
        self._lines |= lines
        self._path.write_text("".join(f"{key} {value}\n" for key, value in self._lines.items()))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build NVML for tests."""
    built = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    source = Path(__file__).parents[2] / "collect/gpu/nvml.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", built, source], check=True)
    return built


@pytest.fixture
def machine(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine with GPUs that answer everything."""
    path = tmp_path / "nvml.state"
    monkeypatch.setenv("NVML_STATE", str(path))
    monkeypatch.setattr(delivery, "current", lambda: None)
    return Machine(library, path)


def monitor_of(machine: Machine) -> SystemMonitor:
    """Return a monitor of *machine* that looks again at once for what failed."""
    return SystemMonitor(gpu=GpuOptions(library=str(machine.library), retry=Duration(0)))


def test_gpus_are_read_in_the_documents_units(machine: Machine) -> None:
    """Percent, bytes, degrees, watts and megahertz."""
    first, second = monitor_of(machine)._collect_gpu_metrics()
    assert (first.gpu_id, second.gpu_id) == (0, 1)
    assert first.utilization == pytest.approx(37)
    assert (first.memory_used, first.memory_total) == (20 * 2**30, 80 * 2**30)
    assert isinstance(first.memory_used, int)
    assert (first.temperature, first.power_draw) == pytest.approx((61, 251.5))
    assert (first.fan_speed, first.clock_speed) == pytest.approx((45, 1410))


def test_a_field_that_fails_is_nan_and_costs_no_other(machine: Machine) -> None:
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


def test_a_lost_gpu_leaves_the_others(machine: Machine) -> None:
    """A GPU that fell off the bus has no more samples, and comes back when it does."""
    monitor = monitor_of(machine)
    assert len(monitor._collect_gpu_metrics()) == 2
    machine.set({"0.error": LOST})
    assert [found.gpu_id for found in monitor._collect_gpu_metrics()] == [1]
    machine.set({"0.error": 0})
    monitor._collect_gpu_metrics()
    assert [found.gpu_id for found in monitor._collect_gpu_metrics()] == [0, 1]
