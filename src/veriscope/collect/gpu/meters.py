"""The meters of a GPU: which NVML call gives which series, in which unit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from veriscope.collect.gpu.nvml import Handle, Nvml
from veriscope.collect.sensors import Readings, counter, gauge, info, series
from veriscope.signals import Labels, MetricMetadata

_PERCENT: Final = 0.01
_MILLI: Final = 0.001
_KIB: Final = 1024
_MEGAHERTZ: Final = 1_000_000

UTILIZATION: Final = gauge(
    "gpu_utilization_ratio", "Share of time in which a kernel was running on the GPU.", "ratio"
)
MEMORY_UTILIZATION: Final = gauge(
    "gpu_memory_utilization_ratio",
    "Share of time in which GPU memory was read or written.",
    "ratio",
)
MEMORY_USED: Final = gauge("gpu_memory_used_bytes", "GPU memory in use.", "bytes")
MEMORY_FREE: Final = gauge("gpu_memory_free_bytes", "GPU memory that is free.", "bytes")
MEMORY_RESERVED: Final = gauge(
    "gpu_memory_reserved_bytes", "GPU memory kept by the driver and firmware.", "bytes"
)
MEMORY_TOTAL: Final = gauge("gpu_memory_total_bytes", "GPU memory installed.", "bytes")
TEMPERATURE: Final = gauge("gpu_temperature_celsius", "Temperature of the GPU chip.", "celsius")
POWER_DRAW: Final = gauge("gpu_power_draw_watts", "Power drawn by the board.", "watts")
POWER_LIMIT: Final = gauge("gpu_power_limit_watts", "Power limit that is enforced.", "watts")
ENERGY: Final = counter(
    "gpu_energy_joules_total", "Energy used since the driver was loaded.", "joules"
)
FAN_SPEED: Final = gauge(
    "gpu_fan_speed_ratio", "Fan speed as a share of its maximum (can exceed 1).", "ratio"
)
CLOCK: Final = gauge("gpu_clock_hertz", "Current frequency of a clock domain.", "hertz")
ECC_ERRORS: Final = counter(
    "gpu_ecc_errors_total", "Memory errors by type since the counter was cleared."
)
THROTTLE: Final = gauge("gpu_throttle_reason", "Whether this reason holds clocks down (1) or not.")
PCIE_RECEIVE: Final = gauge(
    "gpu_pcie_receive_bytes_per_second", "PCIe traffic to the GPU, over 20 ms.", "bytes"
)
PCIE_TRANSMIT: Final = gauge(
    "gpu_pcie_transmit_bytes_per_second", "PCIe traffic from the GPU, over 20 ms.", "bytes"
)
PCIE_GENERATION: Final = gauge("gpu_pcie_link_generation", "Current PCIe generation.")
PCIE_WIDTH: Final = gauge("gpu_pcie_link_width", "Current PCIe lanes.")
INFO: Final = info("gpu_info", "Identity of the GPU, its driver and its place.")

_THROTTLE_REASONS: Final = {
    "gpu_idle": 0x1,
    "applications_clocks_setting": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal_slowdown": 0x20,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake_slowdown": 0x80,
    "display_clock_setting": 0x100,
}
"""Bits of `nvmlClocksEventReason…` in nvml.h."""

Series = tuple[MetricMetadata, dict[str, str]]
"""A metric and the labels it has besides the GPU's."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One NVML reading that can fail on its own; *read* answers a value for each of *gives*."""

    name: str
    gives: tuple[Series, ...]
    read: Callable[[Nvml, Handle], Iterable[float]]
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device as NVML listed it; *labels* are on each of its series."""

    index: int
    handle: Handle
    labels: dict[str, str] = field(hash=False)

    @property
    def name(self) -> str:
        """Name the device among the sources of the collector."""
        return f"gpu{self.index}"


def _utilization(nvml: Nvml, handle: Handle) -> tuple[float, float]:
    rates = nvml.call(nvml.api.nvmlDeviceGetUtilizationRates, handle)
    return rates.gpu * _PERCENT, rates.memory * _PERCENT


def _memory(nvml: Nvml, handle: Handle) -> tuple[float, ...]:
    """Read the second version of the struct, which tells the driver's own memory apart."""

    def second(handle: Handle) -> Any:
        return nvml.api.nvmlDeviceGetMemoryInfo(handle, nvml.api.nvmlMemory_v2)

    memory = nvml.call_newest((second, nvml.api.nvmlDeviceGetMemoryInfo), handle)
    return memory.used, memory.free, getattr(memory, "reserved", 0), memory.total


def _temperature(nvml: Nvml, handle: Handle) -> tuple[float]:
    api = nvml.api
    functions = (api.nvmlDeviceGetTemperatureV, api.nvmlDeviceGetTemperature)
    return (nvml.call_newest(functions, handle, api.NVML_TEMPERATURE_GPU),)


def _throttle(nvml: Nvml, handle: Handle) -> list[float]:
    api = nvml.api
    functions = (
        api.nvmlDeviceGetCurrentClocksEventReasons,
        api.nvmlDeviceGetCurrentClocksThrottleReasons,
    )
    bits = nvml.call_newest(functions, handle)
    return [float(bool(bits & mask)) for mask in _THROTTLE_REASONS.values()]


