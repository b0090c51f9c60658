"""A machine with NVIDIA GPUs: NVML's C interface, built for the tests and loaded for real."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).parent / "collect/gpu/nvml.c"
_GPU: Final = {
    "name": "NVIDIA Test GPU",
    "utilization": "37",
    "memory_utilization": "12",
    "memory_total": str(80 * 2**30),
    "memory_reserved": str(2**29),
    "memory_used": str(20 * 2**30),
    "temperature": "61",
    "power": "251500",
    "power_limit": "400000",
    "energy": "123456789",
    "fan": "45",
    "clock_graphics": "1410",
    "clock_sm": "1395",
    "clock_memory": "1593",
    "ecc_volatile_corrected": "1",
    "ecc_volatile_uncorrected": "0",
    "ecc_aggregate_corrected": "7",
    "ecc_aggregate_uncorrected": "2",
    "throttle": str(0x4 | 0x40),
    "pcie_receive": "2048",
    "pcie_transmit": "1024",
    "pcie_generation": "4",
    "pcie_width": "16",
}


class GpuMachine:
    """The state that the test's NVML reads at every call."""

    def __init__(self, path: Path, library: Path) -> None:
        self.library = library
        self.path = path
        self._lines: dict[str, object] = {"driver_version": "580.65.06", "count": "2"}
        for index in range(2):
            self._lines |= {f"{index}.{key}": value for key, value in _GPU.items()}
            self._lines[f"{index}.uuid"] = f"GPU-{index}"
            self._lines[f"{index}.pci_bus_id"] = f"00000000:0{index}:00.0"
        self.set({})

    def set(self, lines: Mapping[str, object]) -> None:
        """Change the state; None takes a line away."""
        self._lines |= lines
        self.path.write_text(
            "".join(f"{key} {value}\n" for key, value in self._lines.items() if value is not None)
        )


def build_nvml(library: Path) -> Path:
    """Compile the tests' NVML to *library*, and return it."""
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE]
    subprocess.run(command, check=True)
    return library
