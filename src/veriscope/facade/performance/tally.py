"""What a performance test counts while it runs, in bounded memory."""

import math
import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from veriscope.instrument.requests.sketch import DDSketch

SAMPLE_SIZE: Final = 10_000
"""Execution times kept for statistics; of more, an equally likely choice (reservoir)."""
_ACCURACY: Final = 0.001
_BINS: Final = 16_384
"""At this accuracy, 14 decimal orders of magnitude."""
_ERROR_KINDS: Final = 20
_ERROR_LENGTH: Final = 500


@dataclass(frozen=True, slots=True)
class Execution:
    """One call of the function under test; *error* is empty where it returned *result*."""

    timestamp: datetime
    seconds: float
    result: Any = None
    error: str = ""

    def row(self) -> dict[str, Any]:
        """Return the entry that the document has in `results`."""
        outcome = {"error": self.error} if self.error else {"result": self.result}
        return {"timestamp": self.timestamp, "execution_time": self.seconds, **outcome}


class TrialTally:
    """
    Counts executions from any thread; the first *max_results* are kept as they are.

    Mean and variance are Welford's over all successful executions, and so are minimum, maximum
    and the sketch of quantiles.
    """

    def __init__(self, max_results: int) -> None:
        self._lock = threading.Lock()
        self._max_results = max_results
        self._chance = random.Random()  # noqa: S311 - it chooses a sample
        self._squares = 0.0
        self.results: list[dict[str, Any]] = []
        self.sample: list[float] = []
        self.sketch = DDSketch(_ACCURACY, _BINS)
        self.errors: Counter[str] = Counter()
        self.failed = 0
        self.mean = 0.0

    def add(self, execution: Execution) -> None:
        """Count *execution*; a failed one counts as failed, and not as a time."""
        with self._lock:
            if len(self.results) < self._max_results:
                self.results.append(execution.row())
            if execution.error:
                self._add_failure(execution.error[:_ERROR_LENGTH])
            else:
                self._add_time(execution.seconds)

    @property
    def successful(self) -> int:
        """Executions that returned."""
        return self.sketch.count

    @property
    def total(self) -> int:
        """All executions."""
        return self.successful + self.failed

    @property
    def deviation(self) -> float:
        """The standard deviation of the times in seconds; NaN for fewer than two."""
        count = self.successful
        return math.sqrt(self._squares / (count - 1)) if count > 1 else math.nan

    def _add_failure(self, error: str) -> None:
        self.failed += 1
        kind = error if error in self.errors or len(self.errors) < _ERROR_KINDS else "other"
        self.errors[kind] += 1

    def _add_time(self, seconds: float) -> None:
        self.sketch.add(seconds)
        off = seconds - self.mean
        self.mean += off / self.sketch.count
        self._squares += off * (seconds - self.mean)
        if len(self.sample) < SAMPLE_SIZE:
            self.sample.append(seconds)
        elif (place := self._chance.randrange(self.sketch.count)) < SAMPLE_SIZE:
            self.sample[place] = seconds
