"""The memory that processes hold on a GPU."""

from collections.abc import Iterable
from heapq import nlargest
from pathlib import Path
from typing import Final, NamedTuple

from veriscope.collect.gpu.meters import Gpu
from veriscope.collect.gpu.nvml import Nvml
from veriscope.collect.sensors import Readings, SeriesTable, gauge, series

PROCESS_MEMORY: Final = gauge("gpu_process_memory_bytes", "GPU memory held by a process.", "bytes")


class _Row(NamedTuple):
    """A process on a GPU; a GPU split in instances (MIG) lists it once for each."""

    pid: int
    comm: str
    kind: str


class GpuProcessSensor:
    """
    Memory of the *count* largest processes of one GPU.

    A process that uses it both to compute and to draw has a series for each. Where the driver
    does not tell the memory of a process (WDDM, some containers), it has none.
    """

    metadata = (PROCESS_MEMORY,)

    def __init__(self, nvml: Nvml, gpu: Gpu, procfs: Path, *, count: int, every: int) -> None:
        self.name = f"{gpu.name}/processes"
        self.source = gpu.name
        self.every = every
        self._nvml = nvml
        self._handle = gpu.handle
        self._procfs = procfs
        self._count = count
        self._table: SeriesTable[_Row] = SeriesTable(
            lambda row: (
                series(
                    PROCESS_MEMORY.name,
                    **gpu.labels,
                    pid=str(row.pid),
                    comm=row.comm,
                    type=row.kind,
                ),
            )
        )

    def read(self, now_ms: int) -> Readings:
        """Ask NVML for the compute and graphics processes."""
        del now_ms
        api = self._nvml.api
        held: dict[tuple[int, str], float] = {}
        for kind, functions in (
            (
                "compute",
                (
                    api.nvmlDeviceGetComputeRunningProcesses_v3,
                    api.nvmlDeviceGetComputeRunningProcesses_v2,
                ),
            ),
            (
                "graphics",
                (
                    api.nvmlDeviceGetGraphicsRunningProcesses_v3,
                    api.nvmlDeviceGetGraphicsRunningProcesses_v2,
                ),
            ),
        ):
            for process in self._nvml.call_newest(functions, self._handle):
                if process.usedGpuMemory is not None:
                    key = int(process.pid), kind
                    held[key] = held.get(key, 0.0) + process.usedGpuMemory
        largest = sorted(nlargest(self._count, held, key=lambda key: held[key]))
        return Readings(self._table.labels(self._rows(largest)), [held[key] for key in largest])

    def _rows(self, keys: Iterable[tuple[int, str]]) -> Iterable[_Row]:
        return (_Row(pid, self._comm(pid), kind) for pid, kind in keys)

    def _comm(self, pid: int) -> str:
        """Return the name of process *pid*; empty where it is in a namespace we cannot see."""
        try:
            return (self._procfs / str(pid) / "comm").read_text(errors="replace").strip()
        except OSError:
            return ""