def _scalar(
    function: str, factor: float, *arguments: str
) -> Callable[[Nvml, Handle], tuple[float]]:
    """Return a reader of one number, given in `1 / factor` of its base unit."""

    def read(nvml: Nvml, handle: Handle) -> tuple[float]:
        constants = [getattr(nvml.api, name) for name in arguments]
        return (nvml.call(getattr(nvml.api, function), handle, *constants) * factor,)

    return read


def _clock(domain: str, constant: str) -> Meter:
    read = _scalar("nvmlDeviceGetClockInfo", _MEGAHERTZ, constant)
    return Meter(f"clock_{domain}", ((CLOCK, {"clock": domain}),), read)


def _ecc(kind: str, constant: str) -> Meter:
    # Aggregate counts outlive a reload of the driver, so that they only rise.
    read = _scalar("nvmlDeviceGetTotalEccErrors", 1, constant, "NVML_AGGREGATE_ECC")
    return Meter(f"ecc_{kind}", ((ECC_ERRORS, {"type": kind}),), read, is_slow=True)


def _plain(
    name: str, gives: MetricMetadata, read: Callable[[Nvml, Handle], Any], *, is_slow: bool = False
) -> Meter:
    return Meter(name, ((gives, {}),), read, is_slow)


METERS: Final = (
    Meter("utilization", ((UTILIZATION, {}), (MEMORY_UTILIZATION, {})), _utilization),
    Meter(
        "memory",
        ((MEMORY_USED, {}), (MEMORY_FREE, {}), (MEMORY_RESERVED, {}), (MEMORY_TOTAL, {})),
        _memory,
    ),
    _plain("temperature", TEMPERATURE, _temperature),
    _plain("power_draw", POWER_DRAW, _scalar("nvmlDeviceGetPowerUsage", _MILLI)),
    _plain(
        "power_limit",
        POWER_LIMIT,
        _scalar("nvmlDeviceGetEnforcedPowerLimit", _MILLI),
        is_slow=True,
    ),
    _plain("energy", ENERGY, _scalar("nvmlDeviceGetTotalEnergyConsumption", _MILLI)),
    _plain("fan", FAN_SPEED, _scalar("nvmlDeviceGetFanSpeed", _PERCENT)),
    _clock("graphics", "NVML_CLOCK_GRAPHICS"),
    _clock("sm", "NVML_CLOCK_SM"),
    _clock("memory", "NVML_CLOCK_MEM"),
    _ecc("corrected", "NVML_MEMORY_ERROR_TYPE_CORRECTED"),
    _ecc("uncorrected", "NVML_MEMORY_ERROR_TYPE_UNCORRECTED"),
    Meter(
        "throttle",
        tuple((THROTTLE, {"reason": reason}) for reason in _THROTTLE_REASONS),
        _throttle,
    ),
    _plain(
        "pcie_receive",
        PCIE_RECEIVE,
        _scalar("nvmlDeviceGetPcieThroughput", _KIB, "NVML_PCIE_UTIL_RX_BYTES"),
        is_slow=True,
    ),
    _plain(
        "pcie_transmit",
        PCIE_TRANSMIT,
        _scalar("nvmlDeviceGetPcieThroughput", _KIB, "NVML_PCIE_UTIL_TX_BYTES"),
        is_slow=True,
    ),
    _plain(
        "pcie_generation",
        PCIE_GENERATION,
        _scalar("nvmlDeviceGetCurrPcieLinkGeneration", 1),
        is_slow=True,
    ),
    _plain("pcie_width", PCIE_WIDTH, _scalar("nvmlDeviceGetCurrPcieLinkWidth", 1), is_slow=True),
)


class MeterSensor:
    """One meter of one GPU."""

    def __init__(self, nvml: Nvml, gpu: Gpu, meter: Meter, *, every: int) -> None:
        self.name = f"{gpu.name}/{meter.name}"
        self.source = gpu.name
        self.every = every
        self.metadata: Sequence[MetricMetadata] = [described for described, _ in meter.gives]
        self._nvml = nvml
        self._handle = gpu.handle
        self._read = meter.read
        self._labels: tuple[Labels, ...] = tuple(
            series(described.name, **gpu.labels, **labels) for described, labels in meter.gives
        )

    def read(self, now_ms: int) -> Readings:
        """Ask NVML."""
        del now_ms
        return Readings(self._labels, [*self._read(self._nvml, self._handle)])


class InfoSensor:
    """`gpu_info`, read once when the GPU was found."""

    metadata = (INFO,)

    def __init__(self, gpu: Gpu, facts: dict[str, str], *, every: int) -> None:
        self.name = f"{gpu.name}/info"
        self.source = gpu.name
        self.every = every
        self._labels = (series(INFO.name, **gpu.labels, **facts),)

    def read(self, now_ms: int) -> Readings:
        """Return what is known."""
        del now_ms
        return Readings(self._labels, (1.0,))
