"""What the rules of a group write: their series, of many rules in one batch."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.rules.errors import RuleError
from veriscope.rules.files import Rule, RuleGroup
from veriscope.signals import (
    METRIC_NAME,
    STALE_NAN,
    InvalidInputError,
    Labels,
    LabelSets,
    Matrix,
    SampleBatch,
    VeriscopeError,
    to_labels,
)
from veriscope.signals.histograms import HistogramBatch

# Series of one rule from which on they are a batch of their own: where those of another rule
# change, the store need not look these up again.
_MANY: Final = 256

Record: TypeAlias = Callable[[SampleBatch | HistogramBatch], Awaitable[None]]
"""Stores a batch for good; raises `VeriscopeError`."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """
    What one rule writes at one time: the same `series` object while its series stay the same.

    Sample *k* is `values[k]` of `series[rows[k]]`, of `series[k]` where `rows` is None. `ended`
    are series that it wrote last time and does not write any more.
    """

    series: tuple[Labels, ...] = ()
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    rows: NDArray[np.uint32] | None = None
    native: HistogramBatch | None = None
    ended: tuple[Labels, ...] = ()

    def batch(self, time_ms: int) -> SampleBatch:
        """Return the samples as a batch of their own."""
        rows = np.arange(len(self.series), dtype=np.uint32) if self.rows is None else self.rows
        times = np.full(len(rows), time_ms, dtype=np.int64)
        return SampleBatch(self.series, rows, times, self.values)


class Recorder:
    """Stores what rules write at the same time, in as few batches as it can be."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._parts: tuple[tuple[Labels, ...], ...] = ()
        self._joined: tuple[Labels, ...] = ()

    async def store(self, written: Sequence[Written], time_ms: int) -> list[VeriscopeError | None]:
        """Store all of it and return, for each rule, why that failed."""
        small = [each for each in written if _is_small(each)]
        others = [each for each in written if not _is_small(each)]
        batches = self._joined_batches(small, time_ms)
        outcomes = await asyncio.gather(
            self._store_all(batches), *(self._store_one(each, time_ms) for each in others)
        )
        together, *alone = outcomes
        errors = {id(each): error for each, error in zip(others, alone, strict=True)}
        if isinstance(together, InvalidInputError) and len(small) > 1:
            found = await asyncio.gather(*(self._store_one(each, time_ms) for each in small))
            errors |= {id(each): error for each, error in zip(small, found, strict=True)}
        return [errors.get(id(each), together) for each in written]

    async def _store_one(self, written: Written, time_ms: int) -> VeriscopeError | None:
        batches: list[SampleBatch | HistogramBatch] = [written.batch(time_ms)]
        if written.native is not None:
            batches.append(written.native)
        return await self._store_all([*batches, *_stale(written.ended, time_ms)])

    async def _store_all(
        self, batches: Iterable[SampleBatch | HistogramBatch]
    ) -> VeriscopeError | None:
        waiting = (self._record(batch) for batch in batches if len(batch))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, VeriscopeError):
                return outcome
            if isinstance(outcome, BaseException):
                raise outcome
        return None

    def _joined_batches(self, written: Sequence[Written], time_ms: int) -> list[SampleBatch]:
        if not written:
            return []
        parts = tuple(each.series for each in written)
        if len(parts) != len(self._parts) or any(map(_differ, parts, self._parts)):
            self._parts = parts
            self._joined = tuple(labels for part in parts for labels in part)
        values = np.concatenate([each.values for each in written])
        ended = tuple(labels for each in written for labels in each.ended)
        return [SampleBatch.at(self._joined, values, time_ms), *_stale(ended, time_ms)]


def recorded_labels(labels: LabelSets, rule: Rule, group: RuleGroup) -> LabelSets:
    """Return the series that a recording rule writes for the elements with *labels*."""
    added = {**group.labels, **rule.labels, METRIC_NAME: rule.record}
    return labels.derived(
        ("recorded", tuple(added.items())),
        lambda rows: LabelSets([to_labels({**dict(row), **added}) for row in rows]),
    )


def recorded(vector: Matrix, series: LabelSets, before: tuple[Labels, ...], at_ms: int) -> Written:
    """Return what a recording rule writes: *vector* as *series*, which were *before*."""
    written: tuple[Labels, ...] = before if series == before else series
    ended = () if written is before else tuple(set(before) - set(series))
    if (native := vector.histograms) is None:
        return Written(written, vector.values[:, 0].copy(), ended=ended)
    floats = np.ones(len(series), dtype=np.bool_)
    floats[native.rows] = False
    rows = np.flatnonzero(floats).astype(np.uint32)
    times = np.full(len(native.rows), at_ms)
    histograms = HistogramBatch(written, native.rows.astype(np.uint32), times, native.values)
    return Written(written, vector.values[rows, 0], rows, histograms, ended)


def check_recorded(series: LabelSets, rule: Rule, limit: int) -> None:
    """Raise `RuleError` where two of *series* are the same, or there are too many."""
    if len(set(series)) != len(series):
        raise RuleError(
            "vector contains metrics with the same labelset after applying rule labels;"
            f" {rule.record} needs a label that tells them apart"
        )
    if limit and len(series) > limit:
        raise RuleError(f"exceeded limit of {limit} with {len(series)} series")


def _is_small(written: Written) -> bool:
    return written.rows is None and written.native is None and len(written.series) < _MANY


def _stale(ended: tuple[Labels, ...], time_ms: int) -> list[SampleBatch]:
    if not ended:
        return []
    return [SampleBatch.at(ended, np.full(len(ended), STALE_NAN), time_ms)]


def _differ(one: object, other: object) -> bool:
    return one is not other
