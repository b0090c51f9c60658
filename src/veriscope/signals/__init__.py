"""
The vocabulary every room shares: labels, samples, grids, matrices, fetches, errors, the log.

Each name is loaded when it is first used: what speaks of errors and units alone needs no NumPy.
"""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.signals.clock import Clock, ManualClock, SystemClock
    from veriscope.signals.errors import (
        InvalidInputError,
        LimitExceededError,
        OverloadedError,
        TimedOutError,
        UnavailableError,
        VeriscopeError,
    )
    from veriscope.signals.fetches import (
        Aggregation,
        FetchLimits,
        GridFetch,
        GridFunction,
        RawFetch,
        Reduction,
        SeriesFetch,
    )
    from veriscope.signals.grid import Grid
    from veriscope.signals.labels import METRIC_NAME, Labels, keep, label_value, to_labels, without
    from veriscope.signals.log import Log, get_log
    from veriscope.signals.matchers import Matcher, MatchOp
    from veriscope.signals.matrix import Matrix, RaggedSamples
    from veriscope.signals.samples import (
        STALE_BITS,
        STALE_NAN,
        MetricMetadata,
        MetricType,
        SampleBatch,
        is_stale,
    )
    from veriscope.signals.units import (
        ByteSize,
        Duration,
        Secret,
        decode_unit,
        require_at_least,
    )

__all__ = [
    "METRIC_NAME",
    "STALE_BITS",
    "STALE_NAN",
    "Aggregation",
    "ByteSize",
    "Clock",
    "Duration",
    "FetchLimits",
    "Grid",
    "GridFetch",
    "GridFunction",
    "InvalidInputError",
    "Labels",
    "LimitExceededError",
    "Log",
    "ManualClock",
    "MatchOp",
    "Matcher",
    "Matrix",
    "MetricMetadata",
    "MetricType",
    "OverloadedError",
    "RaggedSamples",
    "RawFetch",
    "Reduction",
    "SampleBatch",
    "Secret",
    "SeriesFetch",
    "SystemClock",
    "TimedOutError",
    "UnavailableError",
    "VeriscopeError",
    "decode_unit",
    "get_log",
    "is_stale",
    "keep",
    "label_value",
    "require_at_least",
    "to_labels",
    "without",
]

_HOMES: Final = {
    "Aggregation": ".fetches",
    "ByteSize": ".units",
    "Clock": ".clock",
    "Duration": ".units",
    "FetchLimits": ".fetches",
    "Grid": ".grid",
    "GridFetch": ".fetches",
    "GridFunction": ".fetches",
    "InvalidInputError": ".errors",
    "Labels": ".labels",
    "LimitExceededError": ".errors",
    "Log": ".log",
    "METRIC_NAME": ".labels",
    "ManualClock": ".clock",
    "MatchOp": ".matchers",
    "Matcher": ".matchers",
    "Matrix": ".matrix",
    "MetricMetadata": ".samples",
    "MetricType": ".samples",
    "OverloadedError": ".errors",
    "RaggedSamples": ".matrix",
    "RawFetch": ".fetches",
    "Reduction": ".fetches",
    "STALE_BITS": ".samples",
    "STALE_NAN": ".samples",
    "SampleBatch": ".samples",
    "Secret": ".units",
    "SeriesFetch": ".fetches",
    "SystemClock": ".clock",
    "TimedOutError": ".errors",
    "UnavailableError": ".errors",
    "VeriscopeError": ".errors",
    "decode_unit": ".units",
    "get_log": ".log",
    "is_stale": ".samples",
    "keep": ".labels",
    "label_value": ".labels",
    "require_at_least": ".units",
    "to_labels": ".labels",
    "without": ".labels",
}


__getattr__ = lazy_names(__name__, _HOMES)
