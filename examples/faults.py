"""
Faults on request: the switchboard that both services share, and the two faults both can have.

Each fault does its harm for real, within a bound, and ends when it is switched off.
"""

import ipaddress
import json
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Gauge
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAULTS: Final = {
    "slow-model": "each token costs several times its computation",
    "spice-crash": "simulator runs die",
    "memory-leak": "memory is allocated and kept, up to a bound",
    "gpu-hot": "the simulated GPU's readings rise",
    "error-burst": "a share of requests fails",
}
"""Every fault of the examples, and what it does; a service takes those that apply to it."""

_log = structlog.get_logger(__name__)


class Faults:
    """
    Which of *names* are switched on; safe from many threads.

    Exports `example_fault_active{fault}` on *registry*. Raises `ValueError` for a name that is
    not in `FAULTS`.
    """

    def __init__(self, names: Iterable[str], registry: CollectorRegistry) -> None:
        self._on = dict.fromkeys(names, False)
        if unknown := set(self._on) - set(FAULTS):
            raise ValueError(f"{sorted(unknown)} are not faults; the faults are {sorted(FAULTS)}")
        self._lock = threading.Lock()
        self._watchers: dict[str, list[Callable[[bool], None]]] = {name: [] for name in self._on}
        self._active = Gauge(
            "example_fault_active", "1 while a fault is switched on.", ["fault"], registry=registry
        )
        for name in self._on:
            self._active.labels(name).set(0)

    def is_on(self, name: str) -> bool:
        """Tell whether *name* is switched on; False for a fault this service does not have."""
        return self._on.get(name, False)

    def states(self) -> dict[str, bool]:
        """Return each fault of this service and whether it is on."""
        return dict(self._on)

    def watch(self, name: str, changed: Callable[[bool], None]) -> None:
        """Call *changed* with the new state whenever *name* is switched."""
        self._watchers[name].append(changed)

    def switch(self, name: str, *, on: bool) -> None:
        """Switch *name*; `KeyError` for a fault that this service does not have."""
        with self._lock:
            if self._on[name] == on:
                return
            self._on[name] = on
            self._active.labels(name).set(on)
            _log.warning("fault switched", fault=name, on=on)
            for changed in self._watchers[name]:
                changed(on)

    def route(self) -> Route:
        """Return the Starlette route `GET, POST /faults`, which only loopback may use."""
        return Route("/faults", self._answer, methods=["GET", "POST"])

    async def _answer(self, request: Request) -> Response:
        if not _is_loopback(request):
            return _refusal(403, "faults are switched from this machine only")
        if request.method == "POST":
            try:
                wanted = json.loads(await request.body())
                name, on = wanted["name"], wanted["on"]
            except (ValueError, KeyError, TypeError):
                return _refusal(400, 'expected {"name": "…", "on": true}')
            if not isinstance(on, bool) or not isinstance(name, str):
                return _refusal(400, "name must be a string and on must be true or false")
            if name not in self._on:
                return _refusal(404, f"no fault {name!r} here; there are {sorted(self._on)}")
            self.switch(name, on=on)
        return JSONResponse(self.states())


class MemoryLeak:
    """
    Allocates *rate_bytes* each second while its fault is on, up to *limit_bytes*.

    The pages are written, so that they count as resident; all are freed when it ends.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        rate_bytes: int = 4 << 20,
        limit_bytes: int = 256 << 20,
    ) -> None:
        self._rate_bytes = rate_bytes
        self._limit = limit_bytes // rate_bytes
        self._held: list[NDArray[np.uint8]] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        faults.watch("memory-leak", self._changed)

    @property
    def held_bytes(self) -> int:
        """Bytes that are kept at present."""
        return sum(block.nbytes for block in list(self._held))

    def _changed(self, on: bool) -> None:  # noqa: FBT001 - the switchboard's one argument
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
        self._held.clear()
        if on:
            self._stop.clear()
            self._thread = threading.Thread(target=self._leak, name="memory-leak", daemon=True)
            self._thread.start()

    def _leak(self) -> None:
        while True:
            if len(self._held) < self._limit:
                self._held.append(np.ones(self._rate_bytes, dtype=np.uint8))
            if self._stop.wait(1.0):
                return


class SimulatedGpu:
    """
    Readings of a GPU that does not exist, under the GPU collector's names.

    Each carries the label `simulated="true"`; `gpu-hot` raises them past every usual threshold.
    """

    def __init__(self, faults: Faults, registry: CollectorRegistry) -> None:
        labels = ["gpu", "uuid", "name", "simulated"]
        board = ("0", "simulated", "simulated", "true")
        self._readings = {
            Gauge(name, text, labels, registry=registry).labels(*board): values
            for name, text, values in (
                ("gpu_temperature_celsius", "Temperature (simulated).", (61.0, 96.0)),
                ("gpu_utilization_ratio", "Busy share of time (simulated).", (0.45, 1.0)),
                ("gpu_power_draw_watts", "Power draw (simulated).", (140.0, 348.0)),
            )
        }
        faults.watch("gpu-hot", self._show)
        self._show(faults.is_on("gpu-hot"))

    def _show(self, hot: bool) -> None:  # noqa: FBT001 - the switchboard's one argument
        for gauge, (cool_value, hot_value) in self._readings.items():
            gauge.set(hot_value if hot else cool_value)


def _is_loopback(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _refusal(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
