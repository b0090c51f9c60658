"""Every function of instant values, by its PromQL name."""

from collections.abc import Callable
from typing import Final

from veriscope.query.promql.functions import (
    calendar,
    conversions,
    histograms,
    mathematics,
    ordering,
    relabelling,
)
from veriscope.query.promql.functions.invocation import Invocation, Value
from veriscope.query.promql.histograms import estimates

INSTANT_FUNCTIONS: Final[dict[str, Callable[[Invocation], Value]]] = {
    **{name: mathematics.elementwise(function) for name, function in mathematics.UNARY.items()},
    **{name: calendar.of_dates(function) for name, function in calendar.CALENDAR.items()},
    **{name: histograms.of_native_histograms(name) for name in estimates.SIMPLE},
    "clamp": mathematics.clamp,
    "clamp_max": mathematics.clamp_max,
    "clamp_min": mathematics.clamp_min,
    "histogram_fraction": histograms.histogram_fraction,
    "histogram_quantile": histograms.histogram_quantile,
    "histogram_quantiles": histograms.histogram_quantiles,
    "label_join": relabelling.label_join,
    "label_replace": relabelling.label_replace,
    "max_of": mathematics.max_of,
    "min_of": mathematics.min_of,
    "pi": conversions.pi,
    "round": mathematics.round_,
    "scalar": conversions.scalar,
    "sort": ordering.by_value(descending=False),
    "sort_by_label": ordering.by_labels(descending=False),
    "sort_by_label_desc": ordering.by_labels(descending=True),
    "sort_desc": ordering.by_value(descending=True),
    "time": conversions.time,
    "timestamp": conversions.timestamp,
    "vector": conversions.vector,
}
