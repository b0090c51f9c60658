"""The series of one target: exposed samples become columns, and what disappears goes stale."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.collect.scrape.job import Job, LabelLimits
from veriscope.signals import (
    METRIC_NAME,
    STALE_BITS,
    InvalidInputError,
    Labels,
    LimitExceededError,
    MetricMetadata,
    SampleBatch,
    to_labels,
)
from veriscope.wire.exposition import NO_TIMESTAMP, ExposedLabels, Parser, SeriesTable

_DROPPED: Final = -1
_FAULTY: Final = -2
_SPARE_SERIES: Final = 1_000

Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Scraped:
    """One scrape's samples: sample *i* belongs to the target's series `rows[i]`."""

    rows: Rows
    timestamps_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    tracked: Rows
    """Series that go stale when they are missing from the next scrape."""
    metadata: tuple[MetricMetadata, ...]
    exposed: int
    """Samples in the body."""
    kept: int
    """Samples left after relabelling, duplicates included."""
    added: int
    """Series that the last successful scrape did not have."""
    duplicates: int
    """Samples left out because their series was there already."""


class SampleLimitError(LimitExceededError):
    """A scrape has more samples than `sample_limit` allows."""

    def __init__(self, *, exposed: int, kept: int, limit: int) -> None:
        super().__init__(f"{kept} samples after relabelling, sample_limit is {limit}")
        self.exposed = exposed
        self.kept = kept


class TargetSeries:
    """
    Turns the bodies of one target into batches, relabelling each series only once.

    A batch counts only when it is committed: staleness and metadata are judged against the
    last batch that the sink took. Not safe for two threads at once.
    """

    def __init__(
        self,
        job: Job,
        target: Labels,
        reports: tuple[str, ...],
        live: tuple[Labels, ...] = (),
    ) -> None:
        self._job = job
        self._target = dict(target)
        self._reports = tuple(to_labels({**self._target, METRIC_NAME: name}) for name in reports)
        self._metadata: tuple[MetricMetadata, ...] = ()
        self._reported = bool(live)
        self._pending: Scraped | None = None
        self._restart(live, live=live, last=())

    def _restart(
        self, keep: tuple[Labels, ...], *, live: tuple[Labels, ...], last: tuple[Labels, ...]
    ) -> None:
        """Forget every series but *keep*, which includes *live* and *last*."""
        self._table = SeriesTable()
        self._row_of: Rows = np.empty(0, dtype=np.int64)
        self._faults: dict[int, InvalidInputError] = {}
        self._labels = (*self._reports, *(item for item in keep if item not in self._reports))
        self._rows = {labels: row for row, labels in enumerate(self._labels)}
        self._live = self._find(live)
        self._last = self._find(last)

    def _find(self, labels: tuple[Labels, ...]) -> Rows:
        rows = np.array([self._rows[item] for item in labels], dtype=np.int64)
        return rows[rows >= len(self._reports)]

    def live(self) -> tuple[Labels, ...]:
        """Return the series that must go stale when the target goes, the reports included."""
        rows = np.concatenate([self._report_rows(), self._live])
        return tuple(self._labels[row] for row in rows)

    def read(self, body: bytes, parser: Parser, time_ms: int) -> Scraped:
        """
        Parse and relabel *body*, scraped at *time_ms*.

        Raises `InvalidInputError` (or a kind of it) where the whole scrape has to fail.
        """
        exposition = parser(body, self._table)
        self._relabel_new()
        rows = self._row_of[exposition.series]
        if self._faults:
            self._raise_fault(exposition.series[rows == _FAULTY])
        kept = rows >= 0
        count = int(kept.sum())
        if self._job.sample_limit and count > self._job.sample_limit:
            raise SampleLimitError(exposed=len(rows), kept=count, limit=self._job.sample_limit)
        timestamps = np.full(len(rows), time_ms, dtype=np.int64)
        explicit = np.zeros(len(rows), dtype=np.bool_)
        if exposition.timestamps_ms is not None and self._job.config.honor_timestamps:
            explicit = exposition.timestamps_ms != NO_TIMESTAMP
            timestamps[explicit] = exposition.timestamps_ms[explicit]
        rows, timestamps = rows[kept], timestamps[kept]
        values, explicit = exposition.values[kept], explicit[kept]
        first = self._first_of_each(rows, timestamps, mixed=bool(explicit.any()))
        tracked = first & (~explicit | self._job.config.track_timestamps_staleness)
        return Scraped(
            rows=rows[first],
            timestamps_ms=timestamps[first],
            values=values[first],
            tracked=np.unique(rows[tracked]),
            metadata=exposition.metadata,
            exposed=len(exposition),
            kept=count,
            added=int(np.count_nonzero(~self._mask(self._last)[np.unique(rows[first])])),
            duplicates=count - int(first.sum()),
        )

    def batch(
        self, scraped: Scraped | None, reports: tuple[float, ...], time_ms: int
    ) -> SampleBatch:
        """
        Return what is to be stored of a scrape at *time_ms*; None as *scraped* where it failed.

        Holds its samples, *reports* in the order given at construction, and a stale marker for
        each live series that is missing.
        """
        self._pending = scraped
        self._reported = True
        gone = self._live
        if scraped is not None:
            gone = gone[~self._mask(scraped.rows)[gone]]
        return self._join(scraped, np.array(reports, dtype=np.float64), gone, time_ms)

    def end(self, time_ms: int) -> SampleBatch:
        """Return stale markers for all that is live, the reports included."""
        gone = np.concatenate([self._report_rows(), self._live])
        return self._join(None, np.empty(0), gone, time_ms)

    def commit(self) -> None:
        """Take the last batch as stored."""
        scraped = self._pending
        self._pending = None
        if scraped is None:
            self._live = self._live[:0]
            return
        self._live, self._last, self._metadata = scraped.tracked, scraped.rows, scraped.metadata
        if max(len(self._table), len(self._labels)) > 2 * scraped.exposed + _SPARE_SERIES:
            self._compact()

    def _report_rows(self) -> Rows:
        return np.arange(len(self._reports) if self._reported else 0, dtype=np.int64)

    def _compact(self) -> None:
        """Forget the series that have gone, so that a target cannot fill the memory."""
        live = self.live()
        last = tuple(self._labels[row] for row in np.unique(self._last))
        self._restart(tuple(dict.fromkeys((*last, *live))), live=live, last=last)

    def _join(
        self,
        scraped: Scraped | None,
        reports: NDArray[np.float64],
        gone: Rows,
        time_ms: int,
    ) -> SampleBatch:
        stale = np.full(len(gone), STALE_BITS, dtype=np.uint64).view(np.float64)
        rows = [np.arange(len(reports)), gone]
        values = [reports, stale]
        times = [np.full(len(reports) + len(gone), time_ms, dtype=np.int64)]
        metadata: tuple[MetricMetadata, ...] = ()
        if scraped is not None:
            rows.append(scraped.rows)
            values.append(scraped.values)
            times.append(scraped.timestamps_ms)
            metadata = () if scraped.metadata == self._metadata else scraped.metadata
        return SampleBatch(
            labels=self._labels,
            series=np.concatenate(rows).astype(np.uint32),
            timestamps_ms=np.concatenate(times),
            values=np.concatenate(values),
            metadata=metadata,
        )

    def _mask(self, rows: Rows) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._labels), dtype=np.bool_)
        mask[rows] = True
        return mask

    def _first_of_each(
        self, rows: Rows, timestamps_ms: NDArray[np.int64], *, mixed: bool
    ) -> NDArray[np.bool_]:
        """Return where a series has its first sample at a time; the reports' own never count."""
        first = np.zeros(len(rows), dtype=np.bool_)
        if mixed:
            pairs = np.stack([rows, timestamps_ms])
            first[np.unique(pairs, axis=1, return_index=True)[1]] = True
        else:
            position = np.zeros(len(self._labels), dtype=np.int64)
            position[rows[::-1]] = np.arange(len(rows))[::-1]
            first = position[rows] == np.arange(len(rows))
        return first & (rows >= len(self._reports))

    def _relabel_new(self) -> None:
        start = len(self._row_of)
        exposed = self._table.labels[start:]
        if not exposed:
            return
        labels = list(self._labels)
        found = [self._row(start + index, item, labels) for index, item in enumerate(exposed)]
        self._row_of = np.concatenate([self._row_of, np.array(found, dtype=np.int64)])
        if len(labels) > len(self._labels):
            self._labels = tuple(labels)

    def _row(self, identifier: int, exposed: ExposedLabels, labels: list[Labels]) -> int:
        try:
            final = self._relabel(exposed)
        except InvalidInputError as error:
            self._faults[identifier] = error
            return _FAULTY
        if final is None:
            return _DROPPED
        row = self._rows.setdefault(final, len(labels))
        if row == len(labels):
            labels.append(final)
        return row

    def _relabel(self, exposed: ExposedLabels) -> Labels | None:
        labels = merge_labels(dict(exposed), self._target, honor=self._job.config.honor_labels)
        if not self._job.metric_rules.apply(labels) or not labels:
            return None
        if METRIC_NAME not in labels:
            raise InvalidInputError(
                f"metric_relabel_configs leave {labels} without a metric name; keep {METRIC_NAME}"
            )
        _check_limits(labels, self._job.label_limits)
        return to_labels(labels)

    def _raise_fault(self, series: NDArray[np.int64]) -> None:
        if len(series):
            raise self._faults[int(series[0])]


