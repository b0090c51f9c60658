"""What `ApplicationMonitor` records, and how an endpoint is described to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from veriscope.collect.probe import BodyCheck

DEFAULT_ENDPOINTS: Final = ("/models", "/optimize", "/inference", "/metrics")
"""The endpoints of the document, besides `/health`."""


@dataclass
class ApplicationMetrics:
    """One probe of one endpoint; the fields after `success_count` are more than the document's."""

    timestamp: datetime
    """When the probe ended; naive local time, as `datetime.now()`."""
    service_name: str
    endpoint: str
    method: str
    response_time: float
    """Seconds from the resolution of the name to the last byte (or to the failure)."""
    status_code: int
    """0 where no response came."""
    request_size: int
    """Bytes of head and body as sent."""
    response_size: int
    """Bytes of the body as read."""
    error_count: int
    success_count: int
    reason: str = ""
    """Kind of failure, as `refused` or `status`; see `FailureReason`."""
    error: str = ""
    """What went wrong, in words."""
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds of `resolve`, `connect`, `tls`, `processing` and `transfer`."""
    retries: int = 0
    """Attempts before this one, which all failed; they are no records of their own."""
    redirects: int = 0
    response_header_size: int = 0
    """Bytes of the response's head."""
    tls_version: str = ""
    tls_expiry: float = 0.0
    """When the first certificate expires, Unix seconds; 0 without TLS."""


@dataclass
class BusinessMetrics:
    """
    One reading of the business figures.

    A figure that could not be read is 0 (or empty) here and has its reason in `errors`: an
    earlier value is never repeated as if it were fresh.
    """

    timestamp: datetime
    active_users: int
    requests_per_second: float
    optimization_jobs: int
    completed_optimizations: int
    failed_optimizations: int
    model_usage: dict[str, int]
    revenue_metrics: dict[str, float]
    """Revenue so far by name: as the service says, or since monitoring began where priced."""
    errors: dict[str, str] = field(default_factory=dict)
    """
    Reasons by figure that could not be read: `active_users`, `optimization_jobs`,
    `model_usage`, `revenue`, `requests_per_second`.
    """
    requests_per_second_source: str = ""
    """
    `service` (its own counter of requests) or `probes` (only what this monitor sends); empty
    where there is a counter and no rate, which needs two readings.
    """


@dataclass(frozen=True)
class Endpoint:
    """
    An endpoint that needs more than a plain GET.

    *body* as a mapping or list is sent as JSON. What is None is the monitor's own setting.
    """

    path: str
    method: str = "GET"
    body: bytes | str | Mapping[str, Any] | Sequence[Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    expected_status: Sequence[int | str] | None = None
    body_check: BodyCheck = field(default_factory=BodyCheck)
    timeout: float | None = None
    """Seconds."""
    max_body_bytes: int = 1 << 20

    def encoded_body(self) -> tuple[bytes, Mapping[str, str]]:
        """Return the bytes to send, and the header that describes them."""
        match self.body:
            case None:
                return b"", {}
            case bytes():
                return self.body, {}
            case str():
                return self.body.encode(), {"Content-Type": "text/plain; charset=utf-8"}
            case _:
                return msgspec.json.encode(self.body), {"Content-Type": "application/json"}
