"""`ObservabilityFramework`: traces, metrics, events, alerts and dashboards of one service."""

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, overload

from opentelemetry import trace as otel
from opentelemetry.context import get_current
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.alert import SerialWorker
from veriscope.facade.alerting.alerts import AlertBook
from veriscope.facade.alerting.receivers import Receivers, Source
from veriscope.facade.framework.dashboards import Upload, to_document
from veriscope.facade.framework.history import MetricHistory, Recent
from veriscope.facade.framework.metrics import dropped_counter
from veriscope.facade.framework.options import FrameworkOptions
from veriscope.facade.local_time import local_now
from veriscope.facade.traces.ids import new_span_id, new_trace_id
from veriscope.facade.traces.store import TraceStore
from veriscope.facade.traces.summary import summarize
from veriscope.facade.traces.trace import LogLevel, Span, TraceContext
from veriscope.facade.traces.traced import trace_calls
from veriscope.instrument import delivery
from veriscope.instrument.delivery.records import severity_number
from veriscope.instrument.encodable import encodable
from veriscope.instrument.forking import ForkLock
from veriscope.signals import Clock, InvalidInputError, SystemClock

# Names of dashboards become ids within it.
_DASHBOARDS: Final = uuid.UUID("5c1b9c0e-6a0b-4f5e-9d7a-2f6f0d2f4a3b")

Function = TypeVar("Function", bound=Callable[..., Any])


