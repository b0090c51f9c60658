"""What can be set for an exporter."""

import math

import msgspec

from veriscope.signals import InvalidInputError


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a process sends, and what it may keep meanwhile; wrong values: `InvalidInputError`."""

    service_name: str
    """The resource attribute `service.name`, and the label `job` of every series."""
    metrics_interval_s: float = 5.0
    """Seconds between two readings of the registry."""
    batch_interval_s: float = 1.0
    """Seconds that a span, record or added sample waits for company."""
    max_queue_bytes: int = 16 << 20
    """Encoded, compressed bytes kept for each signal; past it the oldest are dropped."""
    max_waiting_items: int = 8192
    """Spans, records or samples of each signal that wait to be encoded; past it new ones are
    dropped."""
    timeout_s: float = 10.0
    """Time that the server has to take one request."""
    first_pause_s: float = 0.5
    """Pause after the first failure of a request; it doubles with each further one."""
    longest_pause_s: float = 30.0
    """The longest pause between two tries."""
    shutdown_timeout_s: float = 5.0
    """Time that the end of the interpreter may take for what is left."""
    ca_file: str | None = None
    """PEM file of the authorities that may sign the server's certificate; else the system's."""

    def __post_init__(self) -> None:
        if not self.service_name.strip():
            raise InvalidInputError("service_name is empty; give the name of this service")
        for name in ("max_queue_bytes", "max_waiting_items"):
            _require(name, getattr(self, name), least=1)
        for name in ("metrics_interval_s", "batch_interval_s", "timeout_s", "first_pause_s"):
            _require(name, getattr(self, name), least=0.001)
        _require("longest_pause_s", self.longest_pause_s, least=self.first_pause_s)
        _require("shutdown_timeout_s", self.shutdown_timeout_s, least=0)


def _require(name: str, found: float, *, least: float) -> None:
    if not math.isfinite(found) or found < least:
        raise InvalidInputError(f"{name} is {found}; it must be a number of at least {least:g}")
