"""`TraceContext`, `Span` and `LogLevel`: the document's tracing names, over OpenTelemetry."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self, cast

from opentelemetry import trace as otel
from opentelemetry.baggage import get_all, set_baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import (
    Context,
    attach,
    create_key,
    detach,
    get_current,
    get_value,
    set_value,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from veriscope.facade.local_time import local_now
from veriscope.facade.traces.export import SpanExport
from veriscope.facade.traces.ids import new_span_id, new_trace_id, span_number, trace_number
from veriscope.instrument.exceptions import describe
from veriscope.signals.log import get_log

_log = get_log(__name__)
_TRACE_CONTEXT: Final = TraceContextTextMapPropagator()
_BAGGAGE: Final = W3CBaggagePropagator()
_SAMPLED: Final = otel.TraceFlags(otel.TraceFlags.SAMPLED)
_SPAN: Final = create_key("veriscope-span")
_NS: Final = 1_000_000_000
# The end of a stack trace says what failed; a long one is a recursion.
_MAX_STACK: Final = 16_384


class LogLevel(Enum):
    """How grave a log entry or an event is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class TraceContext:
    """
    A place in a distributed trace, from which child spans start.

    Ids that are not given are new: W3C hexadecimal, 32 and 16 digits. A string of another
    form, such as a UUID, is kept as it is and exported under a number made from it
    (`trace_ids.trace_number`). A *span_id* that is given is taken for a span that exists;
    without it the spans below are exported as roots, and the sampler decides about them.
    `baggage` travels to all that is called below.
    """

    def __init__(
        self,
        trace_id: str | None = None,
        span_id: str | None = None,
        parent_span_id: str | None = None,
    ) -> None:
        self.trace_id = trace_id or new_trace_id()
        self.span_id = span_id or new_span_id()
        self.parent_span_id = parent_span_id
        self.baggage: dict[str, str] = {}
        self._exists = span_id is not None
        self._flags = _SAMPLED
        self._state = otel.TraceState()

    def create_child_span(self, operation_name: str) -> "Span":
        """Return a new span below this place; it runs from now until it is finished."""
        span = Span(
            trace_id=self.trace_id,
            span_id=new_span_id(),
            parent_span_id=self.span_id,
            operation_name=operation_name,
        )
        span.attach_parent(self.otel_context() if self._exists else self._baggage_context())
        return span

    @classmethod
    def current(cls) -> Self | None:
        """Return the place of the span that is active here, or None; OpenTelemetry's count too."""
        return cls._of(get_current())

    def to_headers(self) -> dict[str, str]:
        """Return the W3C headers `traceparent`, `tracestate` and `baggage`, where not empty."""
        headers: dict[str, str] = {}
        context = self.otel_context()
        _TRACE_CONTEXT.inject(headers, context)
        _BAGGAGE.inject(headers, context)
        return headers

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """
        Return the caller's place from its W3C *headers*, whose names may be in any case.

        Where `traceparent` is missing or malformed a new trace starts, as W3C asks.
        """
        carrier = {name.lower(): value for name, value in headers.items()}
        context = _BAGGAGE.extract(carrier, _TRACE_CONTEXT.extract(carrier, Context()))
        found = cls._of(context)
        if found is None:
            found = cls()
            found.baggage = _texts(get_all(context))
        return found

    def otel_context(self) -> Context:
        """Return this place as an OpenTelemetry context."""
        place = otel.SpanContext(
            trace_number(self.trace_id),
            span_number(self.span_id),
            is_remote=True,
            trace_flags=self._flags,
            trace_state=self._state,
        )
        return otel.set_span_in_context(otel.NonRecordingSpan(place), self._baggage_context())

    def _baggage_context(self) -> Context:
        context = Context()
        for name, value in self.baggage.items():
            context = set_baggage(name, value, context)
        return context

    @classmethod
    def _of(cls, context: Context) -> Self | None:
        place = otel.get_current_span(context).get_span_context()
        if not place.is_valid:
            return None
        found = cls(*_spelled_ids(place, context))
        found.baggage = _texts(get_all(context))
        found._flags, found._state = place.trace_flags, place.trace_state
        return found


