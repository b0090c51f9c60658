"""The limits of a query."""

import msgspec


class QueryOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a query may look and how much it may use."""

    max_samples: int = 50_000_000
    """Samples that one query may read, and that one result on the way may hold."""
    max_series: int = 500_000
    """Series that one selector may select."""
    timeout_ms: int = 120_000
    """Milliseconds a query may take."""
    lookback_ms: int = 300_000
    """How old the newest sample of a series may be (milliseconds) to still be its value."""
    subquery_step_ms: int = 60_000
    """The step of a subquery that names none (Prometheus' `global.evaluation_interval`)."""
    parse_cache_size: int = 1_000
    """Parsed expressions kept for the next time they are asked."""
