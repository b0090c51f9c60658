"""What can be said about tracing besides where the spans go."""

from collections.abc import Mapping

import msgspec

from veriscope.signals import require_at_least


class TracingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How spans are labelled, propagated and sent."""

    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Extra request headers for `endpoint`, such as `Authorization`."""
    resource: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Extra resource attributes, such as `deployment.environment.name`."""
    propagators: tuple[str, ...] = ()
    """Names of installed propagators; W3C `tracecontext` and `baggage` where none is given."""
    timeout_s: float = 10.0
    """Time that `endpoint` has to take one batch, retries included."""
    max_queue_spans: int = 2048
    """Spans that wait for `endpoint`; past it the oldest waiting span is dropped and counted."""
    max_batch_spans: int = 512
    """Spans sent to `endpoint` in one request."""
    interval_s: float = 5.0
    """Longest time that a span waits before it is sent to `endpoint`."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_queue_spans", "max_batch_spans")
        if self.max_batch_spans > self.max_queue_spans:
            raise ValueError(
                f"max_batch_spans is {self.max_batch_spans}; "
                f"it must be at most max_queue_spans, {self.max_queue_spans}"
            )
        if self.timeout_s <= 0 or self.interval_s <= 0:
            raise ValueError("timeout_s and interval_s must be more than 0")