def merge_labels(
    exposed: dict[str, str], target: Mapping[str, str], *, honor: bool
) -> dict[str, str]:
    """
    Join *exposed* labels with the *target*'s, as Prometheus' `honor_labels` describes.

    Where both have a label, the exposed one wins with *honor*; else it becomes `exported_…`.
    """
    if honor:
        return {name: value for name, value in {**target, **exposed}.items() if value}
    labels = {name: value for name, value in exposed.items() if value}
    clashing = sorted((labels.keys() & target.keys()), key=lambda name: (len(name), name))
    renamed = [(name, labels[name]) for name in clashing]
    labels.update(target)
    for name, value in renamed:
        free = f"exported_{name}"
        while free in labels:
            free = f"exported_{free}"
        labels[free] = value
    return labels


def _check_limits(labels: Mapping[str, str], limits: LabelLimits) -> None:
    name = labels[METRIC_NAME]
    if limits.count and len(labels) > limits.count:
        raise LimitExceededError(f"{name} has {len(labels)} labels, label_limit is {limits.count}")
    for label, value in labels.items():
        if limits.name_length and len(label.encode()) > limits.name_length:
            raise LimitExceededError(
                f"{name}: label name {label[:80]!r} is longer than label_name_length_limit"
                f" ({limits.name_length} bytes)"
            )
        if limits.value_length and len(value.encode()) > limits.value_length:
            raise LimitExceededError(
                f"{name}: the value of {label!r} is longer than label_value_length_limit"
                f" ({limits.value_length} bytes)"
            )
