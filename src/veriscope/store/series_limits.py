"""How many series there may be, and the refusal of those that are one too many."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from veriscope.signals import METRIC_NAME, Labels, PartlyRefusedError
from veriscope.store.engine import Engine
from veriscope.store.identity import Identified
from veriscope.store.known import KnownSeries
from veriscope.store.labels import label_sets
from veriscope.store.options import SeriesLimits

# What was written within the last hour or two is active: see `MetricWriter`.
ACTIVE_SINCE: Final = (
    "week >= toMonday(now('UTC') - INTERVAL 1 HOUR) AND last_ts >= now64(3) - INTERVAL 1 HOUR"
)
"""The condition on table `series` for series that were active before this process began."""


@dataclass(frozen=True, slots=True)
class Offence:
    """What a new series would exceed: *option* allows *allowed* of the thing *subject*."""

    option: str
    subject: str
    allowed: int
    cure: str

    def refusal(self, series: int) -> str:
        """Return the words for *series* new series that are refused."""
        return (
            f"{series:,} new series refused: {self.subject}, {self.allowed:,} allowed"
            f" (ingest.{self.option}); {self.cure}, or raise the limit"
        )


_FEWER: Final = "send fewer series"
_DROP: Final = "drop labels that take many values"


class SeriesGate:
    """
    Lets new series in while there are not too many of a kind.

    Values of a metric's labels are looked at once the metric has more series than a label may
    have values, since no label can have more of them than that; they come from the engine then,
    and are kept until `forget`.
    """

    def __init__(self, engine: Engine, known: KnownSeries, limits: SeriesLimits) -> None:
        self._engine = engine
        self._known = known
        self._limits = limits
        self._values: dict[str, dict[str, set[int]]] = {}

    def forget(self) -> None:
        """Ask the engine again: series have gone."""
        self._values.clear()

    def admit(self, candidates: Identified) -> tuple[Identified, Counter[Offence]]:
        """Return those of *candidates*, new series, that may be, and count the others."""
        offences: Counter[Offence] = Counter()
        if self._have_room_for(candidates):
            return candidates, offences
        admitted: list[int] = []
        named: list[tuple[str, Labels]] = []
        of_metric: Counter[str] = Counter()
        metrics, sets = candidates.metrics.to_pylist(), label_sets(candidates.labels, {})
        for place, (metric, labels) in enumerate(zip(metrics, sets, strict=True)):
            offence = self._exceeded(metric, labels, named, of_metric)
            if offence is None:
                admitted.append(place)
                named.append((metric, labels))
                of_metric[metric] += 1
            else:
                offences[offence] += 1
        return candidates.take(np.array(admitted, dtype=np.int64)), offences

    def _have_room_for(self, candidates: Identified) -> bool:
        """Tell whether no limit would be met with all of *candidates*."""
        limits = self._limits
        if 0 < limits.max_series < len(self._known) + len(candidates):
            return False
        each = [limits.max_series_per_metric, limits.max_values_per_label]
        least = min(filter(None, each), default=0)
        counts = candidates.metrics.value_counts().to_pylist()
        return not least or all(
            self._known.count_of(each["values"]) + each["counts"] <= least for each in counts
        )

    def _exceeded(
        self,
        metric: str,
        labels: Labels,
        admitted: list[tuple[str, Labels]],
        of_metric: Counter[str],
    ) -> Offence | None:
        limits = self._limits
        total = len(self._known) + len(admitted)
        if limits.max_series and total >= limits.max_series:
            subject = f"{total:,} series are active"
            return Offence("max_series", subject, limits.max_series, _FEWER)
        count = of_metric[metric] + self._known.count_of(metric)
        if limits.max_series_per_metric and count >= limits.max_series_per_metric:
            subject = f'metric "{metric}" has {count:,} active series'
            return Offence("max_series_per_metric", subject, limits.max_series_per_metric, _DROP)
        if limits.max_values_per_label and count >= limits.max_values_per_label:
            return self._label_exceeded(metric, labels, admitted)
        return None

    def _label_exceeded(
        self, metric: str, labels: Labels, admitted: list[tuple[str, Labels]]
    ) -> Offence | None:
        values = self._values.get(metric)
        if values is None:
            values = self._values[metric] = self._load(metric)
            for name, others in admitted:
                if name == metric:
                    _note(values, others)
        allowed = self._limits.max_values_per_label
        for name, value in labels:
            had = values.get(name)
            if had is not None and len(had) >= allowed and hash(value) not in had:
                subject = f'label "{name}" of metric "{metric}" has {len(had):,} values'
                return Offence("max_values_per_label", subject, allowed, _DROP)
        _note(values, labels)
        return None

    def _load(self, metric: str) -> dict[str, set[int]]:
        rows = self._engine.query(
            "SELECT DISTINCT name, value FROM series"  # noqa: S608 - a constant condition
            " ARRAY JOIN mapKeys(labels) AS name, mapValues(labels) AS value"
            f" WHERE metric = {{metric:String}} AND {ACTIVE_SINCE}",
            {"metric": metric},
        )
        found: dict[str, set[int]] = {}
        pairs = zip(rows["name"].to_pylist(), rows["value"].to_pylist(), strict=True)
        _note(found, ((name, value) for name, value in pairs))
        return found


def _note(values: dict[str, set[int]], labels: Iterable[tuple[str, str]]) -> None:
    for name, value in labels:
        if name != METRIC_NAME:
            values.setdefault(name, set()).add(hash(value))


def partly_refused(
    offences: Counter[Offence], *, samples: int, histograms: int, exemplars: int
) -> PartlyRefusedError:
    """Return the error of a request of which *offences* refused series with so many points."""
    [(worst, series), *others] = offences.most_common()
    text = worst.refusal(series)
    if others:
        count = sum(series for _, series in others)
        text += f" (and {count:,} more for {len(others):,} other reasons)"
    return PartlyRefusedError(
        text,
        option=worst.option,
        samples=samples,
        histograms=histograms,
        exemplars=exemplars,
    )
