"""The host collector: this machine's sensors in one panel."""

import sys
from pathlib import Path

from veriscope.collect.health import Health
from veriscope.collect.host.cpu import CpuSensor
from veriscope.collect.host.disks import DiskSensor
from veriscope.collect.host.filesystems import FilesystemSensor
from veriscope.collect.host.hardware import HwmonSensor, ThermalZoneSensor
from veriscope.collect.host.kernel import (
    FileDescriptorSensor,
    LoadSensor,
    PressureSensor,
    TimeSensor,
    UnameSensor,
)
from veriscope.collect.host.memory import MeminfoSensor, VmstatSensor
from veriscope.collect.host.network import LinkSensor, NetworkSensor
from veriscope.collect.host.options import HostOptions
from veriscope.collect.host.processes import ProcessSensor
from veriscope.collect.panel import SensorPanel
from veriscope.collect.sensors import Sensor
from veriscope.signals import Clock, SampleBatch


class HostCollector:
    """
    Metrics of this machine, under node_exporter's names where it has them.

    Linux is read from /proc and /sys; elsewhere psutil answers. Raises `InvalidInputError` for
    a pattern in *options* that is not RE2.
    """

    name = "host"

    def __init__(self, options: HostOptions, clock: Clock) -> None:
        health = Health(self.name, clock=clock, retry_s=options.retry.seconds)
        self._panel = SensorPanel(self.name, _sensors(options), health)

    def collect(self, now_ms: int) -> SampleBatch:
        """Read the sensors that are due; the samples carry *now_ms* (Unix milliseconds)."""
        return self._panel.collect(now_ms)


def _sensors(options: HostOptions) -> list[Sensor]:
    if not sys.platform.startswith("linux"):
        # Loaded only where there is no /proc: psutil costs every agent memory.
        from veriscope.collect.host.portable import portable_sensors  # noqa: PLC0415

        return portable_sensors(options)
    return _linux_sensors(options)


def _linux_sensors(options: HostOptions) -> list[Sensor]:
    procfs, sysfs = Path(options.procfs), Path(options.sysfs)
    hardware_every = options.hardware_every
    return [
        CpuSensor(procfs, per_core=options.per_core),
        LoadSensor(procfs),
        MeminfoSensor(procfs),
        VmstatSensor(procfs),
        DiskSensor(procfs, options.disks_exclude),
        NetworkSensor(procfs, options.networks_exclude),
        FileDescriptorSensor(procfs),
        TimeSensor(procfs),
        PressureSensor(procfs),
        UnameSensor(procfs, every=options.filesystem_every),
        LinkSensor(sysfs, options.networks_exclude, every=hardware_every),
        HwmonSensor(sysfs, every=hardware_every),
        ThermalZoneSensor(sysfs, every=hardware_every),
        FilesystemSensor(
            procfs,
            options.rootfs,
            exclude_types=options.filesystem_types_exclude,
            exclude_mounts=options.filesystem_mounts_exclude,
            every=options.filesystem_every,
        ),
        ProcessSensor(procfs, count=options.top_processes, every=options.process_every),
    ]
