import asyncio
import logging
import math
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriscope import PerformanceMonitor
from veriscope.facade.percentiles import interpolated
from veriscope.facade.performance.baseline import Baseline, compare
from veriscope.facade.performance.tally import SAMPLE_SIZE, Execution, TrialTally
from veriscope.facade.performance.trial import TrialOptions, run_trial
from veriscope.signals import InvalidInputError

DOCUMENTED = {
    "test_name",
    "duration",
    "total_executions",
    "successful_executions",
    "failed_executions",
    "avg_execution_time",
    "min_execution_time",
    "max_execution_time",
    "results",
}


@pytest.fixture
def monitor() -> PerformanceMonitor:
    """Return a monitor that does not run."""
    return PerformanceMonitor()


class Counting:
    """A function under test that notes how it is called."""

    def __init__(self, pause_s: float = 0.0) -> None:
        self.calls = 0
        self.most_at_once = 0
        self._pause_s = pause_s
        self._running = 0
        self._lock = threading.Lock()

    def _begin(self) -> int:
        with self._lock:
            self.calls += 1
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            return self.calls

    def __call__(self) -> int:
        """Pause, and return the number of this call."""
        number = self._begin()
        time.sleep(self._pause_s)
        self._running -= 1
        return number

    async def later(self) -> int:
        """Do the same without a thread."""
        number = self._begin()
        await asyncio.sleep(self._pause_s)
        self._running -= 1
        return number


def test_a_test_runs_for_its_duration(monitor: PerformanceMonitor) -> None:
    """The document's keys are there, and the results are those of the calls."""
    function = Counting(0.01)
    found = monitor.run_performance_test("steady", function, duration=0.1)
    assert set(found) >= DOCUMENTED
    assert (found["test_name"], found["duration"]) == ("steady", 0.1)
    assert found["total_executions"] == found["successful_executions"] == function.calls
    assert found["failed_executions"] == 0
    assert 0.01 <= found["min_execution_time"] <= found["avg_execution_time"]
    assert found["avg_execution_time"] <= found["max_execution_time"]
    first = found["results"][0]
    assert set(first) == {"timestamp", "execution_time", "result"}
    assert first["result"] == 1
    assert first["timestamp"].tzinfo is None
    assert monitor.performance_tests["steady"] is found
    assert found["verdict"] == ""


def test_a_test_without_time_executes_once(monitor: PerformanceMonitor) -> None:
    """A duration of 0 still measures something."""
    assert monitor.run_performance_test("once", Counting(), 0)["total_executions"] == 1


@pytest.mark.parametrize("iterations", [2.5, 1e0])
def test_iterations_that_are_no_whole_number_end_too(
    monitor: PerformanceMonitor, iterations: float
) -> None:
    """A computed number of iterations must not make a test endless."""
    found = monitor.run_performance_test("half", lambda: None, iterations=iterations)
    assert found["total_executions"] == math.ceil(iterations)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("timeout", [None, 20.0])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_iterations_concurrency_and_warm_up(
    monitor: PerformanceMonitor,
    is_async: bool,  # noqa: FBT001 - a parameter of the test
    timeout: float | None,
    concurrency: int,
) -> None:
    """Exactly that many executions count, and as many run at once as were asked for."""
    counting = Counting(0.005)
    found = monitor.run_performance_test(
        "exact",
        counting.later if is_async else counting,
        iterations=12,
        concurrency=concurrency,
        warmup=3,
        timeout=timeout,
    )
    assert (found["total_executions"], counting.calls) == (12, 15)
    assert sorted(row["result"] for row in found["results"]) == list(range(4, 16))
    assert counting.most_at_once <= concurrency
    assert counting.most_at_once > 1 or concurrency == 1
    assert found["duration"] == found["elapsed"]


async def test_an_async_function_runs_within_a_loop_too(monitor: PerformanceMonitor) -> None:
    """Called on a running event loop, the test has a loop of its own."""
    found = monitor.run_performance_test("nested", Counting().later, iterations=5)
    assert found["successful_executions"] == 5


def test_a_function_that_returns_a_coroutine_is_awaited(monitor: PerformanceMonitor) -> None:
    """A function around an async call measures the call, not the making of a coroutine."""
    counting = Counting(0.01)

    def call() -> Any:
        return counting.later()

    found = monitor.run_performance_test("indirect", call, iterations=2)
    assert [row["result"] for row in found["results"]] == [1, 2]
    assert found["min_execution_time"] >= 0.009


