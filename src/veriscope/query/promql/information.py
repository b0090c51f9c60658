"""The function `info`: labels of info metrics, as `target_info`, for the series they tell of."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import re2
from numpy.typing import NDArray

from veriscope.query.errors import ExecutionError
from veriscope.query.promql.histograms.points import of_rows, present_in
from veriscope.query.promql.vectors import merged, spell
from veriscope.signals import (
    METRIC_NAME,
    Labels,
    LabelSets,
    Matcher,
    MatchOp,
    Matrix,
    keep,
    label_value,
    to_labels,
)

_IDENTIFYING: Final = ("instance", "job")
"""The labels that an info metric has in common with what it tells of, as Prometheus fixes them."""
_TARGET_INFO: Final = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
_ANY_INFO: Final = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")


def information_matchers(
    base: Sequence[Labels], selector: Sequence[Matcher]
) -> tuple[Matcher, ...] | None:
    """
    Return the matchers of the info series that may tell of the series *base*.

    None where no series of *base* has an identifying label, so that nothing can tell of it.
    """
    names = _name_matchers(selector)
    told = [row for row in base if not _is_information(row, names)]
    found: list[Matcher] = []
    for name in _IDENTIFYING:
        values = dict.fromkeys(label_value(row, name) for row in told)
        values.pop("", None)
        if values:
            pattern = "|".join(map(re2.escape, values))
            found.append(Matcher(name, MatchOp.REGEX, pattern))
    if not found:
        return None
    others = [matcher for matcher in selector if matcher.name != METRIC_NAME]
    return (*names, *found, *others)


def enriched(base: Matrix, found: Matrix | None, selector: Sequence[Matcher]) -> Matrix:
    """
    Return *base* with the labels of the info series *found*, whose values are their times.

    At each step an info series tells of the series with the same identifying labels; of several
    of one metric the newest counts. With a *selector* only the labels that it names are added,
    and what no info series tells of is left out unless all its matchers accept the empty value.
    Raises `ExecutionError` where two are equally new, or contradict each other.
    """
    names = _name_matchers(selector)
    data = [matcher for matcher in selector if matcher.name != METRIC_NAME]
    optional = all(_accepts(matcher, "") for matcher in data)
    wanted = frozenset(matcher.name for matcher in data)
    tellers = _Tellers(found) if found is not None else None
    labels: list[Labels] = []
    owners: list[int] = []
    presents: list[NDArray[np.bool_]] = []
    for row, told in enumerate(base.labels):
        present = base.present[row]
        is_plain = _is_information(told, names)
        choices = [((), present)] if tellers is None or is_plain else tellers.choices(told, present)
        for tellings, where in choices:
            if not tellings and not optional and not is_plain:
                continue
            labels.append(_with_labels(told, tellings, wanted))
            owners.append(row)
            presents.append(where)
    shape = (len(labels), len(base.grid))
    present = np.array(presents, dtype=np.bool_).reshape(shape)
    rows = np.array(owners, dtype=np.int64)
    histograms = present_in(of_rows(base.histograms, rows, len(base.labels)), present)
    return merged(Matrix(LabelSets(labels), base.grid, base.values[rows], present, histograms))


class _Tellers:
    """Info series by their metric and identifying labels, the newest of each at every step."""

    def __init__(self, found: Matrix) -> None:
        self._labels = found.labels
        members: dict[tuple[Labels, str], list[int]] = {}
        for row, labels in enumerate(found.labels):
            key = keep(labels, frozenset(_IDENTIFYING)), label_value(labels, METRIC_NAME)
            members.setdefault(key, []).append(row)
        self._newest: dict[Labels, list[NDArray[np.int64]]] = {}
        for (identity, _), rows in members.items():
            newest = _newest_rows(found, rows)
            self._newest.setdefault(identity, []).append(newest)

    def choices(
        self, told: Labels, present: NDArray[np.bool_]
    ) -> list[tuple[tuple[Labels, ...], NDArray[np.bool_]]]:
        """Return which info series tell of *told*, and on which of the steps *present*."""
        newest = self._newest.get(keep(told, frozenset(_IDENTIFYING)), [])
        if not newest:
            return [((), present)]
        stacked = np.stack(newest, axis=1)
        found = []
        for combination in np.unique(stacked[present], axis=0):
            where = present & (stacked == combination).all(axis=1)
            tellings = tuple([self._labels[row] for row in combination.tolist() if row >= 0])
            found.append((tellings, where))
        return found


def _newest_rows(found: Matrix, rows: list[int]) -> NDArray[np.int64]:
    """Return, for each step, which of *rows* has the newest sample; -1 where none has any."""
    times = np.where(found.present[rows], found.values[rows], -np.inf)
    latest = times.max(axis=0)
    equals = (times == latest) & found.present[rows]
    crowded = np.flatnonzero(equals.sum(axis=0) > 1)
    if len(crowded):
        first, second = np.flatnonzero(equals[:, crowded[0]])[:2].tolist()
        at_ms = round(float(latest[crowded[0]]) * 1000)
        raise ExecutionError(
            "found duplicate series for info metric: existing "
            f"{spell(found.labels[rows[first]])} @ {at_ms}, new "
            f"{spell(found.labels[rows[second]])} @ {at_ms}"
        )
    chosen = np.array(rows, dtype=np.int64)[equals.argmax(axis=0)]
    return np.where(equals.any(axis=0), chosen, -1)


def _with_labels(told: Labels, tellings: tuple[Labels, ...], wanted: frozenset[str]) -> Labels:
    own = dict(told)
    added: dict[str, str] = {}
    for telling in tellings:
        for name, value in telling:
            if name == METRIC_NAME or (wanted and name not in wanted):
                continue
            if added.get(name, value) != value:
                raise ExecutionError(f"conflicting label: {name}")
            if name not in own:
                added[name] = value
    return to_labels({**own, **added}) if added else told


def _name_matchers(selector: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Return which metrics tell: where some are only excluded, the others that end in `_info`."""
    names = tuple(matcher for matcher in selector if matcher.name == METRIC_NAME)
    if not names:
        return (_TARGET_INFO,)
    excluding = all(each.op in {MatchOp.NOT_EQUAL, MatchOp.NOT_REGEX} for each in names)
    return (_ANY_INFO, *names) if excluding else names


def _is_information(labels: Labels, names: Sequence[Matcher]) -> bool:
    """Tell whether a series is an info metric itself, which is given back as it is."""
    return all(_accepts(matcher, label_value(labels, METRIC_NAME)) for matcher in names)


def _accepts(matcher: Matcher, value: str) -> bool:
    if matcher.op in {MatchOp.EQUAL, MatchOp.NOT_EQUAL}:
        return (value == matcher.value) == (matcher.op is MatchOp.EQUAL)
    matches = re2.fullmatch(f"(?s:{matcher.value})", value) is not None
    return matches == (matcher.op is MatchOp.REGEX)
