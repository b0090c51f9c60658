"""Limits on what is accepted."""

import msgspec

from veriscope.signals import ByteSize, LimitExceededError, require_at_least


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one request, and all waiting requests together, may hold."""

    max_body_bytes: ByteSize = ByteSize(16 << 20)
    """A request body as it came over the wire."""
    max_message_bytes: ByteSize = ByteSize(64 << 20)
    """The message in a body, unpacked."""
    max_pending_bytes: ByteSize = ByteSize(256 << 20)
    """Messages that wait for their commit; past it requests are told to come back later."""
    max_commit_bytes: ByteSize = ByteSize(32 << 20)
    """Messages that are joined into one commit."""
    max_series: int = 2_000_000
    """Series that were written within the last hour or two; `0` is no limit."""
    max_series_per_metric: int = 500_000
    """Such series of one metric; `0` is no limit."""
    max_values_per_label: int = 200_000
    """Values that one label of one metric has among such series; `0` is no limit."""
    start_timestamp_zeros: bool = False
    """Store a zero where a series of remote write 2.0 or of OTLP says that it began to count."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_body_bytes", "max_message_bytes")
        require_at_least(self, 1, "max_pending_bytes", "max_commit_bytes")
        require_at_least(self, 0, "max_series", "max_series_per_metric", "max_values_per_label")

    def check_body_size(self, size: int) -> None:
        """Raise `LimitExceededError` where a body of *size* bytes is too large to accept."""
        if size > self.max_body_bytes:
            raise LimitExceededError(
                f"the body has {size:,} bytes or more, {self.max_body_bytes:,} allowed"
                " (ingest.max_body_bytes); send smaller requests"
            )
