"""
Which series changed at an onset: a robust score over a whole matrix.

Each series is compared with itself. Up to the onset it has a median and a scale; the scale is
1.4826 times the median absolute deviation from that median (MAD), which for a normal distribution
is its standard deviation, or, where that is greater, 1.2533 times the mean absolute deviation: the
MAD of a series that rests at one value most of the time is 0, and its rare peaks are not. (Iglewicz
and Hoaglin, "How to Detect and Handle Outliers", 1993, chapter 3, for the MAD in place of the
standard deviation; the factors are 1 / 0.6745 and sqrt(pi / 2).) A hundredth of the series' level
is the least scale, so that a change nobody would call one does not count because of how still the
series was.

    score = max(step, spike)
    step  = |median after - median before| / scale
    spike = |greatest deviation after| / (2 * scale), where it is more than 2.5 times the greatest
            deviation before

A drift that begins at the onset is found by its step; one that has gone on all the time is not,
since it has widened the scale.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MAD_TO_DEVIATION: Final = 1.4826
_MEAN_TO_DEVIATION: Final = 1.2533
_LEAST_SHARE: Final = 0.01
_LEAST_BEFORE: Final = 8
_LEAST_AFTER: Final = 3
_SPIKE_OVER_BEFORE: Final = 2.5
LEAST_SCORE: Final = 5.0
"""What scores less is noise. Of 1,000 series of noise none reaches it, up to 5 with heavy tails."""
MOST_SCORE: Final = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Row *i* of each is of series *i*; a score is 0 where too little is known."""

    scores: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]


def score_changes(values: NDArray[np.float64], onset: int, lead: int) -> Changes:
    """
    Compare the columns of *values* (shape `(series, steps)`, NaN where there is none).

    *onset* is the first column of the alert. What an expression averages over *lead* columns is
    noticed late by up to as much, so the change may have come up to *lead* columns before: those
    are no part of what was before, and the best of three moments within them counts.
    """
    past = values[:, : max(0, onset - lead)]
    if past.shape[1] < _LEAST_BEFORE:
        nothing = np.zeros(len(values))
        return Changes(nothing, nothing, nothing)
    scores = np.zeros(len(values))
    after = np.zeros(len(values))
    with np.errstate(invalid="ignore", over="ignore"):
        before, scale, furthest = _past(past)
        for split in sorted({onset - lead, onset - lead // 2, onset}):
            found, level = _score(values[:, split:], before, scale, furthest)
            better = found > scores
            scores, after = np.where(better, found, scores), np.where(better, level, after)
    return Changes(np.minimum(scores, MOST_SCORE), np.nan_to_num(before), after)


def _past(
    past: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return median, scale and greatest deviation of each row; NaN where little is known."""
    known = np.isfinite(past)
    enough = known.sum(axis=1) >= _LEAST_BEFORE
    median = np.full(len(past), np.nan)
    scale, furthest = median.copy(), median.copy()
    rows = np.where(known, past, np.nan)[enough]
    median[enough] = _median(rows)
    off = np.abs(rows - median[enough, None])
    mad = _MAD_TO_DEVIATION * _median(off)
    mean = _MEAN_TO_DEVIATION * np.nanmean(off, axis=1) if len(off) else mad
    scale[enough] = np.maximum(mad, mean)
    furthest[enough] = np.nanmax(off, axis=1) if len(off) else mad
    return median, scale, furthest


def _score(
    rows: NDArray[np.float64],
    before: NDArray[np.float64],
    scale: NDArray[np.float64],
    furthest: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.isfinite(rows)
    enough = (known.sum(axis=1) >= _LEAST_AFTER) & np.isfinite(before)
    scores, levels = np.zeros(len(rows)), np.zeros(len(rows))
    if not enough.any():
        return scores, levels
    rows, before = np.where(known, rows, np.nan)[enough], before[enough]
    level = _median(rows)
    off = np.abs(rows - before[:, None])
    peak_at = np.nanargmax(off, axis=1)
    peak = np.take_along_axis(off, peak_at[:, None], axis=1)[:, 0]
    least = _LEAST_SHARE * np.maximum(np.abs(before), np.maximum(np.abs(level), peak))
    unit = np.maximum(np.maximum(scale[enough], least), np.finfo(np.float64).tiny)
    step = np.abs(level - before) / unit
    spike = np.where(peak > _SPIKE_OVER_BEFORE * furthest[enough], peak / (2 * unit), 0.0)
    scores[enough] = np.maximum(step, spike)
    peaks = np.take_along_axis(rows, peak_at[:, None], axis=1)[:, 0]
    levels[enough] = np.where(spike > step, peaks, level)
    return scores, levels


def _median(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of what is finite in each row, which is something; `nanmedian` is slow."""
    ordered = np.sort(rows, axis=1)  # NaN goes to the end
    counts = np.isfinite(ordered).sum(axis=1)
    lower = np.take_along_axis(ordered, ((counts - 1) // 2)[:, None], axis=1)[:, 0]
    upper = np.take_along_axis(ordered, (counts // 2)[:, None], axis=1)[:, 0]
    return (lower + upper) / 2


def rates(values: NDArray[np.float64], lag: int, seconds: float) -> NDArray[np.float64]:
    """
    Return the increase a second of counters, over *lag* columns that are *seconds* long in all.

    A reset counts as begun at 0. A counter that was not there before and is there in the end did
    not increase before: a status code that is seen for the first time is a change.
    """
    steps = np.diff(values, axis=1)
    steps = np.where(steps < 0, values[:, 1:], steps)
    known = np.isfinite(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1])
    young = (np.arange(values.shape[1] - 1)[None, :] < first[:, None]) & known[:, -1:]
    steps = np.where(young, 0.0, steps)
    sums = np.cumsum(np.nan_to_num(steps), axis=1)
    sums = np.concatenate([np.zeros((len(values), 1)), sums], axis=1)
    whole = np.full(values.shape, np.nan)
    whole[:, lag:] = (sums[:, lag:] - sums[:, :-lag]) / seconds
    gaps = np.concatenate([np.zeros((len(values), 1)), np.cumsum(np.isnan(steps), axis=1)], axis=1)
    whole[:, lag:][gaps[:, lag:] > gaps[:, :-lag]] = np.nan
    return whole
