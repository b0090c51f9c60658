import os
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from veriscope.collect.host import HostCollector, HostOptions
from veriscope.signals import (
    InvalidInputError,
    Labels,
    ManualClock,
    SampleBatch,
    is_stale,
    label_value,
)

Points = Callable[..., dict[Any, float]]


def ended(batch: SampleBatch) -> list[Labels]:
    """Return the label sets that *batch* marks stale."""
    return [batch.labels[i] for i in batch.series[is_stale(batch.values)]]


@pytest.mark.parametrize(
    ("metric", "names", "expected"),
    [
        ("system_cpu_time_seconds_total", ("state",), {"user": 3.0, "idle": 50.0, "steal": 0.07}),
        ("node_cpu_seconds_total", ("cpu", "mode"), {("0", "user"): 1.0, ("1", "iowait"): 0.2}),
        ("node_cpu_guest_seconds_total", ("cpu", "mode"), {("0", "nice"): 0.05}),
        ("node_context_switches_total", (), {(): 7890}),
        ("node_intr_total", (), {(): 123456}),
        ("node_forks_total", (), {(): 4321}),
        ("node_boot_time_seconds", (), {(): 1_700_000_000}),
        ("node_procs_running", (), {(): 3}),
        ("node_procs_blocked", (), {(): 1}),
        ("node_load1", (), {(): 0.5}),
        ("node_load15", (), {(): 2.75}),
        ("node_processes_threads", (), {(): 512}),
        ("system_uptime_seconds", (), {(): 12345.67}),
        ("node_time_seconds", (), {(): 1_700_000_001}),
        ("node_memory_MemTotal_bytes", (), {(): 16384 * 1024}),
        ("node_memory_Active_anon_bytes", (), {(): 512 * 1024}),
        ("node_memory_SwapFree_bytes", (), {(): 256 * 1024}),
        ("node_memory_HugePages_Total", (), {(): 3}),
        ("node_vmstat_pswpout", (), {(): 33}),
        ("node_disk_read_bytes_total", ("device",), {"nvme0n1": 2048 * 512, "sda": 16 * 512}),
        ("node_disk_written_bytes_total", ("device",), {"nvme0n1": 4096 * 512}),
        ("node_disk_read_time_seconds_total", ("device",), {"nvme0n1": 1.5}),
        ("node_disk_io_time_seconds_total", ("device",), {"nvme0n1": 3.0, "sda": 0.05}),
        ("node_disk_io_now", ("device",), {"nvme0n1": 2}),
        ("node_disk_flush_requests_total", ("device",), {"nvme0n1": 11}),
        ("node_network_receive_bytes_total", ("device",), {"eth0": 5_000_000, "lo": 100}),
        ("node_network_receive_drop_total", ("device",), {"eth0": 2}),
        ("node_network_transmit_errs_total", ("device",), {"eth0": 7}),
        ("node_network_up", ("device",), {"eth0": 1, "lo": 0}),
        ("node_network_speed_bytes", ("device",), {"eth0": 1.25e9}),
        ("node_filefd_allocated", (), {(): 1024}),
        ("node_filefd_maximum", (), {(): 65536}),
        ("node_pressure_cpu_waiting_seconds_total", (), {(): 1.5}),
        ("node_pressure_memory_stalled_seconds_total", (), {(): 0.5}),
        ("node_pressure_io_waiting_seconds_total", (), {(): 3.5}),
        ("node_uname_info", ("nodename", "release"), {("forge", "6.12.0"): 1}),
        ("node_thermal_zone_temp", ("zone", "type"), {("0", "x86_pkg_temp"): 48.5}),
        ("node_processes_pids", (), {(): 1}),
        ("node_processes_state", ("state",), {"S": 1, "Z": 0}),
        ("veriscope_collector_up", ("collector",), {"host": 1}),
    ],
)
def test_each_file_of_the_kernel_becomes_its_metrics(
    machine: Any, points: Points, metric: str, names: tuple[str, ...], expected: dict[object, float]
) -> None:
    """What the kernel writes arrives under node_exporter's names in base units."""
    found = points(machine.tick(machine.collector()), metric, *names)
    assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_partitions_and_container_devices_are_left_out(machine: Any, points: Points) -> None:
    """By default only whole disks and lasting network devices have series."""
    batch = machine.tick(machine.collector())
    assert set(points(batch, "node_disk_io_now", "device")) == {"nvme0n1", "sda"}
    assert set(points(batch, "node_network_receive_bytes_total", "device")) == {"lo", "eth0"}


