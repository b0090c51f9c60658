"""Functions of the date, in UTC."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.functions.conversions import seconds
from veriscope.query.promql.functions.invocation import Invocation
from veriscope.query.promql.vectors import drop_names, merged, single
from veriscope.signals import Matrix

_LIMIT_SECONDS: Final = 2.0**62
"""Beyond this the calendar's arithmetic overflows: the answer is NaN."""
_EPOCH_WEEKDAY: Final = 4
"""1970-01-01 was a Thursday; Sunday is 0."""


def minute(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the minute of the hour, 0 to 59."""
    return _within(times, "h", "m")


def hour(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the hour of the day, 0 to 23."""
    return _within(times, "D", "h")


def day_of_week(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the day of the week, 0 for Sunday to 6."""
    return (_number(times, "D") + _EPOCH_WEEKDAY) % 7


def day_of_month(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the day of the month, from 1."""
    return _within(times, "M", "D") + 1


def day_of_year(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the day of the year, from 1."""
    return _within(times, "Y", "D") + 1


def days_in_month(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the number of days of the month."""
    month_start = times.astype("datetime64[M]")
    return _number((month_start + 1).astype("datetime64[D]"), "D") - _number(month_start, "D")


def month(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the month, 1 to 12."""
    return _within(times, "Y", "M") + 1


def year(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the year."""
    return _number(times, "Y") + 1970


CALENDAR: Final = {
    function.__name__: function
    for function in (
        day_of_month,
        day_of_week,
        day_of_year,
        days_in_month,
        hour,
        minute,
        month,
        year,
    )
}


def of_dates(
    function: Callable[[NDArray[np.datetime64]], NDArray[np.int64]],
) -> Callable[[Invocation], Matrix]:
    """Return the PromQL function of Unix seconds; without an argument, of the evaluation time."""

    def apply(call: Invocation) -> Matrix:
        given = call.floats(0) if call.args else single((), call.grid, seconds(call.grid))
        dated = np.abs(given.values) < _LIMIT_SECONDS
        whole = np.where(dated, np.trunc(given.values), 0.0).astype(np.int64)
        values = np.where(dated, function(whole.astype("datetime64[s]")), np.nan)
        return merged(drop_names(replace(given, values=values)))

    return apply


def _within(times: NDArray[np.datetime64], outer: str, inner: str) -> NDArray[np.int64]:
    """Count the whole *inner* units since the current *outer* unit began."""
    return _number(times, inner) - _number(times.astype(f"datetime64[{outer}]"), inner)


def _number(times: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    return times.astype(f"datetime64[{unit}]").astype(np.int64)
