import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from veriscope.collect.host.filesystems import FilesystemSensor
from veriscope.collect.sensors import Readings
from veriscope.signals import label_value


@pytest.fixture
def server() -> Iterator[threading.Event]:
    """Yield a file server that can be away: its answer is waited for while the event is clear."""
    there = threading.Event()
    yield there
    there.set()


def sensor_of(root: Path, server: threading.Event, asked: list[str]) -> FilesystemSensor:
    """Return a sensor of one local and one network file system."""
    (root / "1").mkdir()
    (root / "1/mounts").write_text("/dev/a / ext4 rw 0 0\nhost:/x /mnt nfs4 rw 0 0\n")

    def statvfs(path: str) -> os.statvfs_result:
        asked.append(path)
        if path.endswith("/mnt"):
            server.wait()
        return os.statvfs(root)

    return FilesystemSensor(
        root, "", exclude_types="", exclude_mounts="", every=1, patience_s=0.01, statvfs=statvfs
    )


def errors(readings: Readings) -> dict[str, float]:
    """Return the device error of each mount point."""
    return {
        label_value(labels, "mountpoint"): value
        for labels, value in zip(readings.labels, readings.values, strict=True)
        if label_value(labels, "__name__") == "node_filesystem_device_error"
    }


def test_server_that_hangs_holds_up_nothing(tmp_path: Path, server: threading.Event) -> None:
    """A network file system without answer is an error; the others are read as ever."""
    sensor = sensor_of(tmp_path, server, [])
    assert errors(sensor.read(0)) == {"/": 0, "/mnt": 1}
    assert errors(sensor.read(1)) == {"/": 0, "/mnt": 1}
    assert [part for part, _ in sensor.read(2).faults] == ["/mnt"]


def test_own_mounts_are_read_where_the_hosts_are_hidden(
    tmp_path: Path, server: threading.Event
) -> None:
    """Without the right to see process 1's mount table, this process' own is used."""
    sensor = sensor_of(tmp_path, server, [])
    (tmp_path / "1/mounts").rename(tmp_path / "mounts")
    (tmp_path / "mounts").write_text("/dev/a /only ext4 rw 0 0\n")
    assert errors(sensor.read(0)) == {"/only": 0}


def test_server_that_answers_again_is_read_again(tmp_path: Path, server: threading.Event) -> None:
    """The one open question is waited for; once answered, the usage is back."""
    asked: list[str] = []
    sensor = sensor_of(tmp_path, server, asked)
    sensor.read(0)
    sensor.read(0)
    server.set()
    readings = sensor.read(1)
    while errors(readings)["/mnt"]:
        readings = sensor.read(1)
    assert asked.count("/mnt") == 1
    sizes = [
        labels
        for labels in readings.labels
        if label_value(labels, "__name__") == "node_filesystem_size_bytes"
    ]
    assert len(sizes) == 2
