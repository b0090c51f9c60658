"""What the GPU collector reads, and how often."""

from typing import Annotated

import msgspec

from veriscope.signals import Duration

Ticks = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class GpuOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics of NVIDIA GPUs. `…_every` counts intervals of the collect loop."""

    enabled: bool = True
    """Whether GPUs are watched at all; without a driver it costs nothing."""
    library: str = "libnvidia-ml.so.1"
    """NVIDIA's management library (NVML): a name for the dynamic linker, or a path."""
    procfs: str = "/proc"
    """Where the names of processes are found."""
    top_processes: Count = 20
    """Processes shown for each GPU, by memory; 0 shows none."""
    process_every: Ticks = 5
    """Intervals between two looks at the processes of a GPU."""
    slow_every: Ticks = 10
    """
    Intervals between two readings of ECC errors, PCIe and power limit.

    NVML measures PCIe throughput over 20 ms each way, during which the call blocks.
    """
    retry: Duration = Duration(60_000)
    """How long a missing driver, a lost GPU or a sensor that failed is left alone."""
