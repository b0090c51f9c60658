"""Weeks and hours of times: what partitions the tables, and what rows of `series` cover."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WEEKS: Final = 100
"""Partitions that one insert may reach (ClickHouse's `max_partitions_per_insert_block`)."""

HOUR_MS: Final = 3_600_000
_WEEK_MS: Final = 7 * 24 * HOUR_MS
# The first of January 1970 was a Thursday; weeks begin on Monday.
_DAYS_FROM_MONDAY: Final = 3
_MONDAY_MS: Final = _DAYS_FROM_MONDAY * 24 * HOUR_MS


def week_of(times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the week, from Monday on, of each of *times_ms*."""
    weeks: NDArray[np.int64] = (times_ms + _MONDAY_MS) // _WEEK_MS
    return weeks


def mondays(weeks: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the days since 1970 on which *weeks* begin, as ClickHouse's `toMonday` has them."""
    return np.maximum(7 * weeks - _DAYS_FROM_MONDAY, 0).astype(np.int32)


def hours_by_week(
    rows: NDArray[np.int32], times_ms: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """
    Return row, week, and first and last time of the whole hours of each row in each week.

    In the order of row and week; the last time is the last millisecond of its hour.
    """
    weeks = week_of(times_ms)
    order = np.lexsort((weeks, rows))
    rows, weeks, times_ms = rows[order], weeks[order], times_ms[order]
    begins = np.append(True, (rows[1:] != rows[:-1]) | (weeks[1:] != weeks[:-1]))
    starts = np.flatnonzero(begins)
    first_ms = np.minimum.reduceat(times_ms, starts) // HOUR_MS * HOUR_MS
    last_ms = np.maximum.reduceat(times_ms, starts) // HOUR_MS * HOUR_MS + HOUR_MS - 1
    return rows[starts], weeks[starts], first_ms, last_ms
