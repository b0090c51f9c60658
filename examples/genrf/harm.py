"""The faults that only a circuit generator can have; `examples.faults` switches them."""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from examples.faults import Faults
from examples.genrf.circuits import FAMILIES, CircuitSpec
from veriscope.genrf import record_gpu_memory
from veriscope.signals import OverloadedError

FAULTS: Final = ("slow-model", "spice-crash", "memory-leak", "gpu-hot", "error-burst")

SLOW_REPEATS: Final = 400
"""How often `slow-model` really computes each inference."""

_GPU: Final = "simulated"
_GPU_BYTES: Final = 8 << 30
_log = structlog.get_logger("genrf.generation")


def inference_repeats(faults: Faults) -> int:
    """Return how often to compute each inference: once, or often while `slow-model` is on."""
    return SLOW_REPEATS if faults.is_on("slow-model") else 1


class HotGpu:
    """
    The fault `gpu-hot`: says that 97% of an 8 GiB GPU are in use.

    The one fault that is only said: there is no GPU. Its `gpu_id` is `simulated`, and the gauge
    is 0 once the fault ends.
    """

    def __init__(self, faults: Faults) -> None:
        faults.watch("gpu-hot", self._changed)

    def _changed(self, on: bool) -> None:  # noqa: FBT001 - the switchboard's one argument
        record_gpu_memory(_GPU, 0.97 * _GPU_BYTES if on else 0)


class ErrorBurst:
    """
    The fault `error-burst`: asks every *interval_s* for a circuit that physics does not allow.

    The specs go through the queue as everybody's do; the generations are carried out and fail.
    """

    def __init__(
        self, faults: Faults, submit: Callable[[CircuitSpec], str], interval_s: float = 1.0
    ) -> None:
        self._submit = submit
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        faults.watch("error-burst", self._changed)

    def stop(self) -> None:
        """End the burst."""
        self._changed(False)

    def _changed(self, on: bool) -> None:  # noqa: FBT001 - the switchboard's one argument
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
        if on:
            self._stop.clear()
            self._thread = threading.Thread(target=self._burst, name="error-burst", daemon=True)
            self._thread.start()

    def _burst(self) -> None:
        while True:
            try:
                self._submit(impossible_spec())
            except OverloadedError as error:
                _log.warning("error burst waits", reason=str(error))
            if self._stop.wait(self._interval_s):
                return


def impossible_spec() -> CircuitSpec:
    """Return the spec of an LNA with 40 dB of gain at 0.1 mW."""
    family = FAMILIES["LNA"]
    return CircuitSpec(
        circuit_type=family.name,
        technology="tsmc65",
        frequency=2.4e9,
        targets={
            figure.name: figure.high if figure.sense == "at_least" else figure.low
            for figure in family.figures
        },
        user_id="error-burst",
        session_id="error-burst",
        simulations=20,
    )
