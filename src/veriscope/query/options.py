"""The limits of a query."""

from enum import StrEnum

import msgspec

from veriscope.signals import Duration, require_at_least


class RollupUse(StrEnum):
    """When roll-ups may stand in for samples."""

    EXACT = "exact"
    """Where windows are made of whole buckets, so that the answer is the same."""
    APPROXIMATE = "approximate"
    """Wherever a window is at least one bucket long; its edges may then be off by a bucket."""
    OFF = "off"


class QueryOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a query may look and how much it may use."""

    max_samples: int = 50_000_000
    """Samples that one query may read, and that one result on the way may hold."""
    max_series: int = 500_000
    """Series that one selector may select."""
    timeout: Duration = Duration.parse("2m")
    """Time that a query may take."""
    lookback: Duration = Duration.parse("5m")
    """How old the newest sample of a series may be to still be its value."""
    subquery_step: Duration | None = None
    """The step of a subquery that names none; `global.evaluation_interval`, as in Prometheus."""
    max_concurrent: int = 20
    """Queries that are evaluated at once; the others wait for their turn."""
    max_waiting: int = 200
    """Queries that wait for their turn; a further one is refused."""
    parse_cache_size: int = 1_000
    """Parsed expressions kept for the next time they are asked."""
    rollups: RollupUse = RollupUse.EXACT
    """When roll-ups may stand in for samples: `exact`, `approximate` or `off`."""
    result_cache_bytes: int = 64 << 20
    """Memory for answers that are kept for the next time they are asked; 0 keeps none."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_samples", "max_series", "max_concurrent")
        require_at_least(self, 1, "timeout", "lookback")
        if self.subquery_step is not None:
            require_at_least(self, 1, "subquery_step")
        require_at_least(self, 0, "max_waiting", "parse_cache_size", "result_cache_bytes")
