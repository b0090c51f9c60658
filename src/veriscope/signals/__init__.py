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
        PartlyRefusedError,
        TimedOutError,
        UnavailableError,
        VeriscopeError,
    )
    from veriscope.signals.fetches import (
        FetchLimits,
        RawFetch,
        RollupFetch,
        SeriesFetch,
    )
    from veriscope.signals.grid import Grid
    from veriscope.signals.labels import METRIC_NAME, Labels, keep, label_value, to_labels, without
    from veriscope.signals.log import Log, get_log
    from veriscope.signals.matchers import Matcher, MatchOp
    from veriscope.signals.matrix import (
        HistogramPoints,
        HistogramSamples,
        LabelSets,
        Matrix,
        RaggedSamples,
        Rollups,
        Segment,
    )
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
    "ByteSize",
    "Clock",
    "Duration",
    "FetchLimits",
    "Grid",
    "HistogramPoints",
    "HistogramSamples",
    "InvalidInputError",
    "LabelSets",
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
    "PartlyRefusedError",
    "RaggedSamples",
    "RawFetch",
    "RollupFetch",
    "Rollups",
    "SampleBatch",
    "Secret",
    "Segment",
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
    "ByteSize": ".units",
    "Clock": ".clock",
    "Duration": ".units",
    "FetchLimits": ".fetches",
    "Grid": ".grid",
    "HistogramPoints": ".matrix",
    "HistogramSamples": ".matrix",
    "InvalidInputError": ".errors",
    "LabelSets": ".matrix",
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
    "PartlyRefusedError": ".errors",
    "RaggedSamples": ".matrix",
    "RawFetch": ".fetches",
    "RollupFetch": ".fetches",
    "Rollups": ".matrix",
    "STALE_BITS": ".samples",
    "STALE_NAN": ".samples",
    "SampleBatch": ".samples",
    "Secret": ".units",
    "Segment": ".matrix",
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
