"""What is known of a probe while it runs, so that a failure half-way still tells its part."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from veriscope.collect.probe.result import FailureReason, Phases


class ProbeError(Exception):
    """The probe failed, for *reason*."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Trace:
    """The facts of one attempt, filled in as they become known."""

    seconds: dict[str, float] = field(default_factory=dict)
    current: str = "resolve"
    """The phase that runs, or ran last."""
    status: int = 0
    http_version: str = ""
    request_bytes: int = 0
    header_bytes: int = 0
    body_bytes: int = 0
    content_length: int = -1
    redirects: int = 0
    final_url: str = ""
    remote_address: str = ""
    ip_protocol: int = 0
    tls_version: str = ""
    tls_expiry_s: float = 0.0
    body: bytes = b""

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside as phase *name*, also where it ends in an error."""
        self.current, started = name, perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def phases(self) -> Phases:
        """Return the time of each phase so far."""
        return Phases(**{f"{name}_s": seconds for name, seconds in self.seconds.items()})

    def follow(self, url: str) -> None:
        """Forget the response that led to *url*; the time that it took stays counted."""
        self.redirects, self.final_url = self.redirects + 1, url
        self.status = self.header_bytes = self.body_bytes = self.request_bytes = 0
        self.content_length, self.http_version = -1, ""
        self.remote_address, self.ip_protocol = "", 0
        self.tls_version, self.tls_expiry_s = "", 0.0
