"""Performance tests: a function called again and again, its times told with their uncertainty."""

import asyncio
import inspect
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from veriscope.facade.local_time import local_now
from veriscope.facade.percentiles import interpolated
from veriscope.facade.performance.tally import SAMPLE_SIZE, Execution, TrialTally
from veriscope.instrument.awaitables import is_async, resolved
from veriscope.signals import InvalidInputError
from veriscope.signals.log import get_log

TestFunction: TypeAlias = Callable[[], Any]
_log = get_log(__name__)

MAX_RESULTS: Final = 1_000
"""Executions that a summary lists one by one."""
MAX_CONCURRENCY: Final = 1_000
_MAX_STUCK: Final = 16
"""Threads that may hang in executions that were given up, before the test ends."""
_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """How a test runs; raises `InvalidInputError` for what cannot be run."""

    duration_s: float = 60
    """Seconds after which no execution is begun; one always is."""
    iterations: int | None = None
    """Executions in all, in place of a duration."""
    concurrency: int = 1
    """Executions at the same time: threads for a function, tasks for an async one."""
    warmup: int = 0
    """Executions before those that count."""
    timeout_s: float | None = None
    """Seconds after which an execution has failed."""
    max_results: int = MAX_RESULTS

    def __post_init__(self) -> None:
        for name, valid, wanted in (
            ("duration", 0 <= self.duration_s < math.inf, "seconds, 0 or more"),
            ("iterations", self.iterations is None or self.iterations >= 1, "1 or more"),
            ("concurrency", 1 <= self.concurrency <= MAX_CONCURRENCY, f"1 to {MAX_CONCURRENCY}"),
            ("warmup", self.warmup >= 0, "0 or more"),
            ("timeout", self.timeout_s is None or self.timeout_s > 0, "seconds above 0"),
            ("max_results", self.max_results >= 0, "0 or more"),
        ):
            if not valid:
                raise InvalidInputError(f"{name} of a performance test must be {wanted}")


class _Plan:
    """Says whether one more execution is to begin; asked from any thread."""

    def __init__(self, duration_s: float, iterations: int | None) -> None:
        self._lock = threading.Lock()
        self._ends_s = time.monotonic() + duration_s
        self._left = iterations
        self._begun = 0
        self._stuck = 0
        self.stopped = ""
        self.interrupted: BaseException | None = None

    def take(self) -> bool:
        """Tell whether to begin one more, and count it."""
        with self._lock:
            if self.stopped or (self._left is not None and self._left <= 0):
                return False
            if self._left is None:
                if self._begun and time.monotonic() >= self._ends_s:
                    return False
            else:
                self._left -= 1
            self._begun += 1
            return True

    def note_stuck(self) -> None:
        """Count an execution that was given up and may never end."""
        with self._lock:
            self._stuck += 1
            if self._stuck >= _MAX_STUCK:
                self.stopped = f"{self._stuck} executions hang; no more were begun"

    def interrupt(self, reason: BaseException) -> None:
        """End the test, since *reason* must reach the caller."""
        with self._lock:
            self.interrupted = self.interrupted or reason
            self.stopped = "interrupted"


def run_trial(test_name: str, function: TestFunction, options: TrialOptions) -> "Trial":
    """
    Run *function* as *options* say and return what was measured.

    An exception is a failed execution; KeyboardInterrupt and SystemExit end the test and pass
    through. An async function runs on an event loop of its own, in a thread of its own where the
    caller is on one already (the call blocks either way).
    """
    if options.warmup:
        run = _Plan(math.inf, options.warmup)
        _run(function, options, run, TrialTally(0))
    plan, tally = _Plan(options.duration_s, options.iterations), TrialTally(options.max_results)
    begun_s = time.perf_counter()
    _run(function, options, plan, tally)
    elapsed_s = time.perf_counter() - begun_s
    if tally.failed:
        _log.warning(
            f"Performance test {test_name}: {tally.failed} of {tally.total} executions failed, "
            f"most often with: {tally.errors.most_common(1)[0][0]}"
        )
    return Trial(test_name, options, tally, elapsed_s, plan.stopped)


def _run(function: TestFunction, options: TrialOptions, plan: _Plan, tally: TrialTally) -> None:
    if is_async(function):
        _run_async(function, options, plan, tally)
    elif options.concurrency == 1 and options.timeout_s is None:
        while plan.take():
            tally.add(_execute(function))
    else:
        lanes = [lambda: _run_lane(function, options.timeout_s, plan, tally)] * options.concurrency
        _run_threads(lanes, plan)


def _execute(function: TestFunction) -> Execution:
    begun_s = time.perf_counter()
    try:
        result = function()
        if inspect.isawaitable(result):  # such as `lambda: fetch(1)`
            result = asyncio.run(resolved(result))
    except Exception as error:  # noqa: BLE001 - a failure is a result
        return _ended(begun_s, error=error)
    return _ended(begun_s, result=result)


def _ended(begun_s: float, *, result: Any = None, error: Exception | None = None) -> Execution:
    seconds = time.perf_counter() - begun_s
    text = "" if error is None else str(error) or type(error).__name__
    return Execution(local_now(), seconds, result, text)