@dataclass
class Span:
    """
    One operation of a trace; also a context manager, which makes it the active span.

    `start_time` and `end_time` are naive local times. `duration` is in seconds on a clock that
    never steps back. `status` is `started` until the span is finished. Each entry of `logs`
    has `timestamp`, `level` and `message`.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    operation_name: str
    start_time: datetime = None  # type: ignore[assignment] # the document's default; never None after
    end_time: datetime | None = None
    duration: float = 0.0
    tags: dict[str, Any] = None  # type: ignore[assignment] # likewise
    logs: list[dict[str, Any]] = None  # type: ignore[assignment] # likewise
    status: str = "started"

    def __post_init__(self) -> None:
        now_ns, started_ns = time.time_ns(), time.perf_counter_ns()
        start_time, end_time = cast("datetime | None", self.start_time), self.end_time
        if start_time is None:
            self.start_time = datetime.fromtimestamp(now_ns / _NS)  # noqa: DTZ006 - naive, as the document's
        else:
            unix_ns = int(start_time.timestamp() * _NS)
            now_ns, started_ns = unix_ns, started_ns - (now_ns - unix_ns)
        if cast("dict[str, Any] | None", self.tags) is None:
            self.tags = {}
        if cast("list[Any] | None", self.logs) is None:
            self.logs = []
        self._started_unix_ns, self._started_ns = now_ns, started_ns
        self._lock = Lock()
        self._is_finished = end_time is not None
        self._finished_hook: Callable[[Span], None] | None = None
        self._export = SpanExport()
        self._scopes: list[ActiveSpan] = []

    @property
    def started_ns(self) -> int:
        """When the span began, on the process' performance counter, in nanoseconds."""
        return self._started_ns

    @property
    def started_unix_ns(self) -> int:
        """When the span began, in Unix nanoseconds."""
        return self._started_unix_ns

    @property
    def is_finished(self) -> bool:
        """Whether the span has ended."""
        return self._is_finished

    @property
    def otel_span(self) -> otel.Span:
        """The OpenTelemetry span behind this one; it is started here if it was not."""
        return self._export.start(self)

    def context(self) -> TraceContext:
        """Return this span's place, to start children from or to send to another service."""
        place = TraceContext(self.trace_id, self.span_id, self.parent_span_id)
        place.baggage = _texts(get_all(self._export.parent or Context()))
        place._flags = self.otel_span.get_span_context().trace_flags  # noqa: SLF001 - the same room
        return place

    def attach_parent(self, context: Context) -> None:
        """Name the OpenTelemetry *context* it starts in; by default its own ids name it."""
        self._export.parent = context

    def export_as(self, service_name: str) -> None:
        """Name the service that exports it, unless the application set a provider of its own."""
        self._export.service_name = service_name

    def on_finish(self, hook: Callable[["Span"], None]) -> None:
        """Call *hook* with the span, once, as soon as it is finished."""
        self._finished_hook = hook

    def set_tag(self, key: str, value: Any) -> None:
        """Set one tag."""
        self.tags[key] = value

    def log(self, message: str, level: LogLevel = LogLevel.INFO, **fields: Any) -> None:
        """Add one log entry, stamped with the time of now."""
        now = local_now().isoformat()
        self.logs.append({"timestamp": now, "level": level.value, "message": message, **fields})

    def record_exception(self, error: BaseException) -> None:
        """Add *error* as a log entry, in the words of OpenTelemetry's semantic conventions."""
        said = describe(error)
        said["stacktrace"] = said["stacktrace"][-_MAX_STACK:]
        fields = {f"exception.{part}": text for part, text in said.items()}
        self.log(said["message"] or type(error).__name__, LogLevel.ERROR, **fields)

    def finish(self, status: str = "completed") -> bool:
        """End the span and export it; False, and nothing else, where it had ended before."""
        with self._lock:
            if self._is_finished:
                return False
            self._is_finished = True
            # A start that was given may lie ahead, by another machine's clock.
            self.duration = max(0, time.perf_counter_ns() - self._started_ns) / _NS
            self.end_time = self.start_time + timedelta(seconds=self.duration)
            self.status = status
        try:
            self._export.finish(self)
        except Exception:  # noqa: BLE001 - a span processor of the application's may raise anything
            _log.exception("span_not_exported", name=self.operation_name)
        hook, self._finished_hook = self._finished_hook, None
        if hook is not None:
            hook(self)
        return True

    def active(self) -> "ActiveSpan":
        """Return a context manager in which the span is active, and which does not end it."""
        return ActiveSpan(self)

    def __enter__(self) -> Self:
        scope = self.active()
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the span: `completed`, or `error` with the exception, which goes on its way."""
        self._scopes.pop().__exit__(kind, error, trace)
        self.end_by(error)

    def end_by(self, error: BaseException | None) -> None:
        """End the span as a block is left: `completed`, or `error` with the exception."""
        if error is None or isinstance(error, GeneratorExit):
            self.finish()
        else:
            self.record_exception(error)
            self.finish("error")

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle what the span says, not what it is connected to."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


class ActiveSpan:
    """Makes *span* the active one between enter and exit; may be entered again after."""

    def __init__(self, span: Span) -> None:
        surroundings = set_value(_SPAN, span, span._export.surroundings())  # noqa: SLF001 - the same room
        self._inside = otel.set_span_in_context(span.otel_span, surroundings)

    def __enter__(self) -> None:
        self._token = attach(self._inside)

    def __exit__(self, *_: object) -> None:
        # What the body left active, such as an open inner span, is there again on re-entry.
        self._inside = get_current()
        detach(self._token)


def _spelled_ids(place: otel.SpanContext, context: Context) -> tuple[str, str]:
    """Return the ids of *place*, as our own active span spells them where they are the same."""
    trace_id, span_id = f"{place.trace_id:032x}", f"{place.span_id:016x}"
    ours = get_value(_SPAN, context)
    if isinstance(ours, Span) and trace_number(ours.trace_id) == place.trace_id:
        trace_id = ours.trace_id
        if span_number(ours.span_id) == place.span_id:
            span_id = ours.span_id
    return trace_id, span_id


def _texts(baggage: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in baggage.items()}
