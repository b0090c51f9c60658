import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from veriscope.collect.gpu import GpuCollector, GpuOptions
from veriscope.signals import ManualClock, SampleBatch, is_stale, label_value

Points = Callable[..., dict[Any, float]]

LOST = 15
NOT_SUPPORTED = 3
FUNCTION_NOT_FOUND = 13
DRIVER_NOT_LOADED = 9


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock(now_ms=1_000_000)


@pytest.fixture
def gpu(machine: Any, clock: ManualClock) -> GpuCollector:
    """Return a collector on the machine with two GPUs."""
    return GpuCollector(GpuOptions(library=str(machine.library)), clock)


def tick(collector: GpuCollector, clock: ManualClock, seconds: int = 1) -> SampleBatch:
    """Let time pass and collect."""
    clock.advance(ms=seconds * 1000)
    return collector.collect(clock.now_ms())


def test_every_reading_arrives_in_base_units(
    gpu: GpuCollector, clock: ManualClock, points: Points
) -> None:
    """What NVML says in percent, mW, mJ, MHz and KB/s is stored in base units."""
    batch = tick(gpu, clock)
    expected = {
        "gpu_utilization_ratio": 0.37,
        "gpu_memory_utilization_ratio": 0.12,
        "gpu_memory_used_bytes": 20 * 2**30,
        "gpu_memory_reserved_bytes": 2**29,
        "gpu_memory_free_bytes": 80 * 2**30 - 20 * 2**30 - 2**29,
        "gpu_memory_total_bytes": 80 * 2**30,
        "gpu_temperature_celsius": 61,
        "gpu_power_draw_watts": 251.5,
        "gpu_power_limit_watts": 400,
        "gpu_energy_joules_total": 123456.789,
        "gpu_fan_speed_ratio": 0.45,
        "gpu_pcie_receive_bytes_per_second": 2048 * 1024,
        "gpu_pcie_transmit_bytes_per_second": 1024 * 1024,
        "gpu_pcie_link_generation": 4,
        "gpu_pcie_link_width": 16,
    }
    for metric, value in expected.items():
        assert points(batch, metric, "gpu") == pytest.approx({"0": value, "1": value}), metric
    assert points(batch, "gpu_clock_hertz", "gpu", "clock")["1", "sm"] == pytest.approx(1.395e9)
    assert points(batch, "gpu_ecc_errors_total", "gpu", "type")["0", "corrected"] == 7
    assert points(batch, "gpu_ecc_errors_total", "gpu", "type")["0", "uncorrected"] == 2


def test_throttle_reasons_are_one_series_each(
    gpu: GpuCollector, clock: ManualClock, points: Points
) -> None:
    """Every reason has a series, 1 only where its bit is set."""
    reasons = points(tick(gpu, clock), "gpu_throttle_reason", "gpu", "reason")
    held = {reason for (index, reason), value in reasons.items() if index == "0" and value}
    assert held == {"sw_power_cap", "hw_thermal_slowdown"}
    assert len(reasons) == 18


def test_gpu_info_names_driver_and_place(
    gpu: GpuCollector, clock: ManualClock, points: Points
) -> None:
    """Identity is in the labels of a series that is always 1."""
    found = points(tick(gpu, clock), "gpu_info", "uuid", "driver_version", "pci_bus_id", "name")
    assert found["GPU-1", "580.65.06", "00000000:01:00.0", "NVIDIA Test GPU"] == 1


def test_every_metric_is_described(gpu: GpuCollector, clock: ManualClock) -> None:
    """Each metric in a batch has help; names and metadata agree."""
    batch = tick(gpu, clock)
    named = {label_value(labels, "__name__") for labels in batch.labels}
    described = {metadata.name for metadata in batch.metadata}
    assert named <= described
    assert all(metadata.help.endswith(".") or metadata.help for metadata in batch.metadata)


def test_labels_stay_the_same_object_while_series_do(
    gpu: GpuCollector, clock: ManualClock, machine: Any
) -> None:
    """New values do not make new label sets."""
    labels = tick(gpu, clock).labels
    machine.set({"0.utilization": 99, "1.temperature": 80})
    assert all(tick(gpu, clock).labels is labels for _ in range(12))


def test_slow_meters_are_read_at_their_own_cadence(
    gpu: GpuCollector, clock: ManualClock, points: Points
) -> None:
    """PCIe throughput, which blocks, is read every tenth tick only."""
    seen = [
        bool(points(tick(gpu, clock), "gpu_pcie_receive_bytes_per_second", "gpu"))
        for _ in range(21)
    ]
    assert [number for number, there in enumerate(seen) if there] == [0, 10, 20]


