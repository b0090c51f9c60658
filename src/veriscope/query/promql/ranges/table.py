"""Every function of a range vector, by its PromQL name."""

from collections.abc import Callable
from typing import Final

from veriscope.query.promql.ranges import over_time, quantiles, rates, trends
from veriscope.query.promql.ranges.rates import Points

RANGE_FUNCTIONS: Final[dict[str, Callable[..., Points]]] = {
    "avg_over_time": over_time.avg_over_time,
    "changes": over_time.changes,
    "count_over_time": over_time.count_over_time,
    "delta": rates.delta,
    "deriv": trends.deriv,
    "double_exponential_smoothing": trends.double_exponential_smoothing,
    "first_over_time": over_time.first_over_time,
    "idelta": rates.idelta,
    "increase": rates.increase,
    "irate": rates.irate,
    "last_over_time": over_time.last_over_time,
    "mad_over_time": quantiles.mad_over_time,
    "max_over_time": over_time.max_over_time,
    "min_over_time": over_time.min_over_time,
    "predict_linear": trends.predict_linear,
    "present_over_time": over_time.present_over_time,
    "quantile_over_time": quantiles.quantile_over_time,
    "rate": rates.rate,
    "resets": over_time.resets,
    "stddev_over_time": over_time.stddev_over_time,
    "stdvar_over_time": over_time.stdvar_over_time,
    "sum_over_time": over_time.sum_over_time,
    "ts_of_first_over_time": over_time.ts_of_first_over_time,
    "ts_of_last_over_time": over_time.ts_of_last_over_time,
    "ts_of_max_over_time": over_time.ts_of_max_over_time,
    "ts_of_min_over_time": over_time.ts_of_min_over_time,
}
"""Each takes the windows and then the call's other arguments, one value for each step."""

NAME_KEEPING: Final = frozenset({"first_over_time", "last_over_time"})
"""Functions whose results are still samples of the metric, so that they keep its name."""
