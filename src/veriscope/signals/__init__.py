"""The vocabulary every room shares: labels, samples, grids, matrices, fetches, errors."""

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
    "is_stale",
    "keep",
    "label_value",
    "require_at_least",
    "to_labels",
    "without",
]