def _run_threads(lanes: list[Callable[[], None]], plan: _Plan) -> None:
    """Run each of *lanes* in a thread, and end them early where the caller is interrupted."""

    def guarded(lane: Callable[[], None]) -> None:
        try:
            lane()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            plan.interrupt(error)

    threads = [
        threading.Thread(target=guarded, args=(lane,), name="veriscope-trial", daemon=True)
        for lane in lanes
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as error:
        plan.interrupt(error)
        raise
    if plan.interrupted is not None:
        raise plan.interrupted


def _run_lane(
    function: TestFunction, timeout_s: float | None, plan: _Plan, tally: TrialTally
) -> None:
    """Execute one after the other, each with *timeout_s* seconds of time."""
    if timeout_s is None:
        while plan.take():
            tally.add(_execute(function))
        return
    helper = _Helper(function)
    try:
        while plan.take():
            execution = helper.execute(timeout_s)
            if execution is None:
                plan.note_stuck()
                helper = _Helper(function)
                late = f"timed out after {timeout_s:g} s"
                execution = Execution(local_now(), timeout_s, error=late)
            tally.add(execution)
    finally:
        helper.dismiss()


class _Helper:
    """A thread that executes on request, and can be left alone where it hangs."""

    def __init__(self, function: TestFunction) -> None:
        self._function = function
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Execution | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="veriscope-trial-call", daemon=True).start()

    def execute(self, timeout_s: float) -> Execution | None:
        """Execute once; None where it has not ended after *timeout_s* seconds."""
        self._orders.put(True)
        try:
            found = self._done.get(timeout=timeout_s)
        except queue.Empty:
            self.dismiss()
            return None
        if isinstance(found, BaseException):
            raise found
        return found

    def dismiss(self) -> None:
        """Let the thread end when it is idle."""
        self._orders.put(False)

    def _work(self) -> None:
        while self._orders.get():
            try:
                self._done.put(_execute(self._function))
            except BaseException as error:  # noqa: BLE001 - raised again by `execute`
                self._done.put(error)


def _run_async(
    function: TestFunction, options: TrialOptions, plan: _Plan, tally: TrialTally
) -> None:
    async def lane() -> None:
        while plan.take():
            tally.add(await _execute_async(function, options.timeout_s))
            await asyncio.sleep(0)  # a function that never waits must not keep the others out

    async def lanes() -> None:
        await asyncio.gather(*(lane() for _ in range(options.concurrency)))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(lanes())
    else:
        _run_threads([lambda: asyncio.run(lanes())], plan)


async def _execute_async(function: TestFunction, timeout_s: float | None) -> Execution:
    begun_s = time.perf_counter()
    try:
        result = await asyncio.wait_for(function(), timeout_s)
    except TimeoutError as error:
        late = TimeoutError(str(error) or f"timed out after {timeout_s or 0:g} s")
        return _ended(begun_s, error=late)
    except Exception as error:  # noqa: BLE001 - a failure is a result
        return _ended(begun_s, error=error)
    return _ended(begun_s, result=result)


@dataclass(frozen=True, slots=True)
class Trial:
    """A test that has run."""

    test_name: str
    options: TrialOptions
    tally: TrialTally
    elapsed_s: float
    stopped: str

    def times_s(self) -> list[float]:
        """Return a sample of the times of successful executions in seconds."""
        return self.tally.sample

    def summary(self) -> dict[str, Any]:
        """
        Return the document's summary, and more.

        Times are in seconds and of successful executions only; NaN where there are none.
        """
        tally, sketch = self.tally, self.tally.sketch
        by_count = self.options.iterations is not None
        some = sketch.count > 0
        return {
            "test_name": self.test_name,
            "duration": self.elapsed_s if by_count else self.options.duration_s,
            "total_executions": tally.total,
            "successful_executions": tally.successful,
            "failed_executions": tally.failed,
            "avg_execution_time": tally.mean if some else math.nan,
            "min_execution_time": sketch.min if some else math.nan,
            "max_execution_time": sketch.max if some else math.nan,
            "results": tally.results,
            "results_omitted": tally.total - len(tally.results),
            "elapsed": self.elapsed_s,
            "executions_per_second": tally.total / self.elapsed_s if self.elapsed_s else math.nan,
            "concurrency": self.options.concurrency,
            "warmup": self.options.warmup,
            "stdev_execution_time": tally.deviation,
            "percentiles": self._percentiles(),
            "avg_confidence_interval": self._mean_interval(),
            "median_confidence_interval": self._median_interval(),
            "errors": dict(tally.errors.most_common()),
            "stopped": self.stopped,
            "comparison": None,
            "verdict": "",
        }

    def _percentiles(self) -> dict[str, float]:
        """Return exact percentiles while the sample holds all times, else within 0.1 %."""
        tally = self.tally
        if tally.successful > SAMPLE_SIZE or not tally.sample:
            found = tally.sketch.quantiles(_QUANTILES.values())
        else:
            ordered = sorted(tally.sample)
            found = [interpolated(ordered, q) for q in _QUANTILES.values()]
        return dict(zip(_QUANTILES, found, strict=True))

    def _mean_interval(self) -> tuple[float, float]:
        """Return the 95 % confidence interval of the mean by Student's t."""
        count = self.tally.successful
        if count < 2:  # noqa: PLR2004 - one value has no spread
            return math.nan, math.nan
        from scipy.special import (  # noqa: PLC0415 - as needed
            stdtrit,
        )

        half = float(stdtrit(count - 1, 0.975)) * self.tally.deviation / math.sqrt(count)
        return self.tally.mean - half, self.tally.mean + half

    def _median_interval(self) -> tuple[float, float]:
        """Return the 95 % confidence interval of the median from order statistics."""
        import numpy as np  # noqa: PLC0415 - loaded only where it is needed
        from scipy.special import bdtr  # noqa: PLC0415 - likewise

        ordered = sorted(self.tally.sample)
        count = len(ordered)
        # Ranks k and n + 1 - k hold the median unless fewer than k of n coin flips are heads.
        places = np.arange(count // 2)
        fitting = places[bdtr(places, count, 0.5) <= 0.025]  # noqa: PLR2004 - half of 5 %
        if not fitting.size:
            return math.nan, math.nan
        place = int(fitting[-1])
        return ordered[place], ordered[count - 1 - place]
