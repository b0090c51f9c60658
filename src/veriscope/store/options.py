"""What a store can be told."""

from typing import Final

import msgspec

from veriscope.signals import Duration

# The engine's calendar ends in 2299, and samples are taken until 2100.
_LONGEST: Final = Duration.parse("100y")

DEFAULT_CACHE_BYTES: Final = 256 << 20
"""Ten thousand series of four hours, one sample each ten seconds."""


class RetentionOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How long the store keeps each signal.

    Whole weeks of metrics and whole days of the others are dropped, once all of them is older.
    """

    metrics: Duration = Duration.parse("30d")
    """Age at which samples and series are dropped; `0s` keeps them for ever."""

    rollups_5m: Duration = Duration.parse("180d")
    """Age at which roll-ups of five minutes are dropped; `0s` keeps them for ever."""
    rollups_1h: Duration = Duration.parse("2y")
    """Age at which roll-ups of an hour are dropped; `0s` keeps them for ever."""
    spans: Duration = Duration.parse("14d")
    """Age at which spans are dropped; `0s` keeps them for ever."""
    logs: Duration = Duration.parse("14d")
    """Age at which log records are dropped; `0s` keeps them for ever."""
    events: Duration = Duration.parse("1y")
    """Age at which events are dropped; `0s` keeps them for ever."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if (found := getattr(self, name)) > _LONGEST:
                raise ValueError(f"{name} is {found}; more than {_LONGEST} is `0s`, for ever")


class SeriesLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on active series; zero is no bound. Each is the option of `ingest` of that name."""

    max_series: int = 0
    max_series_per_metric: int = 0
    max_values_per_label: int = 0


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the data rests and how many queries may run at once."""

    url: str
    """`chdb:///absolute/path` (embedded) or `clickhouse://user:password@host:port`."""
    database: str = "veriscope"
    """Database that holds every table; created when it is missing."""
    max_concurrent_queries: int = 4
    """Engine queries that run at once; the others wait for their turn."""
    retention: RetentionOptions = msgspec.field(default_factory=RetentionOptions)
    """How long each signal is kept."""
    cache_bytes: int = DEFAULT_CACHE_BYTES
    """
    Memory for samples of metrics that are asked for often, 16 bytes each; embedded engine only.
    """
    limits: SeriesLimits = SeriesLimits()
    """How many series may be written at once."""