def test_older_kernels_have_fewer_disk_columns(machine: Any, points: Points) -> None:
    """A disk without discard and flush counts has no such series."""
    batch = machine.tick(machine.collector())
    assert set(points(batch, "node_disk_discards_completed_total", "device")) == {"nvme0n1"}


def test_file_systems_show_usage_and_the_last_mount_wins(machine: Any, points: Points) -> None:
    """Each watched mount point has one device, with the usage that statvfs tells."""
    batch = machine.tick(machine.collector())
    usage = os.statvfs(machine.root)
    sizes = points(batch, "node_filesystem_size_bytes", "device", "mountpoint", "fstype")
    size = usage.f_blocks * usage.f_frsize
    assert sizes == {
        ("/dev/root", "/", "ext4"): size,
        ("/dev/new", "/srv/my models", "xfs"): size,
    }
    read_only = points(batch, "node_filesystem_readonly", "mountpoint")
    assert read_only == {"/": 0, "/srv/my models": 1}


def test_file_system_that_cannot_be_asked_is_a_device_error(machine: Any, points: Points) -> None:
    """One mount that fails keeps an error gauge; the others keep their usage."""
    collector = machine.collector()
    machine.tick(collector)
    (machine.root / "srv/my models").rmdir()
    with capture_logs() as logs:
        batch = machine.tick(collector)
        machine.tick(collector)
    errors = points(batch, "node_filesystem_device_error", "mountpoint")
    assert errors == {"/": 0, "/srv/my models": 1}
    assert set(points(batch, "node_filesystem_size_bytes", "mountpoint")) >= {"/"}
    assert [line["sensor"] for line in logs] == ["filesystem//srv/my models"]


def test_chips_are_named_after_their_device(machine: Any, points: Points) -> None:
    """A temperature is found under the same name after a restart renumbers the chips."""
    batch = machine.tick(machine.collector())
    chip = "pci0000:00_0000:00:18_3"
    assert points(batch, "node_hwmon_temp_celsius", "chip", "sensor") == pytest.approx(
        {(chip, "temp1"): 62.125, (chip, "temp2"): 40}
    )
    assert points(batch, "node_hwmon_temp_max_celsius", "chip", "sensor") == {(chip, "temp1"): 95}
    assert points(batch, "node_hwmon_sensor_label", "sensor", "label") == {("temp1", "Tctl"): 1}
    assert points(batch, "node_hwmon_chip_names", "chip", "chip_name") == {(chip, "k10temp"): 1}


def test_chips_of_one_name_stay_apart(machine: Any, points: Points) -> None:
    """Two chips without a device of their own do not share a series."""
    for number in (3, 4):
        machine.write(f"sys/class/hwmon/hwmon{number}/name", "acpitz\n")
        machine.write(f"sys/class/hwmon/hwmon{number}/temp1_input", f"{number}0000\n")
    batch = machine.tick(machine.collector())
    found = points(batch, "node_hwmon_temp_celsius", "chip")
    assert (found["acpitz"], found["acpitz_hwmon4"]) == (30, 40)
    assert len(set(batch.labels)) == len(batch.labels)


def test_short_line_is_not_read_as_another_series(machine: Any, points: Points) -> None:
    """A line with too few fields breaks its sensor; no value lands on a wrong series."""
    table = (machine.root / "proc/net/dev").read_text()
    machine.write("proc/net/dev", table.replace("6000000 5000 7 8 0 1 2 0", "6000000 5000"))
    batch = machine.tick(machine.collector())
    assert points(batch, "veriscope_collector_sensor_up", "sensor")["network"] == 0
    assert not points(batch, "node_network_receive_bytes_total", "device")


def test_one_broken_temperature_leaves_the_others(machine: Any, points: Points) -> None:
    """A single input that cannot be read is one log line and one gauge."""
    machine.write("sys/class/hwmon/hwmon0/temp2_input", "not a number\n")
    collector = machine.collector()
    with capture_logs() as logs:
        batches = [machine.tick(collector) for _ in range(5)]
    sensor = "hwmon/pci0000:00_0000:00:18_3/temp2_input"
    assert [line["sensor"] for line in logs] == [sensor]
    assert set(points(batches[-1], "node_hwmon_temp_celsius", "sensor")) == {"temp1"}
    assert points(batches[-1], "veriscope_collector_sensor_up", "sensor")[sensor] == 0


