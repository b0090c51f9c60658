"""The GPU collector: finds NVIDIA GPUs, and finds them again after they were lost."""

from pathlib import Path

from veriscope.collect.gpu.meters import METERS, Gpu, InfoSensor, MeterSensor
from veriscope.collect.gpu.nvml import Nvml
from veriscope.collect.gpu.options import GpuOptions
from veriscope.collect.gpu.processes import GpuProcessSensor
from veriscope.collect.health import Health
from veriscope.collect.panel import SensorPanel
from veriscope.collect.sensors import AbsentError, Sensor, SourceLostError
from veriscope.signals import Clock, SampleBatch, UnavailableError


class GpuCollector:
    """
    Metrics of every NVIDIA GPU of this machine, through NVML.

    Without a GPU it gives `veriscope_collector_up{collector="gpu"}` 0 and looks again after
    `options.retry`. A GPU that is lost ends its own series only; NVML is then started anew at
    the same interval, since a handle does not outlive a reset.
    """

    name = "gpu"

    def __init__(self, options: GpuOptions, clock: Clock) -> None:
        self._options = options
        self._nvml = Nvml(options.library)
        self._health = Health(self.name, clock=clock, retry_s=options.retry.seconds)
        self._panel = SensorPanel(self.name, (), self._health)
        self._sources: set[str] = set()
        self._is_started = False

    def collect(self, now_ms: int) -> SampleBatch:
        """Read the sensors that are due; the samples carry *now_ms* (Unix milliseconds)."""
        if self._must_start():
            self._start()
        return self._panel.collect(now_ms)

    def _must_start(self) -> bool:
        """Tell whether NVML is not running, or a GPU is lost, and its time has come."""
        if not self._is_started:
            return self._health.is_due("nvml")
        return any(
            not self._health.is_up(source) and self._health.is_due(source)
            for source in self._sources
        )

    def _start(self) -> None:
        """Start NVML, anew if it runs, and read the GPUs that it lists."""
        self._is_started = False
        try:
            count = self._count_gpus()
        except UnavailableError as error:
            self._health.failed("nvml", error)
            for source in self._sources:
                self._health.down(source)
            self._panel.install(())
            return
        self._is_started = True
        self._health.ok("nvml")
        listed = {f"gpu{index}" for index in range(count)}
        for source in self._sources - listed:
            self._health.failed(source, SourceLostError("the driver no longer lists this GPU"))
        self._sources |= listed
        self._panel.install([sensor for index in range(count) for sensor in self._find(index)])

    def _count_gpus(self) -> int:
        """Start NVML; `UnavailableError` where there is no driver, or it sees no GPU."""
        self._nvml.start()
        count = self._nvml.call(self._nvml.api.nvmlDeviceGetCount)
        if not count:
            raise AbsentError("the NVIDIA driver sees no GPU")
        return int(count)

    def _find(self, index: int) -> list[Sensor]:
        """Return the sensors of the GPU *index*; none where it cannot be opened."""
        nvml, source = self._nvml, f"gpu{index}"
        try:
            handle = nvml.call(nvml.api.nvmlDeviceGetHandleByIndex, index)
            labels = {
                "gpu": str(index),
                "uuid": nvml.call(nvml.api.nvmlDeviceGetUUID, handle),
                "name": nvml.call(nvml.api.nvmlDeviceGetName, handle),
            }
            facts = {
                "driver_version": nvml.call(nvml.api.nvmlSystemGetDriverVersion),
                "pci_bus_id": nvml.call(nvml.api.nvmlDeviceGetPciInfo, handle).busId,
            }
        except UnavailableError as error:
            self._health.failed(source, error)
            return []
        self._health.ok(source)
        return self._sensors(Gpu(index, handle, labels), facts)

    def _sensors(self, gpu: Gpu, facts: dict[str, str]) -> list[Sensor]:
        options = self._options
        sensors: list[Sensor] = [
            MeterSensor(self._nvml, gpu, meter, every=options.slow_every if meter.is_slow else 1)
            for meter in METERS
        ]
        return [
            InfoSensor(gpu, facts, every=options.slow_every),
            *sensors,
            GpuProcessSensor(
                self._nvml,
                gpu,
                Path(options.procfs),
                count=options.top_processes,
                every=options.process_every,
            ),
        ]
