"""Compiled spelling of label sets: sorted, checked, and joined to what an id is a hash of."""

from typing import Any, Final

import numpy as np

from veriscope.signals.compiled import compiled

MAX_LABELS: Final = 128
MAX_NAME_BYTES: Final = 1024
MAX_VALUE_BYTES: Final = 65_535
METRIC_NAME: Final = np.frombuffer(b"__name__", dtype=np.uint8)

# What `spell` says of label sets.
GOOD: Final = 0
NAMELESS_LABEL: Final = 1
NO_METRIC: Final = 2
TWICE: Final = 3
TOO_MANY: Final = 4
TOO_LONG: Final = 5

# UTF-8 holds neither, so that no two label sets spell the same bytes.
_AFTER_NAME: Final = 0xFE
_AFTER_VALUE: Final = 0xFF


@compiled
def _compare(text: Any, left: Any, right: Any) -> Any:
    """Return less than 0, 0 or more than 0 as the name of *left* sorts before that of *right*."""
    size, other = left[1] - left[0], right[1] - right[0]
    for place in range(min(size, other)):
        first, second = text[left[0] + place], text[right[0] + place]
        if first != second:
            return np.int64(first) - np.int64(second)
    return size - other


@compiled
def _copy(text: Any, start: int, end: int, into: Any, at: int) -> Any:
    for place in range(end - start):
        into[at + place] = text[start + place]
    return at + end - start


@compiled
def _place_of(text: Any, pairs: Any, order: Any, count: int, pair: int) -> int:
    """Return where *pair* belongs among the first *count* of *order*; -1 where its name is."""
    if count == 0 or _compare(text, pairs[order[count - 1]], pairs[pair]) < 0:
        return count  # as nearly all senders do it: in order
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        found = _compare(text, pairs[order[middle]], pairs[pair])
        if found == 0:
            return -1
        if found < 0:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _sort(text: Any, pairs: Any, start: int, end: int, order: Any) -> Any:
    """
    Write to *order* which of `pairs[start:end]` count, by name, and return how many and a verdict.

    A label with an empty value is an absent one.
    """
    count = 0
    for pair in range(start, end):
        has_name = pairs[pair, 1] > pairs[pair, 0]
        if pairs[pair, 3] == pairs[pair, 2] and has_name:
            continue
        if not has_name:
            return 0, NAMELESS_LABEL
        if count == MAX_LABELS:
            return 0, TOO_MANY
        if (
            pairs[pair, 1] - pairs[pair, 0] > MAX_NAME_BYTES
            or pairs[pair, 3] - pairs[pair, 2] > MAX_VALUE_BYTES
        ):
            return 0, TOO_LONG
        at = _place_of(text, pairs, order, count, pair)
        if at < 0:
            return 0, TWICE
        for later in range(count, at, -1):
            order[later] = order[later - 1]
        order[at] = pair
        count += 1
    return count, GOOD


@compiled
def _is_metric_name(text: Any, start: int, end: int) -> bool:
    same = end - start == len(METRIC_NAME)
    for place in range(len(METRIC_NAME) if same else 0):
        same &= text[start + place] == METRIC_NAME[place]
    return same


@compiled
def spell(
    text: Any,
    offsets: Any,
    pairs: Any,
    spelt: Any,
    spelt_ends: Any,
    names: Any,
    name_ends: Any,
    values: Any,
    value_ends: Any,
    set_ends: Any,
    metrics: Any,
) -> Any:
    """
    Spell the label sets of `LabelSpans` and return `GOOD`, or what is wrong with the first bad one.

    Writes to *spelt* what the id of each is a hash of, to *names* and *values* the labels of all
    that count, one after the other, sorted by name in each set, and where each ends; to
    *set_ends* how many labels there are up to the end of each set, and to *metrics* which label is
    its metric. The arrays have room for every label of *pairs*, and two bytes more for each in
    *spelt*.
    """
    order = np.empty(MAX_LABELS, dtype=np.int64)
    labels = at = name_at = value_at = 0
    for row in range(len(offsets) - 1):
        count, verdict = _sort(text, pairs, offsets[row], offsets[row + 1], order)
        if verdict != GOOD:
            return verdict
        metrics[row] = -1
        for place in range(count):
            name, name_end, value, value_end = pairs[order[place]]
            if _is_metric_name(text, name, name_end):
                metrics[row] = labels
            if place:
                spelt[at] = _AFTER_VALUE
                at += 1
            at = _copy(text, name, name_end, spelt, at)
            spelt[at] = _AFTER_NAME
            at = _copy(text, value, value_end, spelt, at + 1)
            name_at = _copy(text, name, name_end, names, name_at)
            value_at = _copy(text, value, value_end, values, value_at)
            name_ends[labels], value_ends[labels] = name_at, value_at
            labels += 1
        if metrics[row] < 0:
            return NO_METRIC
        spelt_ends[row], set_ends[row] = at, labels
    return GOOD