@pytest.mark.parametrize("concurrency", [1, 3])
def test_failures_are_counted_and_are_no_times(
    monitor: PerformanceMonitor, caplog: pytest.LogCaptureFixture, concurrency: int
) -> None:
    """A failed execution is in the results with its error, and not in the average."""
    calls = iter(range(1000))

    def every_other() -> None:
        if next(calls) % 2:
            raise LookupError("odd")
        time.sleep(0.005)

    with caplog.at_level(logging.WARNING):
        found = monitor.run_performance_test(
            "half", every_other, iterations=20, concurrency=concurrency
        )
    assert (found["successful_executions"], found["failed_executions"]) == (10, 10)
    assert found["min_execution_time"] >= 0.005
    assert found["errors"] == {"odd": 10}
    failed = [row for row in found["results"] if "error" in row]
    assert len(failed) == 10
    assert set(failed[0]) == {"timestamp", "execution_time", "error"}
    assert len(caplog.records) == 1, "one word for the test, not one for each failure"


def test_a_test_may_fail_altogether(monitor: PerformanceMonitor) -> None:
    """Without a success there are no times, and no error."""

    def broken() -> None:
        raise ValueError

    found = monitor.run_performance_test("broken", broken, iterations=3)
    assert found["failed_executions"] == 3
    assert found["errors"] == {"ValueError": 3}
    for key in ("avg_execution_time", "min_execution_time", "max_execution_time"):
        assert math.isnan(found[key])


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_passes_through(
    monitor: PerformanceMonitor, error: type[BaseException], concurrency: int
) -> None:
    """Ctrl-C ends the test, also from a thread of it."""

    def interrupted() -> None:
        raise error

    with pytest.raises(error):
        monitor.run_performance_test("stop", interrupted, concurrency=concurrency)
    with pytest.raises(error):
        monitor.run_performance_test("stop", interrupted, concurrency=concurrency, timeout=10)
    assert "stop" not in monitor.performance_tests


def test_executions_that_take_too_long_have_failed(monitor: PerformanceMonitor) -> None:
    """They are given up after the timeout, and tests that only hang come to an end."""
    release = threading.Event()
    try:
        found = monitor.run_performance_test(
            "hang", release.wait, duration=3600, timeout=0.01, concurrency=4
        )
    finally:
        release.set()
    assert found["successful_executions"] == 0
    assert 16 <= found["failed_executions"] <= 20
    assert "executions hang" in found["stopped"]
    assert set(found["errors"]) == {"timed out after 0.01 s"}


def test_async_executions_that_take_too_long_are_cancelled(monitor: PerformanceMonitor) -> None:
    """The next one begins at the timeout."""
    found = monitor.run_performance_test("late", Counting(3600).later, iterations=3, timeout=0.01)
    assert found["errors"] == {"timed out after 0.01 s": 3}


def test_results_are_bounded_and_statistics_are_not(monitor: PerformanceMonitor) -> None:
    """The first executions are listed, the others counted and measured."""
    found = monitor.run_performance_test("many", Counting(), iterations=1500, max_results=100)
    assert (len(found["results"]), found["results_omitted"]) == (100, 1400)
    assert found["successful_executions"] == 1500
    default = monitor.run_performance_test("many", Counting(), iterations=1500)
    assert (len(default["results"]), default["results_omitted"]) == (1000, 500)


def test_only_the_newest_tests_are_kept(monitor: PerformanceMonitor) -> None:
    """A suite that runs for ever does not fill the memory."""
    for number in range(105):
        monitor.run_performance_test(f"t{number}", Counting(), iterations=1)
    monitor.run_performance_test("t50", Counting(), iterations=1)
    assert len(monitor.performance_tests) == 100
    assert list(monitor.performance_tests)[-1] == "t50"
    assert "t4" not in monitor.performance_tests
    monitor._record_metric("a", 1, "x")
    assert len(monitor.get_performance_summary()["performance_tests"]) == 100


def test_many_threads_are_counted_rightly() -> None:
    """64 threads in one test lose no execution."""
    trial = run_trial("many", Counting(), TrialOptions(iterations=6400, concurrency=64))
    assert trial.tally.total == trial.tally.successful == 6400


