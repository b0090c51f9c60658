"""Compiled loops that fold, rank and choose the series of each group, at every step."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query.promql.order_kernels import order_around, quantile_of_sorted
from veriscope.query.promql.sum_kernels import add_to_mean, kahan, mean_of
from veriscope.signals.compiled import compiled

AVG: Final = 0
COUNT: Final = 1
GROUP: Final = 2
MAX: Final = 3
MIN: Final = 4
STDDEV: Final = 5
STDVAR: Final = 6
SUM: Final = 7

BOTTOMK: Final = 0
LIMITK: Final = 1
TOPK: Final = 2

_BLOCK: Final = 8
"""Steps that are gathered at a time: the numbers of one cache line."""


@compiled
def fold_groups(
    op: int,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    ids: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """
    Write *op* of each group at the steps `begin:stop`, its rows one after the other.

    `ids[row]` is the group of a row; the arrays written to begin as zeros.
    """
    for row in range(len(ids)):
        group = ids[row]
        for step in range(begin, stop):
            if present[row, step]:
                out_present[group, step] = True
    if op == SUM:
        _sums(values, present, ids, begin, stop, out)
    elif op == AVG:
        _means(values, present, ids, begin, stop, out)
    elif op in (MAX, MIN):
        _extremes(op, values, present, ids, begin, stop, out)
    elif op in (STDDEV, STDVAR):
        _variances(op, values, present, ids, begin, stop, out)
    elif op == COUNT:
        for row in range(len(ids)):
            for step in range(begin, stop):
                out[ids[row], step] += present[row, step]
    else:
        for group in range(len(out)):
            for step in range(begin, stop):
                out[group, step] = 1.0


@compiled
def _sums(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    ids: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
) -> None:
    rests = np.zeros((len(out), stop - begin))
    for row in range(len(ids)):
        group = ids[row]
        for step in range(begin, stop):
            if present[row, step]:
                out[group, step], rests[group, step - begin] = kahan(
                    values[row, step], out[group, step], rests[group, step - begin]
                )
    for group in range(len(out)):
        for step in range(begin, stop):
            out[group, step] += rests[group, step - begin]


@compiled
def _means(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    ids: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
) -> None:
    """Write means; from where a sum would overflow on, means of means, as Prometheus does."""
    rests = np.zeros((len(out), stop - begin))
    counts = np.zeros((len(out), stop - begin))
    stepwise = np.zeros((len(out), stop - begin), dtype=np.bool_)
    for row in range(len(ids)):
        group = ids[row]
        for step in range(begin, stop):
            if not present[row, step]:
                continue
            value, column = values[row, step], step - begin
            counts[group, column] += 1
            if counts[group, column] == 1:
                out[group, step] = value
                continue
            out[group, step], rests[group, column], stepwise[group, column] = add_to_mean(
                value,
                counts[group, column],
                out[group, step],
                rests[group, column],
                stepwise[group, column],
            )
    for group in range(len(out)):
        for step in range(begin, stop):
            column = step - begin
            count = counts[group, column]
            if count > 0:
                rest = rests[group, column]
                out[group, step] = mean_of(out[group, step], rest, count, stepwise[group, column])


@compiled
def _extremes(
    op: int,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    ids: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
) -> None:
    """Write the first of the best values; NaN only where there is nothing else."""
    sign = 1.0 if op == MAX else -1.0
    for group in range(len(out)):
        for step in range(begin, stop):
            out[group, step] = np.nan
    for row in range(len(ids)):
        group = ids[row]
        for step in range(begin, stop):
            best = out[group, step]
            value = values[row, step]
            if present[row, step] and (sign * best < sign * value or np.isnan(best)):
                out[group, step] = value


@compiled
def _variances(
    op: int,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    ids: NDArray[np.int64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
) -> None:
    """Write population variances or their roots: Welford's recurrence."""
    means = np.zeros((len(out), stop - begin))
    counts = np.zeros((len(out), stop - begin))
    for row in range(len(ids)):
        group = ids[row]
        for step in range(begin, stop):
            if not present[row, step]:
                continue
            value, column = values[row, step], step - begin
            counts[group, column] += 1
            if counts[group, column] == 1:
                means[group, column] = value
                out[group, step] = 0.0 if np.isfinite(value) else np.nan
                continue
            distance = value - means[group, column]
            means[group, column] += distance / counts[group, column]
            out[group, step] += distance * (value - means[group, column])
    for group in range(len(out)):
        for step in range(begin, stop):
            if counts[group, step - begin] > 0:
                variance = out[group, step] / counts[group, step - begin]
                out[group, step] = np.sqrt(variance) if op == STDDEV else variance


