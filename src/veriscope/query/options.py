"""The limits of a query."""

import msgspec

from veriscope.signals import Duration, require_at_least


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
    subquery_step: Duration = Duration.parse("1m")
    """The step of a subquery that names none (Prometheus' `global.evaluation_interval`)."""
    max_concurrent: int = 20
    """Queries that are evaluated at once; the others wait for their turn."""
    parse_cache_size: int = 1_000
    """Parsed expressions kept for the next time they are asked."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "max_samples", "max_series", "max_concurrent")
        require_at_least(self, 1, "timeout", "lookback", "subquery_step")
        require_at_least(self, 0, "parse_cache_size")