def tally_of(times_s: list[float]) -> TrialTally:
    """Return a tally that has seen *times_s*."""
    tally = TrialTally(0)
    for seconds in times_s:
        tally.add(Execution(timestamp=None, seconds=seconds))  # type: ignore[arg-type]
    return tally


@given(st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=2, max_size=200))
def test_mean_and_deviation_are_exact(times_s: list[float]) -> None:
    """Counting one by one agrees with looking at all."""
    tally = tally_of(times_s)
    assert tally.mean == pytest.approx(statistics.fmean(times_s))
    assert tally.deviation == pytest.approx(statistics.stdev(times_s), rel=1e-6, abs=1e-9)


@given(
    st.lists(st.floats(min_value=0, max_value=1e3), min_size=1, max_size=50),
    st.floats(min_value=0, max_value=1),
)
def test_percentiles_are_those_of_numpy(times_s: list[float], q: float) -> None:
    """Between two values the quantile lies on the line from one to the other."""
    assert interpolated(sorted(times_s), q) == pytest.approx(float(np.quantile(times_s, q)))


def test_long_runs_keep_a_fair_sample() -> None:
    """Of more times than are kept, early and late ones are kept alike."""
    tally = tally_of([float(number) for number in range(1, 5 * SAMPLE_SIZE + 1)])
    assert len(tally.sample) == SAMPLE_SIZE
    assert statistics.fmean(tally.sample) == pytest.approx(2.5 * SAMPLE_SIZE, rel=0.1)
    assert tally.sketch.quantile(0.99) == pytest.approx(0.99 * 5 * SAMPLE_SIZE, rel=0.002)


def trial_of(times_s: list[float]) -> Any:
    """Return a finished test with these times."""
    trial = run_trial("given", lambda: None, TrialOptions(iterations=1))
    return type(trial)("given", trial.options, tally_of(times_s), 1.0, "")


def test_confidence_intervals_cover_the_truth() -> None:
    """In 200 repetitions the 95 % intervals hold mean and median about that often."""
    chance = random.Random(7)  # noqa: S311 - a known sequence
    covered = {"avg": 0, "median": 0}
    for _ in range(200):
        found = trial_of([chance.expovariate(1.0) + 1 for _ in range(60)]).summary()
        for name, truth in (("avg", 2.0), ("median", 1 + math.log(2))):
            low, high = found[f"{name}_confidence_interval"]
            covered[name] += low <= truth <= high
    assert 175 <= covered["avg"] <= 200
    assert 180 <= covered["median"] <= 200


def test_too_few_times_have_no_interval() -> None:
    """One value has no spread, and five no 95 % interval of the median."""
    found = trial_of([1.0]).summary()
    assert all(math.isnan(bound) for bound in found["avg_confidence_interval"])
    found = trial_of([1.0, 2.0, 3.0, 4.0, 5.0]).summary()
    assert all(math.isnan(bound) for bound in found["median_confidence_interval"])
    assert trial_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).summary()["median_confidence_interval"] == (
        1.0,
        6.0,
    )


def noisy(scale: float, seed: int, count: int = 200) -> list[float]:
    """Return times around *scale* seconds."""
    chance = random.Random(seed)  # noqa: S311 - likewise
    return [scale * chance.lognormvariate(0, 0.2) for _ in range(count)]


def test_a_verdict_tells_by_how_much() -> None:
    """A shift of 20 % is found in size and direction, with its p-value."""
    slower = compare(noisy(0.010, 1), noisy(0.012, 2))
    assert slower.verdict.startswith("slower by ")
    assert 1.13 < slower.ratio_low < slower.ratio < slower.ratio_high < 1.28
    faster = compare(noisy(0.012, 2), noisy(0.010, 1))
    assert faster.verdict == f"faster by {100 * (1 - faster.ratio):.1f}% (p={faster.p_value:.2g})"
    assert faster.ratio == pytest.approx(1 / slower.ratio)


def test_chance_is_not_taken_for_a_difference() -> None:
    """Runs of the same thing differ in fewer than one verdict of ten."""
    verdicts = [compare(noisy(0.01, seed), noisy(0.01, seed + 1000)).verdict for seed in range(60)]
    assert sum(not verdict.startswith("no difference shown (p=") for verdict in verdicts) <= 6


