"""Compiled writer of series as JSON."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.number_kernels import (
    LONGEST_FLOAT,
    LONGEST_TIME,
    write_float,
    write_time,
)
from veriscope.signals.compiled import compiled

LONGEST_POINT: Final = LONGEST_FLOAT + LONGEST_TIME + len('[,""],')
LONGEST_FRAME: Final = len(',"values":[]},')

_VALUE: Final = np.frombuffer(b',"value":', dtype=np.uint8)
_VALUES: Final = np.frombuffer(b',"values":[', dtype=np.uint8)
_OPEN, _CLOSE, _COMMA, _QUOTE, _BRACE = b'[],"}'


@compiled
def write_series(
    many: bool,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    times_ms: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    shared: bool,
    heads: NDArray[np.uint8],
    head_bounds: NDArray[np.int64],
    tails: NDArray[np.uint8],
    tail_bounds: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.uint8],
) -> int:
    """
    Write the rows `begin:stop`, a comma behind each; return how many bytes.

    Row *i* is `heads[head_bounds[i]:head_bounds[i + 1]]`, the points `starts[i]:starts[i] +
    counts[i]` of the columns, where *present*, and `tails[tail_bounds[i]:tail_bounds[i + 1]]`;
    a row of neither points nor tail is left out. Times are those of the points, or (*shared*) of
    each row's first points, second points and so on. Rows have one point each, unless *many*.
    """
    texts = np.empty((len(times_ms) if shared else 0, LONGEST_TIME), dtype=np.uint8)
    lengths = np.empty(len(texts), dtype=np.int64)
    for step in range(len(texts)):
        lengths[step] = write_time(texts[step], 0, times_ms[step])
    at = 0
    for row in range(begin, stop):
        whole = at
        at = _copy(out, at, heads, head_bounds[row], head_bounds[row + 1])
        filled = False
        for index in range(counts[row]):
            place = starts[row] + index
            if not present[place]:
                continue
            if not filled:
                frame = _VALUES if many else _VALUE
                at = _copy(out, at, frame, 0, len(frame))
                filled = True
            out[at] = _OPEN
            if shared:
                at = _copy(out, at + 1, texts[index], 0, lengths[index])
            else:
                at = write_time(out, at + 1, times_ms[place])
            out[at], out[at + 1] = _COMMA, _QUOTE
            at = write_float(out, at + 2, values[place])
            out[at], out[at + 1], out[at + 2] = _QUOTE, _CLOSE, _COMMA
            at += 3
        if filled:
            # In place of the last point's comma.
            at -= 1
            if many:
                out[at] = _CLOSE
                at += 1
        if not filled and tail_bounds[row] == tail_bounds[row + 1]:
            at = whole
            continue
        at = _copy(out, at, tails, tail_bounds[row], tail_bounds[row + 1])
        out[at], out[at + 1] = _BRACE, _COMMA
        at += 2
    return at


@compiled
def write_texts(
    values: NDArray[np.float64], out: NDArray[np.uint8], bounds: NDArray[np.int32]
) -> int:
    """Write each value's text behind the other, and where they are; return how many bytes."""
    at = 0
    for index in range(len(values)):
        at = write_float(out, at, values[index])
        bounds[index + 1] = at
    return at


@compiled
def _copy(out: NDArray[np.uint8], at: int, source: NDArray[np.uint8], begin: int, stop: int) -> int:
    for place in range(begin, stop):
        out[at + place - begin] = source[place]
    return at + stop - begin