def test_part_that_works_again_is_no_longer_shown(machine: Any, points: Points) -> None:
    """A mended part is reported, and its gauge ends once its quiet time is over."""
    machine.write("sys/class/hwmon/hwmon0/temp2_input", "")
    collector = machine.collector()
    machine.tick(collector)
    machine.write("sys/class/hwmon/hwmon0/temp2_input", "40000")
    sensor = "hwmon/pci0000:00_0000:00:18_3/temp2_input"
    with capture_logs() as logs:
        batch = machine.tick(collector)
    assert [(line["event"], line["sensor"]) for line in logs] == [("sensor recovered", sensor)]
    assert points(batch, "veriscope_collector_sensor_up", "sensor")[sensor] == 1
    batch = machine.tick(collector, seconds=60)
    assert [label_value(labels, "sensor") for labels in ended(batch)] == [sensor]


def test_device_without_state_is_no_link(machine: Any, points: Points) -> None:
    """What is in /sys/class/net and is no device has no series and does no harm."""
    machine.write("sys/class/net/bonding_masters", "bond0\n")
    with capture_logs() as logs:
        batch = machine.tick(machine.collector())
    assert set(points(batch, "node_network_up", "device")) == {"eth0", "lo"}
    assert logs == []


@pytest.mark.parametrize(
    ("path", "sensor", "metric"),
    [
        ("proc/meminfo", "memory", "node_memory_MemTotal_bytes"),
        ("proc/stat", "cpu", "node_cpu_seconds_total"),
        ("proc/diskstats", "disk", "node_disk_io_now"),
        ("proc/net/dev", "network", "node_network_receive_bytes_total"),
        ("proc/loadavg", "load", "node_load1"),
        ("proc/pressure/io", "pressure/io", "node_pressure_io_waiting_seconds_total"),
    ],
)
def test_broken_file_is_one_line_and_a_gauge(
    machine: Any, points: Points, path: str, sensor: str, metric: str
) -> None:
    """A file full of nonsense ends its own series; all else is as before."""
    collector = machine.collector()
    healthy = machine.tick(collector)
    machine.write(path, "no such thing\n\nas: this format\n1 2 three\n")
    with capture_logs() as logs:
        batch = machine.tick(collector)
        later = [machine.tick(collector) for _ in range(30)][-1]
    assert [(line["sensor"], line["log_level"]) for line in logs] == [(sensor, "warning")]
    assert points(batch, "veriscope_collector_sensor_up", "sensor")[sensor] == 0
    assert metric in {label_value(labels, "__name__") for labels in ended(batch)}
    assert not points(later, metric)
    kept = {label_value(labels, "__name__") for labels in later.labels[: len(later)]}
    lost = {label_value(labels, "__name__") for labels in ended(batch)}
    assert kept | lost == {label_value(labels, "__name__") for labels in healthy.labels}


def test_repaired_file_is_read_again(machine: Any, points: Points) -> None:
    """A sensor that works again gives its series after the retry time."""
    content = (machine.root / "proc/meminfo").read_text()
    machine.write("proc/meminfo", "nonsense")
    collector = machine.collector()
    machine.tick(collector)
    machine.write("proc/meminfo", content)
    assert not points(machine.tick(collector), "node_memory_MemTotal_bytes")
    assert points(machine.tick(collector, seconds=60), "node_memory_MemTotal_bytes")


def test_kernel_without_pressure_is_no_fault(machine: Any, points: Points) -> None:
    """Where the kernel keeps no pressure, it is said once as information."""
    for resource in ("cpu", "memory", "io"):
        (machine.root / "proc/pressure" / resource).unlink()
    with capture_logs() as logs:
        batch = machine.tick(machine.collector())
    assert [(line["sensor"], line["log_level"]) for line in logs] == [("pressure", "info")]
    assert points(batch, "veriscope_collector_sensor_up", "sensor")["pressure"] == 0
    assert points(batch, "veriscope_collector_sensor_up", "sensor")["cpu"] == 1


def test_idle_time_never_falls(machine: Any, points: Points) -> None:
    """A kernel whose idle time steps back does not make a counter restart."""
    collector = machine.collector()
    before = points(machine.tick(collector), "node_cpu_seconds_total", "cpu", "mode")
    stat = (machine.root / "proc/stat").read_text()
    machine.write("proc/stat", stat.replace("cpu0 100 10 50 2500", "cpu0 101 10 50 2490"))
    after = points(machine.tick(collector), "node_cpu_seconds_total", "cpu", "mode")
    assert after["0", "idle"] == before["0", "idle"]
    assert after["0", "user"] == 1.01


