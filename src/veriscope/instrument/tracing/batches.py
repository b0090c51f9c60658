"""Spans on their way to an exporter that takes its time: gathered, sent, and none lost unseen."""

from collections import deque
from threading import Condition, Thread
from time import monotonic
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.forking import in_forked_child
from veriscope.instrument.tracing.metrics import metrics_of
from veriscope.instrument.tracing.options import TracingOptions
from veriscope.signals.log import get_log

_log = get_log(__name__)
_MS: Final = 1000


class SpanBatches(SpanProcessor):
    """
    Hands finished spans to *exporter* in batches, from a daemon thread.

    The SDK's own processor tells of what it drops only in the log; this one counts it. In a
    forked child the spans that wait are the parent's, and are forgotten there.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        options: TracingOptions,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._exporter = exporter
        self._options = options
        self._metrics = metrics_of(registry)
        self._waiting: deque[ReadableSpan] = deque()
        self._changed = Condition()
        self._closed = self._hurry = self._exporting = False
        self._thread = self._started_thread()
        in_forked_child(self, SpanBatches._restart)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue *span* without waiting, if it is sampled; past the limit the oldest is dropped."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        with self._changed:
            if self._closed:
                self._metrics.dropped.labels("shutdown").inc()
                return
            if len(self._waiting) >= self._options.max_queue_spans:
                self._waiting.popleft()
                self._metrics.dropped.labels("queue_full").inc()
            self._waiting.append(span)
            if len(self._waiting) == self._options.max_batch_spans:
                self._changed.notify_all()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits; False where that took longer than *timeout_millis*."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(
                lambda: not self._waiting and not self._exporting, timeout_millis / _MS
            )

    def shutdown(self) -> None:
        """Send what waits, as far as `timeout_s` allows, and stop."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._thread.join(self._options.timeout_s)
        with self._changed:
            self._metrics.dropped.labels("shutdown").inc(len(self._waiting))
            self._waiting.clear()
        self._exporter.shutdown()

    def _restart(self) -> None:
        """Begin anew in a forked child: the parent's thread is not there, and holds the lock."""
        self._waiting = deque()
        self._changed = Condition()
        self._hurry = self._exporting = False
        self._thread = self._started_thread()

    def _started_thread(self) -> Thread:
        thread = Thread(target=self._run, name="veriscope-spans", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                with suppress_instrumentation():
                    result = self._exporter.export(batch)
            except Exception:  # noqa: BLE001 - a foreign exporter may raise anything
                _log.exception("span_exporter_failed", spans=len(batch))
                result = SpanExportResult.FAILURE
            counter = (
                self._metrics.sent
                if result is SpanExportResult.SUCCESS
                else self._metrics.dropped.labels("export")
            )
            counter.inc(len(batch))
            with self._changed:
                self._exporting = False
                self._changed.notify_all()

    def _next_batch(self) -> list[ReadableSpan]:
        """Wait until a batch is full, its time has come, or all is to go; empty at the end."""
        size = self._options.max_batch_spans
        with self._changed:
            end_s = monotonic() + self._options.interval_s
            while not self._closed and not (self._waiting and self._is_due(end_s)):
                if monotonic() >= end_s:
                    end_s = monotonic() + self._options.interval_s
                self._changed.wait(max(0.0, end_s - monotonic()))
            batch = [self._waiting.popleft() for _ in range(min(size, len(self._waiting)))]
            self._exporting = bool(batch)
            if not self._waiting:
                self._hurry = False
            self._changed.notify_all()
            return batch

    def _is_due(self, end_s: float) -> bool:
        full = len(self._waiting) >= self._options.max_batch_spans
        return self._hurry or full or monotonic() >= end_s