def test_equal_times_do_not_differ() -> None:
    """Neither do zeros, nor single values."""
    for times in ([0.5] * 20, [0.0] * 20, [0.5]):
        assert compare(times, times).verdict == "no difference shown (p=1)"


def test_a_baseline_is_kept_and_compared_with(monitor: PerformanceMonitor, tmp_path: Path) -> None:
    """The first run becomes the baseline; a slower one is told so."""
    folder = tmp_path / "baselines"
    first = monitor.run_performance_test("a b/c", Counting(0.001), iterations=40, baseline=folder)
    assert "no baseline at" in first["verdict"]
    assert first["comparison"] is None
    file = monitor.save_baseline("a b/c", folder)
    assert file == folder / "a_b_c.json"
    assert list(folder.iterdir()) == [file]
    loaded = monitor.load_baseline("a b/c", folder)
    assert (loaded.test_name, loaded.executions, len(loaded.times_s)) == ("a b/c", 40, 40)
    for baseline in (folder, file, str(file), loaded):
        found = monitor.run_performance_test(
            "a b/c", Counting(0.004), iterations=40, baseline=baseline
        )
        assert found["verdict"].startswith("slower by ")
        assert found["comparison"]["ratio"] > 1.5
        assert found["comparison"]["baseline_created"] == loaded.created


def test_a_run_that_only_failed_is_no_baseline(monitor: PerformanceMonitor, tmp_path: Path) -> None:
    """There is nothing to keep of it, and nothing to compare."""

    def broken() -> None:
        raise ValueError

    known = Baseline(test_name="t", created="2026-01-01T00:00:00+00:00", executions=1, times_s=[1])
    found = monitor.run_performance_test("t", broken, iterations=2, baseline=known)
    assert found["verdict"] == "nothing to compare: no execution succeeded"
    for name in ("t", "never run"):
        with pytest.raises(InvalidInputError, match="has no times to keep"):
            monitor.save_baseline(name, tmp_path)
    with pytest.raises(FileNotFoundError):
        monitor.load_baseline("t", tmp_path)


def test_names_that_share_a_file_are_told_apart(
    monitor: PerformanceMonitor, tmp_path: Path
) -> None:
    """A folder never gives one test the baseline of another; a file may be named on purpose."""
    for name in ("a b", "///"):
        monitor.run_performance_test(name, Counting(), iterations=8)
        file = monitor.save_baseline(name, tmp_path)
        assert monitor.load_baseline(name, tmp_path).test_name == name
    assert file.name == "_.json"
    with pytest.raises(InvalidInputError, match="is the baseline of 'a b'"):
        monitor.load_baseline("a/b", tmp_path)
    assert monitor.load_baseline("a/b", tmp_path / "a_b.json").test_name == "a b"


def test_long_runs_are_compared_over_their_whole_length() -> None:
    """A run that becomes slow after its first thousand executions is slower."""
    steady, late = [0.01] * 4000, [0.01] * 1000 + [0.02] * 3000
    assert compare(steady, late).verdict.startswith("slower by 100.0%")


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"test_name": 1}'])
def test_a_file_that_is_no_baseline_is_refused(
    monitor: PerformanceMonitor, tmp_path: Path, content: str
) -> None:
    """It is said before the test runs."""
    (tmp_path / "t.json").write_text(content)
    function = Counting()
    with pytest.raises(InvalidInputError, match="is not a baseline"):
        monitor.run_performance_test("t", function, iterations=1, baseline=tmp_path)
    assert not function.calls


def test_a_baseline_without_times_is_refused(monitor: PerformanceMonitor, tmp_path: Path) -> None:
    """An empty list can be compared with nothing."""
    file = tmp_path / "t.json"
    file.write_text('{"test_name": "t", "created": "", "executions": 0, "times_s": []}')
    with pytest.raises(InvalidInputError, match="no usable times"):
        monitor.load_baseline("t", file)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": -1},
        {"duration": math.nan},
        {"iterations": 0},
        {"concurrency": 0},
        {"concurrency": 1001},
        {"warmup": -1},
        {"timeout": 0},
        {"max_results": -1},
    ],
)
def test_options_that_cannot_be_run_are_refused(
    monitor: PerformanceMonitor, wrong: dict[str, Any]
) -> None:
    """The message names the option."""
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        monitor.run_performance_test("t", Counting(), **wrong)
