"""What the collector says of the machine that runs the tests, against other judges."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from veriscope.collect.health import Health
from veriscope.collect.host import HostCollector, HostOptions
from veriscope.collect.host.portable import portable_sensors
from veriscope.collect.panel import SensorPanel
from veriscope.signals import Labels, MetricType, SampleBatch, SystemClock, label_value

Points = Callable[..., dict[Any, float]]
Exposition = dict[tuple[str, Labels], float]

EVERY_TICK = HostOptions(process_every=1, filesystem_every=1, hardware_every=1)


def collect(collector: HostCollector) -> SampleBatch:
    """Collect now."""
    return collector.collect(SystemClock().now_ms())


def by_labels(batch: SampleBatch) -> dict[Labels, float]:
    """Return *batch* as a dict of label set to value."""
    return {batch.labels[i]: float(v) for i, v in zip(batch.series, batch.values, strict=True)}


def test_no_sensor_of_this_machine_is_broken() -> None:
    """Nothing but what the kernel lacks is logged on a real machine."""
    with capture_logs() as logs:
        batch = collect(HostCollector(EVERY_TICK, SystemClock()))
    assert [line for line in logs if line["log_level"] != "info"] == []
    assert len(batch) > 100


def test_psutil_agrees(points: Points) -> None:
    """Another reader of the same machine sees the same figures."""
    batch = collect(HostCollector(EVERY_TICK, SystemClock()))
    memory = psutil.virtual_memory()
    assert points(batch, "node_memory_MemTotal_bytes") == {(): memory.total}
    available = points(batch, "node_memory_MemAvailable_bytes")[()]
    assert available == pytest.approx(memory.available, rel=0.2)
    assert points(batch, "node_boot_time_seconds")[()] == pytest.approx(psutil.boot_time(), abs=2)
    idle = points(batch, "node_cpu_seconds_total", "mode", "cpu")
    assert sum(mode == "idle" for mode, _ in idle) == psutil.cpu_count()
    total = points(batch, "system_cpu_time_seconds_total", "state")
    assert total["user"] == pytest.approx(psutil.cpu_times().user, abs=5)
    disk = psutil.disk_usage("/")
    sizes = points(batch, "node_filesystem_size_bytes", "mountpoint")
    assert "/" not in sizes or sizes["/"] == disk.total
    sent = points(batch, "node_network_transmit_bytes_total", "device")
    assert sent.keys() <= psutil.net_io_counters(pernic=True).keys()


def test_counters_never_fall() -> None:
    """Between two looks at a working machine no counter goes back."""
    collector = HostCollector(EVERY_TICK, SystemClock())
    before = collect(collector)
    counters = {m.name for m in before.metadata if m.type is MetricType.COUNTER}
    first = by_labels(before)
    sum(range(200_000))
    second = by_labels(collect(collector))
    compared = 0
    for labels in first.keys() & second.keys():
        if label_value(labels, "__name__") in counters:
            compared += 1
            assert second[labels] >= first[labels], labels
    assert compared > 30


def test_this_process_is_found_among_the_top(points: Points) -> None:
    """A test run is one of the largest processes there are, under its own name."""
    batch = collect(HostCollector(HostOptions(top_processes=500), SystemClock()))
    me = psutil.Process()
    resident = points(batch, "process_top_resident_memory_bytes", "pid")[str(me.pid)]
    assert resident == pytest.approx(me.memory_info().rss, rel=0.1)
    assert points(batch, "process_top_threads", "pid")[str(me.pid)] >= 1


def test_portable_sensors_agree_with_the_kernel(points: Points) -> None:
    """What psutil gives elsewhere is the same figures under the names of that system."""
    clock = SystemClock()
    options = HostOptions(process_every=1, filesystem_every=1)
    panel = SensorPanel("host", portable_sensors(options), Health("host", clock=clock, retry_s=1))
    with capture_logs() as logs:
        portable = panel.collect(clock.now_ms())
    native = collect(HostCollector(EVERY_TICK, clock))
    assert logs == []
    total = points(native, "node_memory_MemTotal_bytes")[()]
    assert points(portable, "node_memory_total_bytes")[()] == total
    for metric in ("node_cpu_seconds_total", "node_network_receive_bytes_total"):
        one = points(portable, metric, "cpu", "mode", "device")
        two = points(native, metric, "cpu", "mode", "device")
        assert one.keys() == two.keys()
        assert sum(one.values()) == pytest.approx(sum(two.values()), rel=0.05)


@pytest.fixture(scope="module")
def node_exporter() -> Iterator[Exposition]:
    """Yield the metrics of a real node_exporter on this machine."""
    program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if program is None:
        pytest.skip("node_exporter is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [program, f"--web.listen-address={address}"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as exporter:
        try:
            yield fetch(f"http://{address}/metrics")
        finally:
            exporter.terminate()


def fetch(url: str) -> Exposition:
    """Return the page at *url* once there is one, as a dict of name and labels to value."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                text = answer.read().decode()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            break
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if v))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


OWN = ("process_top_", "system_", "veriscope_", "node_processes_")
"""What node_exporter does not have, or only when asked."""


@pytest.mark.peer
def test_node_exporter_has_the_same_series(node_exporter: Exposition) -> None:
    """Name for name and label for label, a dashboard made for node_exporter finds its series."""
    batch = collect(HostCollector(EVERY_TICK, SystemClock()))
    ours = {
        (label_value(labels, "__name__"), tuple(pair for pair in labels if pair[0] != "__name__"))
        for labels in batch.labels
    }
    missing = {
        key
        for key in ours
        if not key[0].startswith(OWN)
        and key not in node_exporter
        # What the exporter's version leaves out is no disagreement.
        and not key[0].startswith(("node_filesystem_", "node_memory_"))
        and ("device", "lo") not in key[1]
    }
    assert missing == set()


@pytest.mark.peer
@pytest.mark.parametrize(
    "metric",
    [
        "node_boot_time_seconds",
        "node_memory_MemTotal_bytes",
        "node_filefd_maximum",
        "node_filesystem_size_bytes",
        "node_disk_reads_completed_total",
        "node_disk_written_bytes_total",
        "node_network_receive_bytes_total",
        "node_cpu_seconds_total",
        "node_pressure_io_waiting_seconds_total",
        "node_vmstat_pgfault",
    ],
)
def test_node_exporter_has_the_same_values(node_exporter: Exposition, metric: str) -> None:
    """Unit for unit: values differ by no more than what happened in between."""
    for labels, value in by_labels(collect(HostCollector(EVERY_TICK, SystemClock()))).items():
        if label_value(labels, "__name__") != metric:
            continue
        key = metric, tuple(pair for pair in labels if pair[0] != "__name__")
        if key in node_exporter:
            assert value == pytest.approx(node_exporter[key], rel=0.25, abs=60)