class ObservabilityFramework:
    """
    Traces, metrics, events, alerts and dashboards of the service *service_name*.

    Everything is kept in memory, within the limits of *options*, and with a server configured
    (`VERISCOPE_URL` or `veriscope.configure`) everything is sent there as well. *receivers* are
    told about alerts; those of `configure` where None. All methods may be called from any
    thread and from asyncio, and none of them waits for the network.
    """

    def __init__(
        self,
        service_name: str,
        *,
        receivers: Source | None = None,
        options: FrameworkOptions | None = None,
        registry: CollectorRegistry = REGISTRY,
        clock: Clock | None = None,
    ) -> None:
        delivery.suggest_service_name(service_name)
        self.service_name = service_name
        self.logger = logging.getLogger(service_name)
        self.options = options = options or FrameworkOptions()
        clock = clock or SystemClock()
        self._dropped = dropped_counter(registry)
        self._lock = ForkLock()
        self._traces = TraceStore(options.max_spans, self._dropped.labels("spans").inc)
        self._metrics = MetricHistory(
            options.max_metrics, options.max_metric_points, self._dropped.labels("metrics").inc
        )
        self._receivers = Receivers(receivers, clock=clock, registry=registry)
        self._alerts = AlertBook(
            service_name,
            self._receivers,
            clock=clock,
            logger=self.logger,
            max_alerts=options.max_alerts,
            repeat_interval_s=options.repeat_interval_s,
            send=self._send_alert_notification,
        )
        self._uploads = SerialWorker("dashboards", options.max_dashboards)
        self.traces: dict[str, list[Span]] = self._traces.traces
        self.spans: dict[str, Span] = self._traces.spans
        self.metrics: dict[str, Recent] = self._metrics.metrics
        self.alerts: list[dict[str, Any]] = self._alerts.alerts
        self.dashboards: dict[str, dict[str, Any]] = {}

    # Traces

    def start_trace(self, operation_name: str, trace_context: TraceContext | None = None) -> Span:
        """
        Start a span, which runs until it is finished; it does not become the active one.

        Its parent is *trace_context*; else the span that is active here, OpenTelemetry's
        included; else it has none and begins a trace.
        """
        if trace_context is not None:
            span = trace_context.create_child_span(operation_name)
        else:
            span = self._start_here(operation_name)
        span.export_as(self.service_name)
        span.on_finish(self._traces.finish)
        self._traces.start(span)
        return span

    def finish_span(self, span: Span, status: str = "completed") -> None:
        """End *span* with *status*; nothing happens where it has ended already."""
        if self.spans.get(span.span_id) is not span:
            span.on_finish(self._traces.finish)  # one that was made without this framework
        span.finish(status)

    def add_span_tag(self, span: Span, key: str, value: Any) -> None:
        """Set one tag of *span*."""
        span.set_tag(key, value)

    def add_span_log(
        self, span: Span, message: str, level: LogLevel = LogLevel.INFO, **kwargs: Any
    ) -> None:
        """Add an entry to the logs of *span*; dropped and counted past `max_span_logs`."""
        if len(span.logs) >= self.options.max_span_logs:
            self._dropped.labels("logs").inc()
            return
        span.log(message, level, **kwargs)

    def span(self, operation_name: str, trace_context: TraceContext | None = None) -> Span:
        """
        Return a span to be used in a `with`: active inside, finished at the end.

        An exception goes on its way, is noted in the span's logs, and makes its status `error`.
        """
        return self.start_trace(operation_name, trace_context)

    @overload
    def traced(self, name: Function) -> Function: ...

    @overload
    def traced(self, name: str | None = None) -> Callable[[Function], Function]: ...

    def traced(self, name: Any = None) -> Any:
        """
        Give every call of a function a span, named *name* or as the function is.

        For functions, coroutine functions and both kinds of generators, as `@traced`,
        `@traced()` or `@traced("name")`.
        """
        if isinstance(name, classmethod):
            raise InvalidInputError("@traced stands above @classmethod; put it below")
        if callable(name):
            return self._traced(name, None)
        return lambda function: self._traced(function, name)

    def get_trace_summary(self, trace_id: str) -> dict[str, Any]:
        """
        Return what the trace took: see `trace_summary.summarize`; empty for one not known.

        `complete` is False while one of its spans still runs.
        """
        spans, complete = self._traces.of_trace(trace_id)
        return summarize(trace_id, spans, complete=complete) if spans else {}

    # Metrics and events

    def log_metric(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        """
        Record one value; what is no number is dropped, counted and logged.

        On the server the series has *tags* as labels, and `service`, this framework's.
        """
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            self._dropped.labels("metrics").inc()
            self.logger.warning("metric %s: %r is no number; it is dropped", name, value)
            return
        tags = {} if tags is None else tags
        self._metrics.add(name, value if type(value) is int else number, tags)
        exporter = delivery.current()
        if exporter is not None:
            exporter.add_sample(name, {"service": self.service_name, **tags}, number)

    def get_metrics_summary(self, metric_name: str, duration: float = 300) -> dict[str, Any]:
        """Return figures of the last *duration* seconds; empty where there are no values."""
        return self._metrics.summary(metric_name, duration)

    def log_event(
        self, event_name: str, event_data: Mapping[str, Any], level: LogLevel = LogLevel.INFO
    ) -> None:
        """
        Write one line of JSON to the logger, at *level*, and send it as a log record.

        The items of *event_data* are the record's attributes; data that is no mapping is its one
        attribute `event.data`.
        """
        event = {
            "event_name": event_name,
            "event_data": event_data,
            "level": level.value,
            "timestamp": local_now().isoformat(),
            "service": self.service_name,
        }
        levelno = _levelno(level)
        self.logger.log(levelno, "%s", _json_line(event))
        if not _ships_records(self.logger, levelno):
            self._send_event(event_name, event_data, level)

    # Alerts and dashboards

    def create_alert(
        self,
        alert_name: str,
        condition: str,
        severity: str = "warning",
        *,
        language: str = "auto",
        for_s: float = 0.0,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        receiver: str | None = None,
    ) -> dict[str, Any]:
        """
        Create an alert that fires while *condition* holds, and has held for *for_s* seconds.

        *language* is `simple` (see `conditions`), `promql` (needs a server) or `auto`: whichever
        can read it, simple first. Only *receiver* is told, or all where None. Raises
        `InvalidInputError` where the condition cannot be read.
        """
        return self._alerts.create(
            alert_name,
            condition,
            severity,
            language=language,
            for_s=for_s,
            labels=labels or {},
            annotations=annotations or {},
            receiver=receiver,
        )

    def check_alerts(self, metrics: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """
        Return the alerts that fire for *metrics*, or for the latest logged metrics where None.

        Receivers are told when an alert begins and when it ends, not at each check.
        """
        return self._alerts.check(self._metrics.latest() if metrics is None else metrics)

    def _send_alert_notification(self, alert_data: dict[str, Any]) -> None:
        """Tell the receivers that an alert fires; a subclass may send it elsewhere, or also."""
        self._alerts.notify(alert_data["alert_id"])

    def create_dashboard(
        self, dashboard_name: str, widgets: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """
        Create a dashboard, in place of the one of this service that has the name already.

        With a server configured it is shown there at `/dashboards/ID`.
        """
        now = local_now().isoformat()
        # The same id each time, so that a restart changes its dashboard and adds none.
        name = encodable(f"{self.service_name}/{dashboard_name}")
        dashboard: dict[str, Any] = {
            "dashboard_id": str(uuid.uuid5(_DASHBOARDS, name)),
            "dashboard_name": dashboard_name,
            "widgets": [dict(widget) for widget in widgets],
            "created_at": now,
            "updated_at": now,
        }
        with self._lock:
            self.dashboards.pop(dashboard["dashboard_id"], None)
            if len(self.dashboards) >= self.options.max_dashboards:
                self.dashboards.pop(next(iter(self.dashboards)))
                self._dropped.labels("dashboards").inc()
            self.dashboards[dashboard["dashboard_id"]] = dashboard
        if delivery.current() is not None:
            self._upload(to_document(dashboard, self.service_name))
        return dashboard

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until notifications, dashboards and telemetry are sent; False past *timeout_s*."""
        end = time.monotonic() + timeout_s
        return all(
            [
                self._receivers.flush(max(0.0, end - time.monotonic())),
                self._uploads.flush(max(0.0, end - time.monotonic())),
                delivery.current() is None or delivery.flush(max(0.0, end - time.monotonic())),
            ]
        )

    def _start_here(self, operation_name: str) -> Span:
        current = TraceContext.current()
        if current is None:
            span = Span(new_trace_id(), new_span_id(), None, operation_name)
        else:
            span = Span(current.trace_id, new_span_id(), current.span_id, operation_name)
        span.attach_parent(get_current())
        return span

    def _traced(self, function: Callable[..., Any], name: str | None) -> Callable[..., Any]:
        operation = name or str(getattr(function, "__qualname__", type(function).__name__))
        return trace_calls(function, lambda: self.start_trace(operation))

    def _send_event(self, name: str, data: object, level: LogLevel) -> None:
        exporter = delivery.current()
        if exporter is None:
            return
        place = otel.get_current_span().get_span_context()
        attributes = data if isinstance(data, Mapping) else {"event.data": data}
        exporter.add_log(
            delivery.LogRecord(
                time_ns=time.time_ns(),
                severity_number=severity_number(_levelno(level)),
                severity_text=level.value,
                body=name,
                attributes={"event.name": name, **attributes},
                trace_id=place.trace_id,
                span_id=place.span_id,
                logger=self.logger.name,
            )
        )

    def _upload(self, document: Mapping[str, Any]) -> None:
        if not self._uploads.put(
            Upload(document, self.logger, self._dropped.labels("dashboards").inc)
        ):
            self._dropped.labels("dashboards").inc()


def _levelno(level: LogLevel) -> int:
    return logging.getLevelNamesMapping()[level.name]


def _json_line(event: Mapping[str, Any]) -> str:
    try:
        return json.dumps(event, default=str)
    except (TypeError, ValueError, RecursionError):
        return json.dumps({**event, "event_data": repr(event["event_data"])})


def _ships_records(logger: logging.Logger, level: int) -> bool:
    """Tell whether `configure_logging` sends what *logger* writes, so that it is not sent twice."""
    if not logger.isEnabledFor(level):
        return False
    found: logging.Logger | None = logger
    while found is not None:
        if any(getattr(handler, "ships", False) for handler in found.handlers):
            return True
        found = found.parent if found.propagate else None
    return False
