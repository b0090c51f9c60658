"""What may not be what was meant, said beside an answer in Prometheus' words."""

from typing import Final

import numpy as np

from veriscope.query.promql.ast import Span
from veriscope.query.promql.floats import format_general
from veriscope.query.promql.functions.invocation import Notes, Scalar
from veriscope.signals import METRIC_NAME, LabelSets, label_value

_COUNTER_SUFFIXES: Final = ("_total", "_sum", "_count", "_bucket")


def doubt_counters(notes: Notes, labels: LabelSets, span: Span) -> None:
    """Say which metrics do not look like the counters that a function wants."""
    for name in labels.derived(_gauge_like_names, _gauge_like_names):
        notes.inform(
            "metric might not be a counter, name does not end in "
            f'_total/_sum/_count/_bucket: "{name}"',
            span,
        )


def doubt_quantile(notes: Notes, q: Scalar, span: Span) -> None:
    """Say which quantiles are none."""
    for value in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        notes.warn(f"quantile value should be between 0 and 1, got {format_general(value)}", span)


def doubt_ratio(notes: Notes, ratio: Scalar, span: Span) -> None:
    """Say which ratios are none."""
    for value in np.unique(ratio[np.abs(ratio) > 1]).tolist():
        notes.warn(
            "ratio value should be between -1 and 1, got "
            f"{format_general(value)}, capping to {1 if value > 0 else -1}",
            span,
        )


def _gauge_like_names(labels: LabelSets) -> tuple[str, ...]:
    names = dict.fromkeys([label_value(row, METRIC_NAME) for row in labels])
    return tuple([name for name in names if name and not name.endswith(_COUNTER_SUFFIXES)])
