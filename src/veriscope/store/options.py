"""What a store can be told."""

from typing import Final

import msgspec

from veriscope.signals import Duration

# The engine's calendar ends in 2299, and samples are taken until 2100.
_LONGEST: Final = Duration.parse("100y")


class RetentionOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How long the store keeps each signal.

    Whole weeks of metrics and whole days of the others are dropped, once all of them is older.
    """

    metrics: Duration = Duration.parse("30d")
    """Age at which samples and series are dropped; `0s` keeps them for ever."""

    spans: Duration = Duration.parse("14d")
    """Age at which spans are dropped; `0s` keeps them for ever."""
    logs: Duration = Duration.parse("14d")
    """Age at which log records are dropped; `0s` keeps them for ever."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if (found := getattr(self, name)) > _LONGEST:
                raise ValueError(f"{name} is {found}; more than {_LONGEST} is `0s`, for ever")


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
