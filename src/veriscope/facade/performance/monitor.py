"""Performance monitoring as the TruthGPT document names it, with what it left open built."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from veriscope.facade.local_time import local_now
from veriscope.facade.percentiles import interpolated
from veriscope.facade.performance.baseline import (
    Baseline,
    baseline_path,
    compare,
    comparison_row,
    load_baseline,
    save_baseline,
    spread_out,
)
from veriscope.facade.performance.custom import CustomMetricCalls, MetricFunction
from veriscope.facade.performance.sockets import ListeningSockets, SocketCounts
from veriscope.facade.performance.trial import (
    MAX_RESULTS,
    TestFunction,
    Trial,
    TrialOptions,
    run_trial,
)
from veriscope.facade.system.loop import PeriodicMonitor
from veriscope.facade.system.readings import CpuUsage
from veriscope.facade.windows import BufferAttribute, WindowedBuffer
from veriscope.instrument import delivery
from veriscope.instrument.requests import RequestStats
from veriscope.signals import Clock, InvalidInputError, SystemClock

_SYSTEM_CLOCK: Final = SystemClock()
_BUFFERED: Final = 10_000
_TESTS_KEPT: Final = 100
_FAILURES: Final = "veriscope_custom_metric_failures_total"
_SYSTEM: Final = {"type": "system"}
_APPLICATION: Final = {"type": "application"}
_CUSTOM: Final = {"type": "custom"}


@dataclass
class PerformanceMetrics:
    """One value of a performance metric."""

    timestamp: datetime
    metric_name: str
    value: float
    unit: str
    tags: dict[str, str]
    metadata: dict[str, Any]


class PerformanceMonitor(PeriodicMonitor):
    """
    Records figures of the system, of this application and of custom metric functions.

    Response times and requests in flight come from *stats*, which `AsgiMiddleware` and
    `WsgiMiddleware` fill (the process's own by default). A custom metric function has
    *custom_metric_timeout* seconds to answer (by default one collection interval). With an
    exporter configured each value goes to the server too. Raises `InvalidInputError` for times
    that are not greater than 0.
    """

    _title = "Performance monitoring"
    metrics_buffer = BufferAttribute[PerformanceMetrics]()

    def __init__(
        self,
        collection_interval: float = 1.0,
        *,
        stats: RequestStats | None = None,
        custom_metric_timeout: float | None = None,
        clock: Clock = _SYSTEM_CLOCK,
    ) -> None:
        super().__init__(collection_interval, clock)
        if custom_metric_timeout is not None and not 0 < custom_metric_timeout < math.inf:
            raise InvalidInputError(
                f"custom_metric_timeout is {custom_metric_timeout}; give seconds greater than 0"
            )
        self.metrics_buffer = WindowedBuffer(_BUFFERED, clock)
        self.custom_metrics: dict[str, MetricFunction] = {}
        self.custom_metric_failures: dict[str, int] = {}
        self.performance_tests: dict[str, dict[str, Any]] = {}
        self.custom_metric_timeout = custom_metric_timeout
        self._stats = stats or RequestStats.default()
        self._reasons: dict[str, str] = {}
        self._trials: dict[str, Trial] = {}
        self._told_no_sockets = False
        self._make_readers()

    def add_custom_metric(self, name: str, metric_func: MetricFunction) -> None:
        """
        Record what *metric_func* returns, or what its coroutine does, at each collection.

        Raises `InvalidInputError` where it cannot be called.
        """
        if not callable(metric_func):
            raise InvalidInputError(f"custom metric {name}: {metric_func!r} cannot be called")
        self.custom_metrics[name] = metric_func

    def run_performance_test(
        self,
        test_name: str,
        test_func: TestFunction,
        duration: float = 60,
        *,
        iterations: int | None = None,
        concurrency: int = 1,
        warmup: int = 0,
        timeout: float | None = None,
        max_results: int = MAX_RESULTS,
        baseline: str | Path | Baseline | None = None,
    ) -> dict[str, Any]:
        """
        Call *test_func* (sync or async) for *duration* seconds or *iterations* times.

        *warmup* executions run first and do not count; *timeout* seconds fail an execution.
        *baseline* is an earlier run, its file or the folder of such files. Raises
        `InvalidInputError` for options that cannot be run and for a file that is no baseline;
        what *test_func* raises is counted, but for KeyboardInterrupt and SystemExit.
        """
        options = TrialOptions(
            duration_s=duration,
            iterations=iterations,
            concurrency=concurrency,
            warmup=warmup,
            timeout_s=timeout,
            max_results=max_results,
        )
        known, verdict = _find_baseline(baseline, test_name)
        trial = run_trial(test_name, test_func, options)
        summary = trial.summary()
        if known is not None and trial.times_s():
            comparison = compare(known.times_s, trial.times_s())
            summary["comparison"] = comparison_row(comparison, known)
            verdict = comparison.verdict
        elif known is not None:
            verdict = "nothing to compare: no execution succeeded"
        summary["verdict"] = verdict
        self._keep_test(trial, summary)
        return summary

    def save_baseline(self, test_name: str, path: str | Path) -> Path:
        """
        Keep the newest run of *test_name* as its baseline, and return the file.

        *path* is a `.json` file or a folder. Raises `InvalidInputError` where the test has not
        run or no execution succeeded, `OSError` where the file cannot be written.
        """
        trial = self._trials.get(test_name)
        if trial is None or not trial.times_s():
            raise InvalidInputError(
                f"{test_name} has no times to keep; run it first with run_performance_test"
            )
        file = baseline_path(path, test_name)
        save_baseline(
            file,
            Baseline(
                test_name=test_name,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                executions=trial.tally.successful,
                times_s=list(spread_out(trial.times_s())),
            ),
        )
        return file

    @staticmethod
    def load_baseline(test_name: str, path: str | Path) -> Baseline:
        """
        Return the baseline of *test_name* in *path*, a `.json` file or a folder.

        Raises `FileNotFoundError` without a file, `InvalidInputError` where it is no baseline.
        """
        return load_baseline(test_name, path)

    def get_performance_summary(self, duration: float = 300) -> dict[str, Any]:
        """Summarize the values of the last *duration* seconds; `{}` where there are none."""
        groups: dict[str, list[PerformanceMetrics]] = {}
        for metric in self.metrics_buffer.recent(duration):
            groups.setdefault(metric.metric_name, []).append(metric)
        if not groups:
            return {}
        return {
            "duration_seconds": duration,
            "metrics": {name: _summarize(metrics) for name, metrics in groups.items()},
            "performance_tests": dict(self.performance_tests),
            "custom_metric_failures": dict(self.custom_metric_failures),
        }

    def _collect(self) -> None:
        for monitor in (
            self._monitor_system_performance,
            self._monitor_application_performance,
            self._monitor_custom_metrics,
        ):
            try:
                monitor()
            except Exception:  # one kind of figure must not cost the others
                self.logger.exception("%s failed", monitor.__name__.strip("_"))

    def _monitor_system_performance(self) -> None:
        """Record CPU, memory, disk and network of this machine."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
        network = psutil.net_io_counters(nowrap=False)  # without a lock, as in `SystemMonitor`
        for name, value, unit in (
            ("cpu_usage", self._cpu.percent(), "percent"),
            ("memory_usage", memory.percent, "percent"),
            ("memory_available", memory.available, "bytes"),
            ("disk_usage", disk.percent, "percent"),
            ("disk_free", disk.free, "bytes"),
            ("network_bytes_sent", getattr(network, "bytes_sent", 0), "bytes"),
            ("network_bytes_recv", getattr(network, "bytes_recv", 0), "bytes"),
        ):
            self._record_metric(name, value, unit, _SYSTEM)

    def _monitor_application_performance(self) -> None:
        """Record connections, queue and response times of this process."""
        for name, value, unit in (
            ("active_connections", self._get_active_connections(), "count"),
            ("request_queue_size", self._get_request_queue_size(), "count"),
            ("response_time_p50", self._get_response_time_p50(), "seconds"),
            ("response_time_p95", self._get_response_time_p95(), "seconds"),
            ("response_time_p99", self._get_response_time_p99(), "seconds"),
        ):
            self._record_metric(name, value, unit, _APPLICATION)

    def _monitor_custom_metrics(self) -> None:
        """Call every custom metric function, and record what comes in time."""
        timeout_s = self.custom_metric_timeout or self.collection_interval
        self._calls.run(dict(self.custom_metrics), timeout_s)

    def _record_metric(
        self, name: str, value: float, unit: str, tags: Mapping[str, str] | None = None
    ) -> None:
        """Record *value*; NaN says that there was nothing to measure, and is not exported."""
        number = float(value)
        metric = PerformanceMetrics(
            timestamp=local_now(),
            metric_name=name,
            value=number,
            unit=unit,
            tags=dict(tags or {}),
            metadata={},
        )
        self.metrics_buffer.append(metric)
        if not math.isnan(number) and (exporter := delivery.current()) is not None:
            labels = {str(key): str(text) for key, text in metric.tags.items()}
            exporter.add_sample(name, labels, number)

    def _get_active_connections(self) -> int:
        """
        Return the established TCP connections that this process accepted.

        Where requests come another way (a Unix socket, HTTP/2 streams), requests in flight can
        be more; then it is their number.
        """
        return max(self._count_sockets().accepted, self._stats.in_flight)

    def _get_request_queue_size(self) -> int:
        """Return connections that nobody has accepted yet, and requests that wait in the app."""
        return self._count_sockets().backlog + self._stats.queued

    def _get_response_time_p50(self) -> float:
        """Return the median response time in seconds; NaN without a request in the window."""
        return self._stats.response_times().p50_s

    def _get_response_time_p95(self) -> float:
        """Return the 95th percentile of response times in seconds; NaN without a request."""
        return self._stats.response_times().p95_s

    def _get_response_time_p99(self) -> float:
        """Return the 99th percentile of response times in seconds; NaN without a request."""
        return self._stats.response_times().p99_s

    def _count_sockets(self) -> SocketCounts:
        try:
            return self._sockets.count()
        except OSError as error:
            if not self._told_no_sockets:
                self._told_no_sockets = True
                self.logger.warning("Connections of this process cannot be counted: %s", error)
            return SocketCounts(0, 0)

    def _record_custom(self, name: str, value: float) -> None:
        if self._reasons.pop(name, None) is not None:
            self.logger.info("Custom metric %s answers again", name)
        self._record_metric(name, value, "custom", _CUSTOM)

    def _custom_failed(self, name: str, reason: str) -> None:
        """Count a failure, and log it where it is not the same as the one before."""
        count = self.custom_metric_failures[name] = self.custom_metric_failures.get(name, 0) + 1
        if name not in self._reasons:
            self.logger.error("Error monitoring custom metric %s: %s", name, reason)
        self._reasons[name] = reason
        if (exporter := delivery.current()) is not None:
            exporter.add_sample(_FAILURES, {"metric": name}, float(count))

    def _keep_test(self, trial: Trial, summary: dict[str, Any]) -> None:
        """Keep the newest tests: those that ran longest ago go first."""
        for kept in (self.performance_tests, self._trials):
            kept.pop(trial.test_name, None)
            while len(kept) >= _TESTS_KEPT:
                del kept[next(iter(kept))]
        self.performance_tests[trial.test_name] = summary
        self._trials[trial.test_name] = trial

    def _wake(self) -> None:
        self._calls.interrupt()

    def _after_fork(self) -> None:
        self._make_readers()

    def _make_readers(self) -> None:
        self._cpu = CpuUsage()
        self._sockets = ListeningSockets()
        self._calls = CustomMetricCalls(self._record_custom, self._custom_failed)


def _find_baseline(
    baseline: str | Path | Baseline | None, test_name: str
) -> tuple[Baseline | None, str]:
    """Return the baseline, or the verdict where there is none."""
    if baseline is None or isinstance(baseline, Baseline):
        return baseline, ""
    try:
        return load_baseline(test_name, baseline), ""
    except FileNotFoundError:
        path = baseline_path(baseline, test_name)
        return None, f"no baseline at {path}; keep a run there with save_baseline"


def _summarize(metrics: Sequence[PerformanceMetrics]) -> dict[str, Any]:
    values = sorted(metric.value for metric in metrics if not math.isnan(metric.value))
    return {
        "count": len(values),
        "avg": sum(values) / len(values) if values else math.nan,
        "min": values[0] if values else math.nan,
        "max": values[-1] if values else math.nan,
        "unit": metrics[0].unit,
        "tags": metrics[0].tags,
        "p50": interpolated(values, 0.5),
        "p95": interpolated(values, 0.95),
        "p99": interpolated(values, 0.99),
        "latest": metrics[-1].value,
    }
