"""Native histograms as text: as Prometheus' API answers with them, and as it prints them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from veriscope.query.promql.float_texts import format_floats
from veriscope.query.promql.histograms import buckets
from veriscope.signals.histograms import Histograms

# Which bounds of a bucket belong to it, as the API says it.
_OPEN_LEFT: Final = 0
_OPEN_RIGHT: Final = 1
_CLOSED: Final = 3
_EXPONENT_FROM: Final = 6
_EXPONENT_BELOW: Final = -4
"""Decimal exponents from and below which Go's `%g` writes them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """All buckets that count anything, by histogram and then from below."""

    owners: NDArray[np.int64]
    rules: NDArray[np.int64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    count: NDArray[np.float64]


def as_json(histograms: Histograms) -> pa.Array:
    """
    Return the JSON object of each histogram, as a column of strings.

    `{"count": "…", "sum": "…", "buckets": [[rule, "lower", "upper", "count"], …]}`, where the
    rule is 0 for an interval that is open to the left, 1 to the right and 3 for a closed one;
    there are no empty buckets, and no `buckets` where there are none.
    """
    cells = _cells(histograms)
    parts = pc.binary_join_element_wise(
        "[",
        pc.cast(pa.array(cells.rules), pa.string()),
        ',"',
        format_floats(cells.lower),
        '","',
        format_floats(cells.upper),
        '","',
        format_floats(cells.count),
        '"]',
        "",
    )
    counts = np.bincount(cells.owners, minlength=len(histograms))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    lists = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), parts), ",")
    some = pc.binary_join_element_wise(',"buckets":[', lists, "]", "")
    return pc.binary_join_element_wise(
        '{"count":"',
        format_floats(histograms.count),
        '","sum":"',
        format_floats(histograms.sum),
        '"',
        pc.if_else(pa.array(counts > 0), some, pa.scalar("")),
        "}",
        "",
    )


def spelled(histograms: Histograms) -> list[str]:
    """Return each histogram as Prometheus prints it: `{count:3, sum:4, (1,2]:3}`."""
    cells = _cells(histograms)
    ends = np.cumsum(np.bincount(cells.owners, minlength=len(histograms))).tolist()
    forms = {_OPEN_LEFT: ", ({},{}]:{}", _OPEN_RIGHT: ", [{},{}):{}", _CLOSED: ", [{},{}]:{}"}
    texts = [
        forms[rule].format(format_g(low), format_g(high), format_g(count))
        for rule, low, high, count in zip(
            cells.rules.tolist(),
            cells.lower.tolist(),
            cells.upper.tolist(),
            cells.count.tolist(),
            strict=True,
        )
    ]
    totals = zip(
        histograms.count.tolist(), histograms.sum.tolist(), [0, *ends[:-1]], ends, strict=True
    )
    return [
        f"{{count:{format_g(count)}, sum:{format_g(total)}{''.join(texts[begin:end])}}}"
        for count, total, begin, end in totals
    ]


def format_g(value: float) -> str:
    """Return *value* as Go's `%g` does: the shortest digits, with an exponent for large ones."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    if value == 0 or _EXPONENT_BELOW <= power < _EXPONENT_FROM:
        return repr(value).removesuffix(".0")
    text = "".join(map(str, digits))
    mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
    return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _cells(histograms: Histograms) -> _Cells:
    threshold = histograms.zero_threshold
    above, below = buckets.positive(histograms), buckets.negative(histograms)
    zero = np.flatnonzero(histograms.zero_count != 0)
    owners = np.concatenate((below.owners, zero, above.owners))
    # Custom bucket 0 alone has no bound below, which Prometheus takes for a closed interval.
    first = histograms.custom[above.owners] & np.isneginf(above.lower)
    rules = np.concatenate(
        (
            np.full(len(below.owners), _OPEN_RIGHT),
            np.full(len(zero), _CLOSED),
            np.where(first, _CLOSED, _OPEN_LEFT),
        )
    )
    limit, floor = threshold[below.owners], threshold[above.owners]
    lower = np.concatenate(
        (
            below.lower,
            -threshold[zero],
            np.where(above.lower > 0, np.maximum(above.lower, floor), above.lower),
        )
    )
    upper = np.concatenate((np.minimum(below.upper, -limit), threshold[zero], above.upper))
    count = np.concatenate((below.count, histograms.zero_count[zero], above.count))
    order = np.lexsort((upper, lower, owners))
    order = order[count[order] != 0]
    return _Cells(owners[order], rules[order], lower[order], upper[order], count[order])
