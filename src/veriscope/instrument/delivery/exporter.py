"""The exporter: what this process measures, traces and logs, on its way to the server."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.delivery import forks, metrics, otlp
from veriscope.instrument.delivery.client import ServerClient
from veriscope.instrument.delivery.http import Endpoint, is_unobserved, unobserved
from veriscope.instrument.delivery.inbox import Bell, Inbox
from veriscope.instrument.delivery.lane import Lane, Request
from veriscope.instrument.delivery.metrics import LooseSample, MetricEncoder
from veriscope.instrument.delivery.options import ExportOptions
from veriscope.instrument.delivery.otlp import LogEncoder, SpanEncoder
from veriscope.instrument.delivery.records import OWN_LOGGERS, LogRecord
from veriscope.instrument.delivery.resource import describe_process
from veriscope.instrument.delivery.spans import ExportSpanProcessor
from veriscope.instrument.delivery.tally import Reason, Signal, tally_of
from veriscope.signals import Clock, SampleBatch, SystemClock
from veriscope.signals.log import get_log

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

_log = get_log(__name__)

T = TypeVar("T")

_GROUP: Final = 2048
"""
Spans or records in one request. The server stores 512 KiB at once, and less only after waiting for
more, some 0.3 s; so what one process can send in a second depends on it.
"""
_WAKE_PART: Final = 4
"""One part in so many of `max_waiting_items` wakes the encoder: early enough to lose nothing, and
late enough to let a burst of work end before its spans take the interpreter from it."""
_SAMPLE_GROUP: Final = 4096
_WAITING_BATCHES: Final = 256
_BATCH_GROUP: Final = 32
_TELL_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Way(Generic[T]):
    """How items of one kind get from their inbox into requests of at most *group*."""

    inbox: Inbox[T]
    signal: Signal
    encode: Callable[[Sequence[T]], Iterator[Request]]
    group: int


class Exporter:
    """
    Sends metrics, spans and log records of this process to the server at *url*.

    One thread reads the registry and encodes; one thread for each signal sends. Only `flush`,
    `shutdown` and `client` block, and only construction raises (`InvalidInputError` for a URL,
    token or CA file that cannot be used). A forked child has, at once, an exporter of its own:
    empty queues, new connections and threads, its own `instance`. *attributes* are further
    resource attributes.
    """

    def __init__(
        self,
        url: str,
        options: ExportOptions,
        *,
        token: str | None = None,
        registry: CollectorRegistry = REGISTRY,
        attributes: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.options = options
        self.registry = registry
        self._endpoint = Endpoint.parse(url, token, options.ca_file)
        self.url = self._endpoint.url
        self.client = ServerClient(self._endpoint, options.timeout_s)
        self._attributes = dict(attributes or {})
        self._clock = clock or SystemClock()
        self._tally = tally_of(registry)
        self._is_closed = False
        ring = self._set_up()
        limit = options.max_waiting_items
        wake = max(limit // _WAKE_PART, 1)
        self._spans: Inbox[ReadableSpan] = Inbox(limit, wake, ring, self._refuser(Signal.SPANS))
        self._records: Inbox[LogRecord] = Inbox(limit, wake, ring, self._refuser(Signal.LOGS))
        self._samples: Inbox[LooseSample] = Inbox(limit, wake, ring, self._refuser(Signal.METRICS))
        self._batches: Inbox[SampleBatch] = Inbox(
            _WAITING_BATCHES, _BATCH_GROUP, ring, self._refuser(Signal.METRICS), weigh=len
        )
        self._processor = ExportSpanProcessor(self._spans.put, self._flush_spans)
        self._start()
        forks.watch(self)

    def add_batch(self, batch: SampleBatch) -> None:
        """Send *batch*; labels `job` and `instance` are added to series that lack them."""
        self._batches.put(batch)

    def add_sample(
        self, name: str, tags: Mapping[str, str], value: float, time_ms: int | None = None
    ) -> None:
        """
        Send one sample, of now if *time_ms* (Unix milliseconds) is None.

        Characters that Prometheus does not take in the name of a metric or label become `_`.
        """
        is_now = time_ms is None
        when = self._clock.now_ms() if time_ms is None else time_ms
        self._samples.put(LooseSample(name, tuple(tags.items()), value, when, is_now))

    def add_log(self, record: LogRecord) -> None:
        """
        Send *record*, unless delivery itself wrote it, which would echo for ever.

        These are the loggers `veriscope.instrument.delivery` and `urllib3`, and whatever any
        logger writes while a thread is at work for delivery.
        """
        if is_unobserved() or record.logger.startswith(OWN_LOGGERS):
            return
        self._records.put(record, len(record.body))

    def span_processor(self) -> "SpanProcessor":
        """Return what to add to a tracer provider; always the same object."""
        return self._processor

    def flush(self, timeout_s: float = 5.0) -> bool:
        """
        Read the registry and send all that was added before; blocks for up to *timeout_s*.

        False where the time was too short or something was dropped meanwhile.
        """
        if self._is_closed:  # nothing waits any more
            return True
        deadline, lost = time.monotonic() + timeout_s, self._lost(*Signal)
        return (
            self._encode_all(deadline)
            and all([lane.flush(deadline) for lane in self._lanes.values()])  # noqa: C419 - each hurries
            and self._lost(*Signal) == lost
        )

    def shutdown(self, timeout_s: float = 5.0) -> bool:
        """
        Send what is left within *timeout_s* and end; what comes later is dropped and counted.

        A server that did not take the last request gets one second at most. False where
        something was dropped. A second call does nothing and returns True.
        """
        if self._is_closed:
            return True
        deadline, lost = time.monotonic() + timeout_s, self._lost(*Signal)
        self._is_closed = True
        self._bell.ring()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(deadline - time.monotonic(), 0.0))
        self._encode_all(deadline)
        for inbox in (self._spans, self._records, self._samples, self._batches):
            inbox.close()
        with unobserved():
            self._encode_waiting(deadline)  # what came between the last two steps
            self._drop_waiting()
            deadlines = [(lane, lane.begin_close(deadline)) for lane in self._lanes.values()]
            for lane, nearer in deadlines:
                lane.finish_close(nearer)
        return self._lost(*Signal) == lost

    def hold(self, timeout_s: float) -> Callable[[], None] | None:
        """
        Keep the encoder from work until the answer is called; None where it did not rest in time.

        A fork while it reads would leave the child with the registry's locks held for ever.
        """
        if not self._gate.acquire(timeout=timeout_s):
            return None
        try:
            is_held = self._turn.acquire(timeout=timeout_s)
        finally:
            self._gate.release()
        return self._turn.release if is_held else None

    def start_over(self) -> None:
        """Become the exporter of a forked child: the parent sends what was its own."""
        if self._is_closed:
            return
        self._tally.start_over()
        ring = self._set_up()
        for inbox in (self._spans, self._records, self._samples, self._batches):
            inbox.start_over(ring)
        self._start()

    def _set_up(self) -> Callable[[], None]:
        """Make all that belongs to one process; return what wakes its encoder."""
        resource = describe_process(self.options.service_name, self._attributes)
        self.resource: Mapping[str, str] = resource
        self._bell = Bell()
        self._turn = threading.RLock()  # held by who reads the registry or encodes
        self._gate = threading.Lock()  # held by who waits for that, lest the encoder start again
        self._told_s = -_TELL_EVERY_S
        self._thread: threading.Thread | None = None
        self._lanes = {
            door.signal: Lane(door, self._endpoint, self.options, self._tally)
            for door in (metrics.DOOR, otlp.SPAN_DOOR, otlp.LOG_DOOR)
        }
        own = {"job": self.options.service_name, "instance": resource["service.instance.id"]}
        self._encode_metrics = MetricEncoder(self.registry, own, self._tally)
        self._encode_spans = SpanEncoder(resource, self._tally)
        self._encode_logs = LogEncoder(resource, self._tally)
        return self._bell.ring

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="veriscope-export", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends: `shutdown` encodes by itself
            return
        self._thread = thread

    def _run(self) -> None:
        """Encode until the end: when the bell rings, and once an interval."""
        options = self.options
        all_s = reading_s = time.monotonic() + options.batch_interval_s
        with unobserved():
            while not self._is_closed:
                self._bell.wait(min(all_s, reading_s) - time.monotonic())
                now = time.monotonic()
                if now >= reading_s:  # readings that were missed are not made up for
                    reading_s = max(reading_s, now - options.metrics_interval_s)
                    reading_s += options.metrics_interval_s
                    self._read_registry()
                self._encode_waiting(only_ripe=now < all_s)
                if now >= all_s:
                    all_s = now + options.batch_interval_s

    def _encode_all(self, deadline: float) -> bool:
        """Read and encode in this thread; False where another kept the turn until *deadline*."""
        with unobserved():
            return self._read_registry(deadline) and self._encode_waiting(deadline)

    def _read_registry(self, deadline: float | None = None) -> bool:
        lane = self._lanes[Signal.METRICS]
        with self._turn_until(deadline) as is_mine:
            if not is_mine:
                return False
            try:
                for request in self._encode_metrics.reading(self._clock.now_ms()):
                    lane.put(request)
            except Exception as error:  # noqa: BLE001 - a collector is the application's code
                self._tally.failed(Signal.METRICS)
                self._tell("cannot read the registry", error)
        return True

    def _encode_waiting(self, deadline: float | None = None, *, only_ripe: bool = False) -> bool:
        """Encode what waits: with a *deadline* all of it, else what need not wait for company."""
        encode = self._encode_metrics
        ways: tuple[_Way[Any], ...] = (
            _Way(self._batches, Signal.METRICS, encode.batches, _BATCH_GROUP),
            _Way(self._samples, Signal.METRICS, encode.samples, _SAMPLE_GROUP),
            _Way(self._spans, Signal.SPANS, self._encode_spans, _GROUP),
            _Way(self._records, Signal.LOGS, self._encode_logs, _GROUP),
        )
        return all(self._drain(way, deadline, only_ripe=only_ripe) for way in ways)

    def _drain(self, way: _Way[T], deadline: float | None, *, only_ripe: bool) -> bool:
        """Encode what waits, a group at a time; False past *deadline*."""
        inbox, lane = way.inbox, self._lanes[way.signal]
        for _ in range(1 + len(inbox) // way.group):  # and not for ever, however fast they come
            # Behind requests that wait, the next one gathers: a minute without the server leaves a
            # few large ones, and who is woken for one signal makes no small ones of the others.
            if deadline is None and not inbox.is_ripe and (only_ripe or lane.is_busy):
                return True
            # A turn for each group, so that a fork need not wait for all of them.
            with self._turn_until(deadline) as is_mine:
                if not is_mine:
                    return False
                items = inbox.take(way.group)
                if not items:
                    return True
                try:
                    for request in way.encode(items):
                        lane.put(request)
                except Exception as error:  # noqa: BLE001 - the items are the application's objects
                    lost = sum(map(inbox.weigh, items))
                    self._tally.dropped(way.signal, Reason.UNENCODABLE, lost)
                    self._tell(f"cannot encode {way.signal}", error)
        return True

    def _drop_waiting(self) -> None:
        """Count what could not be encoded in time: a collector hangs, or the time was nought."""
        for signal, inbox in (
            (Signal.SPANS, self._spans),
            (Signal.LOGS, self._records),
            (Signal.METRICS, self._samples),
            (Signal.METRICS, self._batches),
        ):
            items: list[Any] = inbox.take(len(inbox))
            self._tally.dropped(signal, Reason.SHUTDOWN, sum(map(inbox.weigh, items)))

    @contextmanager
    def _turn_until(self, deadline: float | None) -> Iterator[bool]:
        """Take the turn to read or encode; the value is False where that failed."""
        with self._gate:
            pass
        left_s = -1.0 if deadline is None else max(deadline - time.monotonic(), 0.0)
        is_mine = self._turn.acquire(timeout=left_s)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._turn.release()

    def _flush_spans(self, timeout_s: float) -> bool:
        if self._is_closed:
            return True
        deadline, lost = time.monotonic() + timeout_s, self._lost(Signal.SPANS)
        return (
            self._encode_all(deadline)
            and self._lanes[Signal.SPANS].flush(deadline)
            and self._lost(Signal.SPANS) == lost
        )

    def _refuser(self, signal: Signal) -> Callable[[int], None]:
        def refuse(items: int) -> None:
            reason = Reason.CLOSED if self._is_closed else Reason.INBOX_FULL
            self._tally.dropped(signal, reason, items)

        return refuse

    def _lost(self, *signals: Signal) -> int:
        return sum(self._tally.dropped_items(signal) for signal in signals)

    def _tell(self, text: str, error: Exception) -> None:
        if time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._told_s = time.monotonic()
            _log.warning(f"{text}: {type(error).__name__}: {error}")
