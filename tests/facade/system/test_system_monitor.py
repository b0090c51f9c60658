import logging
import math
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from veriscope import GPUMetrics, SystemMetrics, SystemMonitor
from veriscope.collect.gpu import GpuOptions
from veriscope.instrument import delivery
from veriscope.signals import InvalidInputError, SampleBatch, label_value


class Exported:
    """Takes what monitors would send."""

    def __init__(self) -> None:
        self.batches: list[SampleBatch] = []

    def add_batch(self, batch: SampleBatch) -> None:
        """Keep *batch*."""
        self.batches.append(batch)


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Put an exporter in place of the process's own."""
    exporter = Exported()
    monkeypatch.setattr(delivery, "current", lambda: exporter)
    return exporter


def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    ends_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen"
        time.sleep(0.005)


def sample(seconds_ago: float = 0, **changes: Any) -> SystemMetrics:
    """Return a sample taken a while ago."""
    values: dict[str, Any] = {
        "timestamp": datetime.now() - timedelta(seconds=seconds_ago),  # noqa: DTZ005 - as pasted
        "cpu_usage": 10.0,
        "memory_usage": 20.0,
        "disk_usage": 30.0,
        "network_io": {"bytes_sent": 1, "bytes_recv": 2, "packets_sent": 3, "packets_recv": 4},
        "load_average": [0.1, 0.2, 0.3],
        "uptime": 5.0,
        "processes": 6,
        "threads": 7,
    }
    return SystemMetrics(**(values | changes))


def gpu(number: int = 0, **changes: float) -> GPUMetrics:
    """Return a sample of a GPU."""
    values = dict.fromkeys(
        ("utilization", "temperature", "power_draw", "fan_speed", "clock_speed"), 50.0
    )
    values |= {"memory_used": 1.0, "memory_total": 4.0}
    return GPUMetrics(datetime.now(), number, **(values | changes))  # noqa: DTZ005 - as pasted


def test_a_sample_is_what_the_system_says() -> None:
    """Each field agrees with an outside look at this machine."""
    found = SystemMonitor()._collect_system_metrics()
    assert abs((datetime.now() - found.timestamp).total_seconds()) < 5  # noqa: DTZ005 - as pasted
    assert 0 <= found.cpu_usage <= 100
    assert found.memory_usage == pytest.approx(psutil.virtual_memory().percent, abs=3)
    assert found.disk_usage == pytest.approx(psutil.disk_usage("/").percent, abs=1)
    assert found.load_average == pytest.approx(list(os.getloadavg()), abs=2)
    assert found.uptime == pytest.approx(time.time() - psutil.boot_time(), abs=5)
    assert found.processes == pytest.approx(len(psutil.pids()), rel=0.3)
    assert set(found.network_io) == {"bytes_sent", "bytes_recv", "packets_sent", "packets_recv"}
    assert all(isinstance(value, int) for value in found.network_io.values())


def test_threads_are_those_of_the_whole_machine() -> None:
    """Threads of other processes count, and new ones are seen."""
    monitor, stop = SystemMonitor(), threading.Event()
    before = monitor._collect_system_metrics().threads
    assert before > psutil.Process().num_threads()
    threads = [threading.Thread(target=stop.wait) for _ in range(100)]
    for thread in threads:
        thread.start()
    after = monitor._collect_system_metrics().threads
    stop.set()
    for thread in threads:
        thread.join()
    assert after >= before + 50


def test_the_first_cpu_usage_is_right() -> None:
    """A process that burns a core shows in the very first sample, which waits at most 0.1 s."""
    code = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as burner:
        assert burner.stdout is not None
        burner.stdout.readline()
        monitor = SystemMonitor()
        begun_s = time.monotonic()
        found = monitor._collect_system_metrics().cpu_usage
        took_s = time.monotonic() - begun_s
        assert monitor._collect_system_metrics().cpu_usage == found, "it is not measured twice"
        burner.kill()
    assert found >= 50 / (psutil.cpu_count() or 1)
    assert took_s < 30


def test_network_rates_are_since_the_sample_before() -> None:
    """The first sample has no rates; the next has the growth per second."""
    monitor = SystemMonitor()
    assert monitor._readers.network_rates({"bytes_sent": 100}, 10.0) == {}
    assert monitor._readers.network_rates({"bytes_sent": 300}, 14.0) == {"bytes_sent": 50.0}
    assert monitor._readers.network_rates({"bytes_sent": 0}, 15.0) == {"bytes_sent": 0.0}


