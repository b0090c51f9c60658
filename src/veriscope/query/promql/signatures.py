"""What each PromQL function takes and returns, for tools that show an expression's tree."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Signature:
    """
    The types of a function's arguments and of its value.

    *variadic* is 0 where all arguments must be given; where it is positive, so many of the last
    may be left out or added; where it is negative, the last may be repeated without end.
    """

    takes: tuple[str, ...]
    returns: str = "vector"
    variadic: int = 0


_OF_VECTORS: Final = """
abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg
histogram_count histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin sinh sort
sort_desc sqrt tan tanh timestamp
"""
_OF_RANGES: Final = """
absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase
irate last_over_time mad_over_time max_over_time min_over_time present_over_time rate resets
stddev_over_time stdvar_over_time sum_over_time ts_of_first_over_time ts_of_last_over_time
ts_of_max_over_time ts_of_min_over_time
"""
_OF_DATES: Final = """
day_of_month day_of_week day_of_year days_in_month hour minute month year
"""
_OF_NOTHING: Final = "end pi range start step time"

SIGNATURES: Final[dict[str, Signature]] = {
    **dict.fromkeys(_OF_VECTORS.split(), Signature(("vector",))),
    **dict.fromkeys(_OF_RANGES.split(), Signature(("matrix",))),
    **dict.fromkeys(_OF_DATES.split(), Signature(("vector",), variadic=1)),
    **dict.fromkeys(_OF_NOTHING.split(), Signature((), returns="scalar")),
    **dict.fromkeys(("clamp_max", "clamp_min"), Signature(("vector", "scalar"))),
    **dict.fromkeys(
        ("sort_by_label", "sort_by_label_desc"), Signature(("vector", "string"), variadic=-1)
    ),
    "clamp": Signature(("vector", "scalar", "scalar")),
    "double_exponential_smoothing": Signature(("matrix", "scalar", "scalar")),
    "histogram_fraction": Signature(("scalar", "scalar", "vector")),
    "histogram_quantile": Signature(("scalar", "vector")),
    "histogram_quantiles": Signature(("vector", "string", "scalar", "scalar"), variadic=9),
    "info": Signature(("vector", "vector"), variadic=1),
    "label_join": Signature(("vector", "string", "string", "string"), variadic=-1),
    "label_replace": Signature(("vector", "string", "string", "string", "string")),
    "max_of": Signature(("scalar", "scalar"), returns="scalar"),
    "min_of": Signature(("scalar", "scalar"), returns="scalar"),
    "predict_linear": Signature(("matrix", "scalar")),
    "quantile_over_time": Signature(("scalar", "matrix")),
    "round": Signature(("vector", "scalar"), variadic=1),
    "scalar": Signature(("vector",), returns="scalar"),
    "vector": Signature(("scalar",)),
}
