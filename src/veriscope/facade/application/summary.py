"""Summaries of what `ApplicationMonitor` recorded: pure functions of its records."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from veriscope.facade.application.business import increase
from veriscope.facade.application.metrics import ApplicationMetrics, BusinessMetrics

_PERCENTILES: Final = (50, 95, 99)


def summarise_application(records: Sequence[ApplicationMetrics], duration: float) -> dict[str, Any]:
    """
    Summarise *records* under the document's keys; `{}` without any.

    Failures count with the time that they took: leaving out the timeouts would make a service
    look fastest while it hangs.
    """
    if not records:
        return {}
    by_endpoint: dict[str, list[ApplicationMetrics]] = defaultdict(list)
    for record in records:
        by_endpoint[record.endpoint].append(record)
    whole = _statistics(records)
    return {
        "duration_seconds": duration,
        "total_requests": whole["requests"],
        "successful_requests": whole["successful"],
        "failed_requests": whole["failed"],
        "success_rate": whole["success_rate"],
        "avg_response_time": whole["avg_response_time"],
        "endpoint_stats": {name: _statistics(found) for name, found in by_endpoint.items()},
        "response_time_percentiles": whole["response_time_percentiles"],
        "errors": whole["errors"],
        "retries": whole["retries"],
    }


def _statistics(records: Sequence[ApplicationMetrics]) -> dict[str, Any]:
    times = sorted(record.response_time for record in records)
    failures = [record for record in records if not record.success_count]
    reasons = Counter(record.reason or f"status_{record.status_code}" for record in failures)
    successful = len(records) - len(failures)
    return {
        "requests": len(records),
        "successful": successful,
        "failed": len(failures),
        "avg_response_time": sum(times) / len(times),
        "success_rate": successful / len(records) * 100,
        "response_time_percentiles": {f"p{q}": _nearest_rank(times, q) for q in _PERCENTILES},
        "errors": dict(reasons),
        "last_error": failures[-1].error if failures else "",
        "retries": sum(record.retries for record in records),
    }


def _nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least *percent* of *ordered* do not exceed."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def summarise_business(
    before: BusinessMetrics | None, records: Sequence[BusinessMetrics], duration: float
) -> dict[str, Any]:
    """
    Summarise *records* under the document's keys; `{}` without any.

    `total` of a counter is its increase since *before*, the last record ahead of the window
    (else since the first one in it). Readings that failed are left out; `stale` says that the
    newest one did.
    """
    if not records:
        return {}
    earlier = [before] if before is not None else []

    def level(figure: str, value: Callable[[BusinessMetrics], float]) -> dict[str, Any]:
        return _level([value(r) for r in records if figure not in r.errors]) | _stale(
            records, figure
        )

    def counter(value: Callable[[BusinessMetrics], float]) -> dict[str, Any]:
        figure = "optimization_jobs"
        found = [value(r) for r in [*earlier, *records] if figure not in r.errors]
        current = next((value(r) for r in reversed(records) if figure not in r.errors), 0)
        return {"current": current, "total": _increase(found)} | _stale(records, figure)

    return {
        "duration_seconds": duration,
        "active_users": level("active_users", lambda r: r.active_users),
        "optimization_jobs": level("optimization_jobs", lambda r: r.optimization_jobs),
        "completed_optimizations": counter(lambda r: r.completed_optimizations),
        "failed_optimizations": counter(lambda r: r.failed_optimizations),
        "sample_count": len(records),
        "requests_per_second": _level(
            [r.requests_per_second for r in records if r.requests_per_second_source]
        )
        | _stale(records, "requests_per_second")
        | {"source": records[-1].requests_per_second_source},
        "model_usage": _by_name(
            [r.model_usage for r in [*earlier, *records] if "model_usage" not in r.errors]
        ),
        "revenue": _by_name(
            [r.revenue_metrics for r in [*earlier, *records] if "revenue" not in r.errors]
        ),
        "errors": dict(Counter(figure for r in records for figure in r.errors)),
    }


def _increase(readings: Sequence[float]) -> float:
    """Return how much a counter grew over *readings*."""
    return sum(increase(last, value) for last, value in pairwise(readings))


def _by_name(readings: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return current value and increase of each name; one that appears later began at 0."""
    names = {name for reading in readings for name in reading}
    return {
        name: {
            "current": next(r[name] for r in reversed(readings) if name in r),
            "total": _increase(_one(readings, name)),
        }
        for name in sorted(names)
    }


def _one(readings: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """Return the readings of *name*; 0 before its first one, and gaps left out."""
    first = next(i for i, reading in enumerate(readings) if name in reading)
    born: list[float] = [0] if first else []
    return born + [reading[name] for reading in readings[first:] if name in reading]


def _level(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"current": 0, "avg": 0, "max": 0}
    return {"current": values[-1], "avg": sum(values) / len(values), "max": max(values)}


def _stale(records: Sequence[BusinessMetrics], figure: str) -> dict[str, bool]:
    return {"stale": figure in records[-1].errors}