@compiled
def quantile_groups(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    q: NDArray[np.float64],
    begin: int,
    stop: int,
    out: NDArray[np.float64],
    out_present: NDArray[np.bool_],
) -> None:
    """
    Write the `q[step]`-quantile of each group at the steps `begin:stop`.

    The rows of group *g* are `order[bounds[g]:bounds[g + 1]]`.
    """
    gathered = np.empty((_BLOCK, len(order)))
    there = np.empty((_BLOCK, len(order)), dtype=np.bool_)
    numbers = np.empty(len(order))
    for first in range(begin, stop, _BLOCK):
        last = min(stop, first + _BLOCK)
        _gather(values, present, order, first, last, gathered, there)
        for step in range(first, last):
            for group in range(len(bounds) - 1):
                size, count = 0, 0
                for place in range(bounds[group], bounds[group + 1]):
                    if there[step - first, place]:
                        size += 1
                        if not np.isnan(gathered[step - first, place]):
                            numbers[count] = gathered[step - first, place]
                            count += 1
                out_present[group, step] = size > 0
                if size > 0:
                    order_around(numbers, count, size, q[step])
                    out[group, step] = quantile_of_sorted(numbers, count, size, q[step])


@compiled
def choose_groups(
    op: int,
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    k: NDArray[np.int64],
    begin: int,
    stop: int,
    kept: NDArray[np.bool_],
    places: NDArray[np.int64],
) -> None:
    """
    Mark in *kept* the `k[step]` rows that each group keeps at the steps `begin:stop`.

    The rows of group *g* are `order[bounds[g]:bounds[g + 1]]`. `places[row]` becomes a chosen
    row's place in its heap at step 0. Which of equals is kept follows Prometheus: the heap is
    Go's `container/heap`, and a series only replaces a worse one.
    """
    gathered = np.empty((_BLOCK, len(order)))
    there = np.empty((_BLOCK, len(order)), dtype=np.bool_)
    heap = np.empty(len(order), dtype=np.int64)
    sign = 1.0 if op == TOPK else -1.0
    for first in range(begin, stop, _BLOCK):
        last = min(stop, first + _BLOCK)
        _gather(values, present, order, first, last, gathered, there)
        for step in range(first, last):
            if k[step] < 1:
                continue
            numbers = gathered[step - first]
            for group in range(len(bounds) - 1):
                size = 0
                for place in range(bounds[group], bounds[group + 1]):
                    if not there[step - first, place]:
                        continue
                    if size < k[step]:
                        heap[size] = place
                        size += 1
                        if op != LIMITK:
                            _sift_up(heap, size - 1, numbers, sign)
                    elif op == LIMITK:
                        break
                    elif _is_worse(sign, numbers[heap[0]], numbers[place]):
                        heap[0] = place
                        _sift_down(heap, size, numbers, sign)
                for index in range(size):
                    kept[order[heap[index]], step] = True
                    if step == 0:
                        places[order[heap[index]]] = index


@compiled
def _gather(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    order: NDArray[np.int64],
    begin: int,
    stop: int,
    gathered: NDArray[np.float64],
    there: NDArray[np.bool_],
) -> None:
    for place in range(len(order)):
        for step in range(begin, stop):
            gathered[step - begin, place] = values[order[place], step]
            there[step - begin, place] = present[order[place], step]


@compiled
def _is_worse(sign: float, held: float, value: float) -> bool:
    return sign * held < sign * value or (np.isnan(held) and not np.isnan(value))


@compiled
def _is_less(sign: float, left: float, right: float) -> bool:
    """Order a heap with the worst on top; NaN is worse than everything, itself included."""
    return np.isnan(left) or sign * left < sign * right


@compiled
def _sift_up(
    heap: NDArray[np.int64], child: int, numbers: NDArray[np.float64], sign: float
) -> None:
    while child > 0:
        parent = (child - 1) >> 1
        if not _is_less(sign, numbers[heap[child]], numbers[heap[parent]]):
            break
        heap[child], heap[parent] = heap[parent], heap[child]
        child = parent


@compiled
def _sift_down(
    heap: NDArray[np.int64], size: int, numbers: NDArray[np.float64], sign: float
) -> None:
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= size:
            break
        if child + 1 < size and _is_less(sign, numbers[heap[child + 1]], numbers[heap[child]]):
            child += 1
        if not _is_less(sign, numbers[heap[child]], numbers[heap[parent]]):
            break
        heap[child], heap[parent] = heap[parent], heap[child]
        parent = child
