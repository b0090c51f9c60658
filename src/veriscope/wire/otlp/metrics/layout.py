"""The tables that the kernels fill and read: their columns, and what stands in them."""

from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


class ResourceColumn(IntEnum):
    """What is known of a `ResourceMetrics`: where its resource is, and times of its points."""

    BEGIN = 0
    END = 1
    STREAM = 2
    EARLIEST_NS = 3
    LATEST_NS = 4


class MetricColumn(IntEnum):
    """What is known of a `Metric`: places of its texts, and what its points are."""

    RESOURCE = 0
    SCOPE_BEGIN = 1
    SCOPE_END = 2
    SCHEMA_BEGIN = 3
    SCHEMA_END = 4
    NAME_BEGIN = 5
    NAME_END = 6
    HELP_BEGIN = 7
    HELP_END = 8
    UNIT_BEGIN = 9
    UNIT_END = 10
    KIND = 11
    TEMPORALITY = 12
    MONOTONIC = 13


class PointColumn(IntEnum):
    """What is known of a data point before it is read."""

    METRIC = 0
    BEGIN = 1
    END = 2
    STREAM = 3
    TIME_NS = 4


Places: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.uint64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.uint64],
]
"""
What `find_points` fills: resources and the hashes of their streams, metrics, points and theirs.

A row of a hash has its two halves. Places are those of the buffer; times are as sent. A stream
is -1 where it is not known yet.
"""

Table: TypeAlias = tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.uint64]]
"""
Known streams, found by their hash: slots, and of each stream the low and the high half.

There is a power of two of slots, each a stream or -1, and at most half of them are taken.
"""


class Outcome(IntEnum):
    """What became of a data point; every one but `STORED` was dropped."""

    STORED = 0
    REFUSED = 1
    BAD_TIME = 2
    NO_VALUE = 3
    OUT_OF_ORDER = 4
    OLDER_START = 5
    BAD_SCALE = 6
    BAD_BUCKETS = 7


class StreamColumn(IntEnum):
    """
    What is known of a stream.

    Its series are number `OFFSET` and the following of label block `BLOCK`; a stream of native
    histograms has one. `STATE` is where a stream of deltas is summed up, -1 for all others, and
    `RESETS` tells whether 0 is said at its start. Points of a `REFUSED` stream are dropped.
    `NEWEST_MS` is its newest time, where the starts of sums that are no deltas count.
    """

    BLOCK = 0
    OFFSET = 1
    REFUSED = 2
    STATE = 3
    RESETS = 4
    USED = 5
    NEWEST_MS = 6


Sums: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""
What the streams of deltas have come to: start, last time and base of each state, and numbers.

A state's numbers are those from its base on: of a sum one, of a histogram one for each of its
series. One of exponential histograms is row *base* of another table.
"""


class SampleColumn(IntEnum):
    """A sample; an exemplar has the same columns, and those of `ExemplarColumn`."""

    BLOCK = 0
    SERIES = 1
    TIME_MS = 2
    VALUE = 3


class ExemplarColumn(IntEnum):
    """Where an exemplar's ids are, -1 without one, and itself if it has attributes."""

    TRACE_ID = 4
    SPAN_ID = 5
    BEGIN = 6
    END = 7


class NativeColumn(IntEnum):
    """A native histogram; its buckets and bounds end at the `…_END`, where the next begin."""

    BLOCK = 0
    SERIES = 1
    TIME_MS = 2
    SCHEMA = 3
    COUNT = 4
    SUM = 5
    ZERO_COUNT = 6
    ZERO_THRESHOLD = 7
    POSITIVE_END = 8
    NEGATIVE_END = 9
    BOUNDS_END = 10


Rows: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Rows of whole numbers and of floats, which are one piece of memory: NaNs have payloads."""

Natives: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.int64],
]
"""
Native histograms: rows as in `Rows`; index and count of their buckets; custom bounds, as bits.

Axis 0 of index and count is the sign: positive, negative.
"""


class ExponentialColumn(IntEnum):
    """What a sum of exponential histograms has: of each sign its first index and its length."""

    SCALE = 0
    POSITIVE_FIRST = 1
    NEGATIVE_FIRST = 2
    POSITIVE_LENGTH = 3
    NEGATIVE_LENGTH = 4
    COUNT = 5
    SUM = 6
    ZERO_COUNT = 7
    ZERO_THRESHOLD = 8


Exponentials: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""
What the exponential histograms of the streams of deltas have come to, a row each.

Rows of `ExponentialColumn` as whole numbers and, the same piece of memory, as floats; and counts
of shape (rows, 2, `MAX_BUCKETS`). Bucket *k* of a sign has OpenTelemetry's index `…_FIRST + k`.
Tuples without a name, as in all kernels: what is compiled is kept on disk with the types of its
arguments, and a class that a later version renames could not be read back.
"""