def test_unsupported_sensor_is_one_line_and_a_gauge(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """A GPU without a fan says so once; its other readings and the other GPU go on."""
    machine.set({"0.nvmlDeviceGetFanSpeed.error": NOT_SUPPORTED})
    with capture_logs() as logs:
        batches = [tick(gpu, clock) for _ in range(150)]
    assert [line["sensor"] for line in logs] == ["gpu0/fan"]
    assert points(batches[-1], "gpu_fan_speed_ratio", "gpu") == {"1": 0.45}
    up = points(batches[-1], "veriscope_collector_sensor_up", "sensor")
    assert [sensor for sensor, value in up.items() if not value] == ["gpu0/fan"]
    assert points(batches[-1], "gpu_temperature_celsius", "gpu") == {"0": 61, "1": 61}
    assert points(batches[-1], "veriscope_collector_up", "collector") == {"gpu": 1}


def test_sensor_that_fails_later_ends_its_series(
    gpu: GpuCollector, clock: ManualClock, machine: Any
) -> None:
    """A sensor that breaks leaves one stale marker, not a frozen value."""
    tick(gpu, clock)
    machine.set({"1.nvmlDeviceGetPowerUsage.error": 999})
    with capture_logs() as logs:
        batch = tick(gpu, clock)
    ended = [batch.labels[i] for i in batch.series[is_stale(batch.values)]]
    assert [label_value(labels, "__name__") for labels in ended] == ["gpu_power_draw_watts"]
    assert [(line["sensor"], line["log_level"]) for line in logs] == [
        ("gpu1/power_draw", "warning")
    ]
    assert not is_stale(tick(gpu, clock).values).any()


def test_sensor_is_tried_again_and_recovers(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """After the retry time a sensor that works again gives its series again."""
    machine.set({"0.nvmlDeviceGetPowerUsage.error": 999})
    tick(gpu, clock)
    machine.set({"0.nvmlDeviceGetPowerUsage.error": None})
    assert "0" not in points(tick(gpu, clock), "gpu_power_draw_watts", "gpu")
    with capture_logs() as logs:
        batch = tick(gpu, clock, seconds=60)
    assert points(batch, "gpu_power_draw_watts", "gpu")["0"] == 251.5
    assert [line["event"] for line in logs] == ["sensor recovered"]


def test_lost_gpu_takes_only_its_own_series(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """A GPU that falls off the bus is one log line; the other goes on undisturbed."""
    before = tick(gpu, clock)
    machine.set({"0.error": LOST})
    with capture_logs() as logs:
        batch = tick(gpu, clock)
        later = [tick(gpu, clock) for _ in range(130)]
    assert [(line["sensor"], line["log_level"]) for line in logs] == [("gpu0", "warning")]
    ended = [batch.labels[i] for i in batch.series[is_stale(batch.values)]]
    assert {label_value(labels, "gpu") for labels in ended} == {"0"}
    assert len(ended) == sum(label_value(labels, "gpu") == "0" for labels in before.labels)
    assert points(later[-1], "gpu_utilization_ratio", "gpu") == {"1": 0.37}
    assert points(later[-1], "veriscope_collector_sensor_up", "sensor")["gpu0"] == 0
    assert not any(is_stale(each.values).any() for each in later)


def test_lost_gpu_comes_back_after_a_reset(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """NVML is started anew, since the handles of before the reset are void."""
    tick(gpu, clock)
    machine.set({"0.error": LOST})
    tick(gpu, clock)
    machine.set({"0.error": None})
    with capture_logs() as logs:
        batch = tick(gpu, clock, seconds=60)
    assert points(batch, "gpu_utilization_ratio", "gpu") == {"0": 0.37, "1": 0.37}
    assert points(batch, "veriscope_collector_sensor_up", "sensor")["gpu0"] == 1
    assert [line["sensor"] for line in logs] == ["gpu0"]
    assert not is_stale(batch.values).any()


def test_gpu_that_is_no_longer_listed_is_looked_for(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """A GPU that a restart does not list stays down, and is found when it is there again."""
    tick(gpu, clock)
    machine.set({"1.error": LOST})
    tick(gpu, clock)
    machine.set({"1.error": None, "count": 1})
    with capture_logs() as logs:
        for _ in range(130):
            batch = tick(gpu, clock)
    assert logs == []
    assert points(batch, "veriscope_collector_sensor_up", "sensor")["gpu1"] == 0
    assert points(batch, "gpu_utilization_ratio", "gpu") == {"0": 0.37}
    machine.set({"count": 2})
    assert len(points(tick(gpu, clock, seconds=60), "gpu_utilization_ratio", "gpu")) == 2


def test_driver_that_is_unloaded_and_loaded_again(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """Without the driver every GPU series ends; with it they are back after the retry time."""
    tick(gpu, clock)
    machine.set({"nvmlInitWithFlags.error": DRIVER_NOT_LOADED, "0.error": 9, "1.error": 9})
    batch = tick(gpu, clock)
    ended = [batch.labels[i] for i in batch.series[is_stale(batch.values)]]
    assert {label_value(labels, "gpu") for labels in ended} == {"0", "1"}
    batch = tick(gpu, clock, seconds=60)
    assert points(batch, "veriscope_collector_up", "collector") == {"gpu": 0}
    assert set(points(batch, "veriscope_collector_sensor_up", "sensor").values()) == {0}
    machine.set({"nvmlInitWithFlags.error": None, "0.error": None, "1.error": None})
    batch = tick(gpu, clock, seconds=60)
    assert points(batch, "gpu_utilization_ratio", "gpu") == {"0": 0.37, "1": 0.37}
    assert set(points(batch, "veriscope_collector_sensor_up", "sensor").values()) == {1}


def test_processes_show_the_largest_with_their_names(
    machine: Any, clock: ManualClock, points: Points, tmp_path: Path
) -> None:
    """The memory of processes is told by pid and name, the largest only, by use."""
    (tmp_path / "4242").mkdir()
    (tmp_path / "4242" / "comm").write_text("trainer\n")
    machine.set({"0.compute": "4242:4096,7:512,8:1024,9:-", "0.graphics": "4242:2048"})
    options = GpuOptions(library=str(machine.library), procfs=str(tmp_path), top_processes=3)
    batch = tick(GpuCollector(options, clock), clock)
    assert points(batch, "gpu_process_memory_bytes", "gpu", "pid", "comm", "type") == {
        ("0", "4242", "trainer", "compute"): 4096,
        ("0", "4242", "trainer", "graphics"): 2048,
        ("0", "8", "", "compute"): 1024,
    }


def test_process_that_ends_is_stale(gpu: GpuCollector, clock: ManualClock, machine: Any) -> None:
    """A process that leaves the GPU ends its series at the next look."""
    machine.set({"1.compute": "4242:4096"})
    tick(gpu, clock)
    machine.set({"1.compute": None})
    ended = []
    for _ in range(6):
        batch = tick(gpu, clock)
        ended += [batch.labels[i] for i in batch.series[is_stale(batch.values)]]
    assert [label_value(labels, "pid") for labels in ended] == ["4242"]


def test_older_drivers_answer_by_older_calls(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """A driver that lacks the newest calls is asked by the ones before."""
    machine.set(
        {
            "0.nvmlDeviceGetTemperatureV.error": FUNCTION_NOT_FOUND,
            "0.nvmlDeviceGetCurrentClocksEventReasons.error": FUNCTION_NOT_FOUND,
            "0.nvmlDeviceGetMemoryInfo_v2.error": 25,
        }
    )
    with capture_logs() as logs:
        batch = tick(gpu, clock)
    assert points(batch, "gpu_temperature_celsius", "gpu")["0"] == 61
    assert points(batch, "gpu_throttle_reason", "gpu", "reason")["0", "sw_power_cap"] == 1
    assert points(batch, "gpu_memory_used_bytes", "gpu")["0"] == 20 * 2**30 + 2**29
    assert logs == []


def test_no_library_is_one_line_and_a_gauge(clock: ManualClock, points: Points) -> None:
    """A machine without the driver says so once, and gives the gauge at every tick."""
    collector = GpuCollector(GpuOptions(library="/nowhere/libnvidia-ml.so.1"), clock)
    with capture_logs() as logs:
        batches = [tick(collector, clock) for _ in range(200)]
    assert [(line["sensor"], line["log_level"]) for line in logs] == [("nvml", "info")]
    assert points(batches[-1], "veriscope_collector_up", "collector") == {"gpu": 0}
    assert points(batches[-1], "veriscope_collector_sensor_up", "sensor") == {"nvml": 0}
    assert batches[0].labels is batches[-1].labels


def test_driver_that_is_loaded_later_is_found(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """The collector looks again after the retry time, without a restart."""
    machine.set({"nvmlInitWithFlags.error": DRIVER_NOT_LOADED})
    assert points(tick(gpu, clock), "veriscope_collector_up", "collector") == {"gpu": 0}
    machine.set({"nvmlInitWithFlags.error": None})
    assert points(tick(gpu, clock), "veriscope_collector_up", "collector") == {"gpu": 0}
    batch = tick(gpu, clock, seconds=60)
    assert points(batch, "veriscope_collector_up", "collector") == {"gpu": 1}
    assert len(points(batch, "gpu_utilization_ratio", "gpu")) == 2


def test_driver_without_gpu_is_no_fault(
    gpu: GpuCollector, clock: ManualClock, machine: Any, points: Points
) -> None:
    """A driver that lists no device is like a machine without one."""
    machine.set({"count": 0})
    with capture_logs() as logs:
        batch = tick(gpu, clock)
    assert points(batch, "veriscope_collector_up", "collector") == {"gpu": 0}
    assert [line["error"] for line in logs] == ["the NVIDIA driver sees no GPU"]


def test_library_is_found_by_the_linkers_name(machine: Any) -> None:
    """With no option set, the dynamic linker finds the driver's library."""
    script = (
        "from veriscope.collect.gpu import GpuCollector, GpuOptions\n"
        "from veriscope.signals import SystemClock\n"
        "batch = GpuCollector(GpuOptions(), SystemClock()).collect(1)\n"
        "print(sum(('uuid', 'GPU-1') in labels for labels in batch.labels))\n"
    )
    environment = os.environ | {"LD_LIBRARY_PATH": str(Path(machine.library).parent)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == 30


def test_values_are_numbers(gpu: GpuCollector, clock: ManualClock) -> None:
    """No reading of a healthy machine is NaN."""
    assert not any(math.isnan(value) for value in tick(gpu, clock).values)
