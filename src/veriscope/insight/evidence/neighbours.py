"""Which other series of the same place changed at the onset."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from veriscope.insight.changes import LEAST_SCORE, rates, score_changes
from veriscope.insight.evidence.asking import (
    SERVICE,
    SERVICE_OF_OBJECTIVE,
    WHERE,
    Asking,
    Case,
    NothingToSayError,
)
from veriscope.query.promql.format import quote
from veriscope.signals import METRIC_NAME, Grid, Labels
from veriscope.signals.evidence import ChangedSeries

_STEP_MS: Final = 15_000
_BEFORE_MS: Final = 30 * 60_000
_LEAST_LEAD_MS: Final = 60_000
_MOST_LEAD_MS: Final = 10 * 60_000
_RATE_STEPS: Final = 4
_MOST_SERIES: Final = 2_000
_ENOUGH_SERIES: Final = 200
_MOST_NAMED: Final = 10
_MOST_OF_A_METRIC: Final = 2
_COUNTERS: Final = ("_total", "_count", "_sum")
# Buckets say the same as the count and the sum, many times; the others are no cause of anything.
_LEFT_OUT: Final = ("_bucket", "_created", "_info", "_timestamp_seconds", "_start_time_seconds")
_LEFT_OUT_NAMES: Final = frozenset({"ALERTS", "ALERTS_FOR_STATE", "up"})


def find_changed(case: Case, asking: Asking) -> Mapping[str, Any]:
    """Compare every series of the same instance, service, … with itself before the onset."""
    own = case.expression.metrics if case.expression is not None else frozenset()
    selectors = _selectors(case)
    chosen: dict[str, str] = {}
    room = _MOST_SERIES
    for selector in selectors:
        counts = asking.instant(f"count by ({METRIC_NAME}) ({{{selector}}})", case.now_ms)
        names = [dict(labels).get(METRIC_NAME, "") for labels in counts.labels]
        # The metrics with few series first: so most of them have their turn.
        for count, name in sorted(zip(counts.values[:, 0].tolist(), names, strict=True)):
            if name in chosen or name in own or not _is_candidate(name) or count > room:
                continue
            chosen[name] = selector
            room -= int(count)
        if _MOST_SERIES - room >= _ENOUGH_SERIES:
            break
    if not chosen:
        raise NothingToSayError("there are no other series with the labels of the alerts")
    found: list[ChangedSeries] = []
    for selector in dict.fromkeys(chosen.values()):
        metrics = [name for name, where in chosen.items() if where == selector]
        found += _changed(case, asking, selector, metrics)
    found.sort(key=lambda each: (-each.score, each.labels))
    return {"changed": tuple(_varied(found))}


def _selectors(case: Case) -> list[str]:
    """Return matchers that say where the alerts are, the narrowest first."""
    common, found = case.common, []
    for name in WHERE:
        if not (value := common.get(name)):
            continue
        # What rules call a service is the job of its metrics, and the other way round.
        names = SERVICE if name in (*SERVICE, *SERVICE_OF_OBJECTIVE) else (name,)
        found += [f"{each}={quote(value)}" for each in names]
    if not found:
        raise NothingToSayError("the alerts have no label in common that says of what they are")
    return list(dict.fromkeys(found))


def _is_candidate(name: str) -> bool:
    return not name.endswith(_LEFT_OUT) and name not in _LEFT_OUT_NAMES and ":" not in name


def _changed(
    case: Case, asking: Asking, selector: str, metrics: Sequence[str]
) -> list[ChangedSeries]:
    range_ms = case.expression.range_ms if case.expression is not None else 0
    lead_ms = min(max(range_ms, _LEAST_LEAD_MS), _MOST_LEAD_MS)
    start_ms = case.onset_ms - lead_ms - _BEFORE_MS
    steps = max(1, (case.now_ms - start_ms) // _STEP_MS)
    grid = Grid(case.now_ms - steps * _STEP_MS, case.now_ms, _STEP_MS)
    pattern = quote("|".join(metrics))
    matrix = asking.over(f"{{{METRIC_NAME}=~{pattern},{selector}}}", grid)
    values = np.where(matrix.present, matrix.values, np.nan)
    begins = _begins(values, matrix.labels)
    counting = np.array([_metric(labels).endswith(_COUNTERS) for labels in matrix.labels], bool)
    if counting.any():
        seconds = _RATE_STEPS * _STEP_MS / 1000
        values[counting] = rates(values[counting], _RATE_STEPS, seconds)
    # A counter's zero before its first increase is known only of a process that was there.
    values[np.arange(len(grid)) < begins[:, None] + _RATE_STEPS] = np.nan
    onset = min(len(grid) - 1, max(0, round((case.onset_ms - grid.start_ms) / _STEP_MS)))
    changes = score_changes(values, onset, lead_ms // _STEP_MS)
    best = np.argsort(-changes.scores, kind="stable")[: 4 * _MOST_NAMED]
    return [
        ChangedSeries(
            matrix.labels[row],
            round(float(changes.scores[row]), 2),
            float(changes.before[row]),
            float(changes.after[row]),
            is_rate=bool(counting[row]),
        )
        for row in best.tolist()
        if changes.scores[row] >= LEAST_SCORE
    ]


def _begins(values: NDArray[np.float64], labels: Sequence[Labels]) -> NDArray[np.int64]:
    """Return for each row the first column in which its instance had any value."""
    known = np.isfinite(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1])
    instances = [dict(each).get("instance", "") for each in labels]
    begins: dict[str, int] = {}
    for instance, column in zip(instances, first.tolist(), strict=True):
        begins[instance] = min(begins.get(instance, column), column)
    return np.array([begins[instance] for instance in instances], np.int64)


def _metric(labels: Labels) -> str:
    return dict(labels).get(METRIC_NAME, "")


def _varied(found: Sequence[ChangedSeries]) -> list[ChangedSeries]:
    """Return the first of *found*, but not all of one metric; count and sum are one."""
    seen: Counter[str] = Counter()
    kept = []
    for each in found:
        family = _metric(each.labels).removesuffix("_count").removesuffix("_sum")
        seen[family] += 1
        if seen[family] <= _MOST_OF_A_METRIC:
            kept.append(each)
    return kept[:_MOST_NAMED]
