"""The metrics that a framework keeps in memory: bounded, with windows no clock step can move."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex, overload

from veriscope.facade.local_time import local_now
from veriscope.facade.percentiles import interpolated
from veriscope.instrument.forking import ForkLock


class Recent(deque[dict[str, Any]]):
    """A bounded deque that can be sliced as the document's list can."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return one value, or a list of those of a slice."""
        return list(self)[index] if isinstance(index, slice) else super().__getitem__(index)


class MetricHistory:
    """
    The latest values of each metric, as a plain dictionary of deques that anybody may read.

    At most *max_points* are kept of each of *max_metrics*; what is not kept is passed, as a
    number of values, to *on_drop*.
    """

    def __init__(self, max_metrics: int, max_points: int, on_drop: Callable[[int], None]) -> None:
        self.metrics: dict[str, Recent] = {}
        self._max_metrics = max_metrics
        self._max_points = max_points
        self._on_drop = on_drop
        self._lock = ForkLock()

    def add(self, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Keep one *value*."""
        metric = {
            "name": name,
            "value": value,
            "tags": dict(tags),
            "timestamp": local_now().isoformat(),
            "monotonic_s": time.monotonic(),
        }
        with self._lock:
            points = self.metrics.get(name)
            if points is None:
                if len(self.metrics) >= self._max_metrics:
                    self._on_drop(1)
                    return
                points = self.metrics[name] = Recent(maxlen=self._max_points)
            if len(points) == self._max_points:
                self._on_drop(1)
            points.append(metric)

    def latest(self) -> dict[str, Any]:
        """Return the latest value of each metric."""
        with self._lock:
            return {name: points[-1]["value"] for name, points in self.metrics.items() if points}

    def summary(self, name: str, duration_s: float) -> dict[str, Any]:
        """Return the figures of *name* over the last *duration_s*; empty where there are none."""
        since = time.monotonic() - duration_s
        with self._lock:
            points = self.metrics.get(name, ())
            recent = [point["value"] for point in points if point["monotonic_s"] > since]
        values = [value for value in recent if not math.isnan(value)]
        if not values:
            return {}
        ordered = sorted(values)
        return {
            "metric_name": name,
            "duration": duration_s,
            "count": len(values),
            "avg": sum(values) / len(values),
            "min": ordered[0],
            "max": ordered[-1],
            "latest": values[-1],
            "p50": interpolated(ordered, 0.5),
            "p95": interpolated(ordered, 0.95),
            "p99": interpolated(ordered, 0.99),
        }