def test_monitoring_starts_stops_and_starts_again() -> None:
    """Starting twice makes one thread, stopping ends it at once, and it can begin anew."""
    monitor = SystemMonitor(3600)
    assert (monitor.monitoring, monitor.monitor_thread) == (False, None)
    monitor.stop_monitoring()
    monitor.start_monitoring()
    thread = monitor.monitor_thread
    monitor.start_monitoring()
    assert monitor.monitor_thread is thread
    assert thread is not None
    assert thread.daemon
    assert thread.name.startswith("veriscope-")
    until(lambda: len(monitor.metrics_buffer) == 1)
    begun_s = time.monotonic()
    monitor.stop_monitoring()
    assert time.monotonic() - begun_s < 60
    assert not monitor.monitoring
    assert not thread.is_alive()
    monitor.start_monitoring()
    until(lambda: len(monitor.metrics_buffer) == 2)
    monitor.stop_monitoring()


def test_setting_monitoring_ends_the_loop() -> None:
    """Code that sets the attribute itself, as the document's loop allows, ends the thread."""
    monitor = SystemMonitor(0.01)
    monitor.start_monitoring()
    monitor.monitoring = False
    thread = monitor.monitor_thread
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()


def test_a_machine_without_threads_left_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Monitoring does not begin, and the application goes on."""

    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monitor = SystemMonitor()
    monkeypatch.setattr(threading.Thread, "start", full)
    monitor.start_monitoring()
    assert not monitor.monitoring
    assert "could not be started" in caplog.text


def test_an_interval_may_be_set_while_it_runs() -> None:
    """The next wait is the new one, and nonsense does not end the thread."""
    monitor = SystemMonitor(0.01)
    monitor.start_monitoring()
    monitor.collection_interval = 0
    count = len(monitor.metrics_buffer)
    until(lambda: len(monitor.metrics_buffer) > count + 5)
    monitor.stop_monitoring()


def test_samples_keep_their_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection that takes time does not put off the ones after it."""
    monitor = SystemMonitor(0.05)
    taken: list[float] = []

    def slow() -> None:
        taken.append(time.monotonic())
        time.sleep(0.02)

    monkeypatch.setattr(monitor, "_collect", slow)
    monitor.start_monitoring()
    until(lambda: len(taken) >= 12)
    monitor.stop_monitoring()
    phases = [(at_s - taken[0]) / 0.05 for at_s in taken]
    late = sorted(phase - math.floor(phase + 0.1) for phase in phases)
    assert late[len(late) // 2] < 0.5


def test_a_failing_collection_does_not_end_monitoring(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The failure is logged, and the next sample is taken."""
    monitor = SystemMonitor(0.01)
    calls: list[int] = []

    def broken() -> None:
        calls.append(1)
        raise LookupError("no machine")

    monkeypatch.setattr(monitor, "_collect", broken)
    with caplog.at_level(logging.ERROR, monitor.logger.name):
        monitor.start_monitoring()
        until(lambda: len(calls) >= 3)
        monitor.stop_monitoring()
    assert "failed to collect" in caplog.text


@pytest.mark.parametrize("interval", [0, -1, math.nan, math.inf])
def test_an_interval_must_be_some_time(interval: float) -> None:
    """Nothing else can be waited for."""
    with pytest.raises(InvalidInputError, match="collection_interval"):
        SystemMonitor(interval)


def test_the_summary_is_the_documents() -> None:
    """Its keys are all there, over the samples of the window only."""
    monitor = SystemMonitor()
    assert monitor.get_system_summary() == {}
    monitor.metrics_buffer.append(sample(400, cpu_usage=99))
    monitor.metrics_buffer.append(sample(10, cpu_usage=10))
    monitor.metrics_buffer.append(sample(0, cpu_usage=40, network_rates={"bytes_sent": 8.0}))
    found = monitor.get_system_summary(duration=300)
    assert found["duration_seconds"] == 300
    assert found["sample_count"] == 2
    assert found["cpu"] == {"avg": 25, "min": 10, "max": 40, "current": 40}
    assert found["memory"] == {"avg": 20, "min": 20, "max": 20, "current": 20}
    assert found["disk"] == {"avg": 30, "min": 30, "max": 30, "current": 30}
    assert (found["uptime"], found["processes"], found["threads"]) == (5.0, 6, 7)
    assert found["load_average"] == [0.1, 0.2, 0.3]
    assert found["network"]["per_second"] == {"bytes_sent": 8.0}


def test_what_could_not_be_read_is_left_out_of_averages() -> None:
    """NaN is no value: not of averages, and alone it stays NaN."""
    monitor = SystemMonitor()
    monitor.metrics_buffer.append(sample(cpu_usage=10, disk_usage=math.nan))
    monitor.metrics_buffer.append(sample(cpu_usage=math.nan, disk_usage=math.nan))
    found = monitor.get_system_summary()
    assert (found["cpu"]["avg"], found["cpu"]["max"]) == (10, 10)
    assert math.isnan(found["cpu"]["current"])
    assert math.isnan(found["disk"]["avg"])


def test_the_summary_of_gpus_is_the_documents() -> None:
    """Each GPU has its own part."""
    monitor = SystemMonitor()
    assert monitor.get_gpu_summary() == {}
    monitor.gpu_metrics_buffer.extend([gpu(0), gpu(1), gpu(0, memory_used=3, utilization=90)])
    found = monitor.get_gpu_summary()
    assert set(found) == {"gpu_0", "gpu_1"}
    assert found["gpu_0"]["utilization"] == {"avg": 70, "min": 50, "max": 90, "current": 90}
    assert found["gpu_0"]["memory"] == {
        "used_avg": 2,
        "used_max": 3,
        "total": 4,
        "usage_percent": 75,
    }
    assert found["gpu_0"]["temperature"]["current"] == 50
    assert found["gpu_0"]["power"]["max"] == 50


def test_a_gpu_without_memory_figures_has_no_share() -> None:
    """Neither NaN nor a total of 0 is divided by."""
    monitor = SystemMonitor()
    monitor.gpu_metrics_buffer.append(gpu(0, memory_used=math.nan, memory_total=math.nan))
    monitor.gpu_metrics_buffer.append(gpu(1, memory_total=0))
    for found in monitor.get_gpu_summary().values():
        assert math.isnan(found["memory"]["usage_percent"])


def test_the_fields_are_the_documents() -> None:
    """Code that builds samples by position works."""
    documented = [
        "timestamp",
        "cpu_usage",
        "memory_usage",
        "disk_usage",
        "network_io",
        "load_average",
        "uptime",
        "processes",
        "threads",
    ]
    assert [field.name for field in fields(SystemMetrics)][: len(documented)] == documented
    documented = [
        "timestamp",
        "gpu_id",
        "utilization",
        "memory_used",
        "memory_total",
        "temperature",
        "power_draw",
        "fan_speed",
        "clock_speed",
    ]
    assert [field.name for field in fields(GPUMetrics)] == documented


def test_the_same_batches_as_the_agents_are_exported(exported: Exported) -> None:
    """With an exporter each collection sends node_ metrics, and how the GPU collector is."""
    monitor = SystemMonitor()
    monitor._collect()
    host, gpus = exported.batches
    names = {label_value(labels, "__name__") for labels in host.labels}
    assert {"node_load1", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes"} <= names
    assert any("veriscope_collector_up" in dict(labels).values() for labels in gpus.labels)


def test_without_a_gpu_there_is_one_word_about_it(caplog: pytest.LogCaptureFixture) -> None:
    """No driver is no error: an empty list, told once."""
    monitor = SystemMonitor(gpu=GpuOptions(library="libnothing.so.0"))
    with caplog.at_level(logging.WARNING, monitor.logger.name):
        assert [monitor._collect_gpu_metrics() for _ in range(3)] == [[], [], []]
    assert len(caplog.records) == 1


def test_a_fork_resumes_in_the_child() -> None:
    """A worker forked from a process that monitors has samples of its own."""
    code = """
import os, time
from veriscope import SystemMonitor
monitor = SystemMonitor(0.02)
monitor.start_monitoring()
idle = SystemMonitor(0.02)
def wait(count):
    ends = time.monotonic() + 60
    while len(monitor.metrics_buffer) < count:
        assert time.monotonic() < ends
        time.sleep(0.01)
wait(2)
if (child := os.fork()) == 0:
    monitor.metrics_buffer.clear()
    wait(3)
    monitor.stop_monitoring()
    assert idle.monitor_thread is None
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
wait(5)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_running_monitor_does_not_keep_the_process(tmp_path: Path) -> None:
    """An interpreter that ends while it monitors ends at once and in silence."""
    code = "from veriscope import SystemMonitor; SystemMonitor(0.01).start_monitoring()"
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=30,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "Traceback" not in found.stderr


def test_a_buffer_of_the_documents_kind_can_be_put_in() -> None:
    """A subclass that wants more samples assigns a `deque`, as the document's own code would."""

    class Longer(SystemMonitor):
        def __init__(self) -> None:
            super().__init__()
            self.metrics_buffer = deque(self.metrics_buffer, maxlen=5000)

    monitor = Longer()
    monitor.metrics_buffer.append(monitor._collect_system_metrics())
    assert monitor.metrics_buffer.maxlen == 5000
    assert monitor.get_system_summary()["sample_count"] == 1
    monitor.metrics_buffer = list(monitor.metrics_buffer)
    assert monitor.get_system_summary()["sample_count"] == 1
