"""Machine code for the fields of a data point: where each is, and what it says."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.signals.compiled import compiled
from veriscope.wire.otlp.metrics.wire_kernels import Bytes, next_field
from veriscope.wire.protobuf_kernels import read_word

TAGS: Final = 128
"""All tags of the fields of data points are below it."""

AGAIN: Final = 2
"""The delta was there before: its sum is to be said again."""


@compiled
def spread(buffer: Bytes, begin: int, end: int, fields: NDArray[np.int64]) -> None:
    """Note where the last field of each tag begins and ends; it begins at -1 without one."""
    fields[:, 0] = -1
    while begin < end:
        tag, inside, begin = next_field(buffer, begin, end)
        if tag < TAGS:
            fields[tag, 0], fields[tag, 1] = inside, begin


@compiled
def number_at(buffer: Bytes, fields: NDArray[np.int64], tag: int) -> Any:
    """Return the eight bytes of a field, 0 without it."""
    return read_word(buffer, fields[tag, 0]) if fields[tag, 0] >= 0 else np.uint64(0)


@compiled
def length(fields: NDArray[np.int64], tag: int) -> Any:
    """Return how many numbers of eight bytes a packed field has."""
    return (fields[tag, 1] - fields[tag, 0]) // 8 if fields[tag, 0] >= 0 else 0