def test_core_that_was_taken_out_starts_again(machine: Any, points: Points) -> None:
    """A large fall is a core that was replugged, and is passed on as the restart it is."""
    collector = machine.collector()
    machine.tick(collector)
    stat = (machine.root / "proc/stat").read_text()
    machine.write("proc/stat", stat.replace("cpu0 100 10 50 2500", "cpu0 1 0 0 10"))
    after = points(machine.tick(collector), "node_cpu_seconds_total", "cpu", "mode")
    assert after["0", "idle"] == 0.1


def test_labels_are_the_same_object_while_series_stay(machine: Any) -> None:
    """Values change, label sets do not: the store need not hash them again."""
    collector = machine.collector()
    labels = machine.tick(collector).labels
    machine.write("proc/loadavg", "9.00 9.00 9.00 1/2 3\n")
    machine.process(1, "init", ticks=500, pages=20)
    batch = machine.tick(collector)
    assert batch.labels is labels
    assert not ended(batch)


def test_disk_that_is_unplugged_ends(machine: Any) -> None:
    """A device that goes away is marked stale once, and only that device."""
    collector = machine.collector()
    machine.tick(collector)
    machine.write(
        "proc/diskstats",
        " 259       0 nvme0n1 100 5 2048 1500 200 6 4096 2500 2 3000 4000 7 8 9 1000 11 12\n",
    )
    batch = machine.tick(collector)
    assert {label_value(labels, "device") for labels in ended(batch)} == {"sda"}
    assert len(ended(batch)) == 11
    after = machine.tick(collector)
    assert not ended(after)
    assert after.labels is batch.labels


def test_device_that_returns_is_live_again(machine: Any, points: Points) -> None:
    """A series that ended and came back has samples again, and each series is listed once."""
    collector = machine.collector()
    content = (machine.root / "proc/diskstats").read_text()
    machine.tick(collector)
    machine.write("proc/diskstats", content.splitlines()[0] + "\n")
    machine.tick(collector)
    machine.write("proc/diskstats", content)
    batch = machine.tick(collector)
    assert points(batch, "node_disk_io_now", "device") == {"nvme0n1": 2, "sda": 0}
    assert len(set(batch.labels)) == len(batch.labels)
    assert not ended(batch)


def test_sensors_with_their_own_cadence_are_left_out_between(machine: Any, points: Points) -> None:
    """A slow sensor has no sample between its readings, and its series do not end."""
    collector = machine.collector(filesystem_every=3)
    batches = [machine.tick(collector) for _ in range(7)]
    there = [bool(points(batch, "node_filesystem_size_bytes")) for batch in batches]
    assert there == [True, False, False, True, False, False, True]
    assert not any(ended(batch) for batch in batches)
    assert all(batch.labels is batches[0].labels for batch in batches)


def test_cores_can_be_left_out(machine: Any, points: Points) -> None:
    """On a machine with many cores the total alone may be wanted."""
    batch = machine.tick(machine.collector(per_core=False))
    assert not points(batch, "node_cpu_seconds_total")
    assert points(batch, "system_cpu_time_seconds_total", "state")["user"] == 3


def test_every_metric_is_described(machine: Any) -> None:
    """Each metric in a batch has help, and a unit that its name bears."""
    batch = machine.tick(machine.collector())
    described = {metadata.name: metadata for metadata in batch.metadata}
    for labels in batch.labels:
        metadata = described[label_value(labels, "__name__")]
        assert metadata.help
        assert metadata.unit in metadata.name or metadata.name == "node_thermal_zone_temp"


@pytest.mark.parametrize(
    "option", ["disks_exclude", "networks_exclude", "filesystem_types_exclude"]
)
def test_pattern_that_is_not_re2_names_its_option(option: str) -> None:
    """A wrong pattern is refused at the start with the option's name."""
    with pytest.raises(InvalidInputError, match=option):
        HostCollector(HostOptions(**{option: "(unclosed"}), ManualClock())


def test_empty_pattern_excludes_nothing(machine: Any, points: Points) -> None:
    """Without a pattern every device is watched."""
    batch = machine.tick(machine.collector(disks_exclude=""))
    assert "loop0" in points(batch, "node_disk_io_now", "device")
