"""Functions that order an instant query's answer: `sort`, `sort_desc`, `sort_by_label`."""

import functools
import re
from collections.abc import Callable
from typing import Final

import numpy as np

from veriscope.query.promql.functions.invocation import Invocation
from veriscope.query.promql.vectors import rows, without_empty
from veriscope.signals import Labels, Matrix, label_value

_CHUNKS: Final = re.compile(r"[0-9]+|[^0-9]+")
_LONGEST_NUMBER: Final = 18
"""Digits that surely fit into 64 bits; longer runs are text, as for Prometheus."""


def by_value(*, descending: bool) -> Callable[[Invocation], Matrix]:
    """Return `sort` or `sort_desc`: by the value at the first step, NaN last."""

    def apply(call: Invocation) -> Matrix:
        vector = without_empty(call.floats(0))
        keys = -vector.values[:, 0] if descending else vector.values[:, 0]
        return rows(vector, np.argsort(keys, kind="stable"))

    return apply


def by_labels(*, descending: bool) -> Callable[[Invocation], Matrix]:
    """Return `sort_by_label` or `sort_by_label_desc`: in natural order, then by all labels."""

    def apply(call: Invocation) -> Matrix:
        vector = call.vector(0)
        names = [call.text(position) for position in range(1, len(call.args))]
        key = functools.cmp_to_key(functools.partial(_compare, names))
        order = sorted(
            range(len(vector.labels)),
            key=lambda row: key(vector.labels[row]),
            reverse=descending,
        )
        return rows(vector, np.array(order, dtype=np.int64))

    return apply


def _compare(names: list[str], left: Labels, right: Labels) -> int:
    for name in names:
        if verdict := _compare_naturally(label_value(left, name), label_value(right, name)):
            return verdict
    return (left > right) - (left < right)


def _compare_naturally(left: str, right: str) -> int:
    """Compare as a person would: runs of digits as numbers, the rest as text."""
    ours, theirs = _CHUNKS.findall(left), _CHUNKS.findall(right)
    for mine, yours in zip(ours, theirs, strict=False):
        if _is_number(mine) and _is_number(yours):
            if int(mine) != int(yours):
                return -1 if int(mine) < int(yours) else 1
        elif mine != yours:
            return -1 if mine < yours else 1
    return (len(ours) > len(theirs)) - (len(ours) < len(theirs))


def _is_number(chunk: str) -> bool:
    """Tell whether a chunk is of digits, and short enough to be counted as a number."""
    return chunk[0] in "0123456789" and len(chunk) <= _LONGEST_NUMBER
