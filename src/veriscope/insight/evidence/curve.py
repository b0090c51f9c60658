"""The graph of the expression around the onset, and its values then, now and before."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.insight.evidence.asking import Asking, Case, NothingToSayError
from veriscope.insight.graph import MOST_NAMED, Graph, Line, draw_png
from veriscope.signals import METRIC_NAME, Grid, Labels, Matrix, VeriscopeError
from veriscope.signals.evidence import ValueThen

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_WEEK_MS: Final = 7 * _DAY_MS
_STEPS: Final = 240
_STEP_MS: Final = 5_000
_KEPT_LEAD: Final = 6
_LEAST_STEPS: Final = 60
_MOST_VALUES: Final = 20
_MOST_QUIET: Final = 60
_MOST_LOOKED_AT: Final = 5_000


def draw(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Draw the expression from an hour before the onset, or longer where its ranges are."""
    expression = case.expression
    if expression is None:
        raise NothingToSayError("the alerts come from no PromQL expression")
    matrix = asking.over(expression.shown, _window(case, expression.range_ms))
    if not len(matrix.labels):
        raise NothingToSayError("the expression has no values by now")
    rows = _rows_of_alerts(matrix, case.firing.labels)
    drawn, times_ms = _without_empty_lead(_values(matrix), matrix.grid.times_ms())
    first = list(dict.fromkeys(rows)) or list(range(min(MOST_NAMED, len(drawn))))
    names = _names([matrix.labels[row] for row in first[:MOST_NAMED]])
    named = [Line(name, drawn[row]) for name, row in zip(names, first, strict=False)]
    taken = set(first[:MOST_NAMED])
    quiet = [Line("", drawn[row]) for row in range(len(drawn)) if row not in taken]
    graph = Graph(
        " · ".join(filter(None, (case.common.get("alertname"), expression.shown))),
        times_ms,
        named,
        quiet[:_MOST_QUIET],
        expression.unit,
        expression.threshold,
        case.onset_ms,
    )
    return {"graph_png": draw_png(graph)}


def tell_values(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Return what the expression gives for each alert now, at the onset and before it."""
    if case.expression is None:
        raise NothingToSayError("the alerts come from no PromQL expression")
    onset_ms = case.onset_ms
    moments = (case.now_ms, onset_ms, *(onset_ms - ago for ago in (_HOUR_MS, _DAY_MS, _WEEK_MS)))
    alerts = case.firing.labels[:_MOST_VALUES]
    columns: list[list[float | None]] = []
    for place, time_ms in enumerate(moments):
        try:
            matrix = asking.instant(case.expression.shown, time_ms)
        except VeriscopeError:
            if place == 0:
                raise
            columns.append([None] * len(alerts))  # that of a week ago may take too long
            continue
        columns.append([_value(matrix, labels) for labels in alerts])
    return {
        "values": tuple(
            ValueThen(labels, *found)
            for labels, *found in zip(alerts, *columns, strict=True)
            if any(value is not None for value in found)
        )
    }


def _window(case: Case, range_ms: int) -> Grid:
    before_ms = min(max(_HOUR_MS, 4 * range_ms), _DAY_MS)
    span_ms = before_ms + max(0, case.now_ms - case.onset_ms)
    step_ms = max(_STEP_MS, -(-span_ms // (_STEPS * _STEP_MS)) * _STEP_MS)
    return Grid(case.now_ms - span_ms // step_ms * step_ms, case.now_ms, step_ms)


def _values(matrix: Matrix) -> NDArray[np.float64]:
    return np.where(matrix.present, matrix.values, np.nan)


def _value(matrix: Matrix, alert: Labels) -> float | None:
    rows = _rows_of_alerts(matrix, [alert])
    value = _values(matrix)[rows[0], 0] if rows else np.nan
    return float(value) if np.isfinite(value) else None


def _rows_of_alerts(matrix: Matrix, alerts: Iterable[Labels]) -> list[int]:
    """
    Return the rows that *alerts* come from, in their order.

    An alert has the labels of its series and those of its rule, so that of all series whose labels
    it has the one with the most is meant.
    """
    rows: dict[frozenset[tuple[str, str]], int] = {}
    for row, labels in enumerate(matrix.labels[:_MOST_LOOKED_AT]):
        rows.setdefault(frozenset(pair for pair in labels if pair[0] != METRIC_NAME), row)
    found = []
    for alert in alerts:
        own = frozenset(alert)
        if fitting := [labels for labels in rows if labels <= own]:
            found.append(rows[max(fitting, key=len)])
    return found


def _without_empty_lead(
    values: NDArray[np.float64], times_ms: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Leave out most of the time before the first value: what is young would be a small corner."""
    known = np.isfinite(values).any(axis=0)
    first = int(known.argmax()) - _KEPT_LEAD
    cut = max(0, min(first, len(times_ms) - _LEAST_STEPS))
    return values[:, cut:], times_ms[cut:]


def _names(series: Sequence[Labels]) -> list[str]:
    """Return what tells *series* apart; all labels where there is one only."""
    shared = frozenset.intersection(*map(frozenset, series)) if len(series) > 1 else frozenset()
    return [
        ", ".join(
            value if name == METRIC_NAME else f"{name}={value}"
            for name, value in labels
            if (name, value) not in shared
        )
        or "value"
        for labels in series
    ]
