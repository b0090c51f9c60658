"""The OpenTelemetry span behind a `Span`: started when it is needed, filled when it ends."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace as otel
from opentelemetry.baggage import get_all, set_baggage
from opentelemetry.context import Context, get_current

from veriscope.facade.traces.ids import ChosenIds, span_number, trace_number
from veriscope.instrument.encodable import encodable
from veriscope.instrument.tracing import span_tracer

if TYPE_CHECKING:
    from veriscope.facade.traces.trace import Span

_NS: Final = 1_000_000_000
_DEFAULT_SERVICE: Final = "unknown_service"
_FAILED: Final = frozenset({"error", "failed", "failure", "exception", "timeout"})
_SUCCEEDED: Final = frozenset({"completed", "started", "ok", "success"})
# The SDK's own limits for attributes and events of one span; what is beyond is not exported.
_MAX_ITEMS: Final = 128
_SKIPPED: Final = frozenset({"timestamp", "message"})
_MAX_KEY: Final = 255
_INT64: Final = 1 << 63
_ids: Final = ChosenIds()


class SpanExport:
    """Owned by one `Span`, which each call names again so that the two make no cycle."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._otel: otel.Span | None = None
        self.parent: Context | None = None
        self.service_name = _DEFAULT_SERVICE

    def start(self, span: "Span") -> otel.Span:
        """Return the OpenTelemetry span, started with the ids that the `Span` has."""
        with self._lock:
            if self._otel is None:
                self._otel = self._start(span)
            return self._otel

    def _start(self, span: "Span") -> otel.Span:
        tracer = _tracer(self.service_name)
        _ids.choose(trace_number(span.trace_id), span_number(span.span_id))
        try:
            return tracer.start_span(
                _text(span.operation_name),
                self._parent_context(span),
                start_time=span.started_unix_ns,
            )
        finally:
            _ids.forget()

    def surroundings(self) -> Context:
        """Return the active context with the baggage that came with the parent."""
        context = get_current()
        for name, value in get_all(self.parent or Context()).items():
            context = set_baggage(name, value, context)
        return context

    def finish(self, span: "Span") -> None:
        """Copy tags, logs and status over, and end the OpenTelemetry span."""
        found = self.start(span)
        end_ns = span.started_unix_ns + int(span.duration * _NS)
        if found.is_recording():
            found.set_attributes(_attributes(islice(list(span.tags.items()), _MAX_ITEMS)))
            for entry in span.logs[:_MAX_ITEMS]:
                name = (
                    "exception" if "exception.type" in entry else str(entry.get("message", "log"))
                )
                found.add_event(_text(name), _fields(entry), _time_ns(entry, end_ns))
            _set_status(found, span.status)
        found.end(end_ns)
        # Of a span that is kept in memory for long, only its place is needed from here on.
        self._otel = otel.NonRecordingSpan(found.get_span_context())

    def _parent_context(self, span: "Span") -> Context:
        """Return the parent that was named, else the one that the span's own ids name."""
        if self.parent is not None:
            return self.parent
        if span.parent_span_id is None:
            return Context()
        place = otel.SpanContext(
            trace_number(span.trace_id),
            span_number(span.parent_span_id),
            is_remote=True,
            trace_flags=otel.TraceFlags(otel.TraceFlags.SAMPLED),
        )
        return otel.set_span_in_context(otel.NonRecordingSpan(place), Context())


def _tracer(service_name: str) -> otel.Tracer:
    tracer = span_tracer(service_name)
    if getattr(tracer, "id_generator", _ids) is not _ids:
        tracer.id_generator = _ids  # type: ignore[attr-defined] # the SDK's tracer has it
    return tracer


def _set_status(found: otel.Span, status: str) -> None:
    if status.lower() in _FAILED:
        found.set_status(otel.StatusCode.ERROR, status)
    elif status.lower() not in _SUCCEEDED:
        found.set_attribute("veriscope.status", status)


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    return _attributes((key, value) for key, value in entry.items() if key not in _SKIPPED)


def _attributes(items: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    return {_text(key)[:_MAX_KEY]: _attribute(value) for key, value in items}


def _attribute(value: Any) -> Any:
    """Return *value* as OTLP has it, and as its text where it has none such."""
    if isinstance(value, bool | float) or (isinstance(value, int) and -_INT64 <= value < _INT64):
        return value
    return _text(value)


def _text(value: object) -> str:
    """Return the text of *value*, with what UTF-8 cannot spell replaced."""
    return encodable(str(value))


def _time_ns(entry: Mapping[str, Any], otherwise_ns: int) -> int:
    try:
        return int(datetime.fromisoformat(entry["timestamp"]).timestamp() * _NS)
    except (KeyError, TypeError, ValueError):
        return otherwise_ns
