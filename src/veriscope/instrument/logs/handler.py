"""The one handler: a record is read, scrubbed and encoded once, then goes to each destination."""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, cast

import msgspec

from veriscope.instrument.disk import failure_reason
from veriscope.instrument.logs.console import ConsoleSink
from veriscope.instrument.logs.event import level_name, read_record
from veriscope.instrument.logs.files import SharedLogFile
from veriscope.instrument.logs.metrics import LogMetrics
from veriscope.instrument.logs.rate import RateLimit
from veriscope.instrument.logs.scrub import Scrubber
from veriscope.instrument.logs.shipping import ServerSink

_HEAD: Final = ("timestamp", "level", "logger", "message", "trace_id", "span_id")
_HEAD_CHARS: Final = 128
_OWN_LOGGER: Final = "veriscope.instrument.logs"


class PipelineHandler(logging.Handler):
    """
    Writes records to a file, the console and the server, and raises nothing.

    What a destination cannot take is counted in `veriscope_log_dropped_total`; the others get
    the record all the same.
    """

    def __init__(
        self,
        *,
        file: SharedLogFile,
        console: ConsoleSink | None,
        server: ServerSink | None,
        scrubber: Scrubber,
        limit: RateLimit | None,
        metrics: LogMetrics,
        max_record_bytes: int,
    ) -> None:
        super().__init__()
        self._file = file
        self._console = console
        self._server = server
        self._scrubber = scrubber
        self._limit = limit
        self._metrics = metrics
        self._max_record_bytes = max_record_bytes
        self._encoder = msgspec.json.Encoder()
        self._lost = 0
        self._outgoing: list[tuple[logging.LogRecord, dict[str, Any]]] = []

    @property
    def ships(self) -> bool:
        """Whether records go to the server as well."""
        return self._server is not None

    def handle(self, record: logging.LogRecord) -> bool:
        """Deliver *record* where the filters let it through; whether they did."""
        # From Python 3.12 on, a filter may put another record in the place of the first.
        admitted = cast("bool | logging.LogRecord", self.filter(record))
        if admitted:
            self.emit(admitted if isinstance(admitted, logging.LogRecord) else record)
        return bool(admitted)

    def emit(self, record: logging.LogRecord) -> None:
        """Deliver *record*."""
        self._locked(partial(self._take, record))

    def flush(self) -> None:
        """Tell what was suppressed so far."""
        self._locked(partial(self._tell_suppressed, at_once=True))

    def close(self) -> None:
        """Tell what was suppressed and close the file; a later record opens it again."""
        self.flush()
        self._locked(self._file.close)
        super().close()

    def _locked(self, step: Callable[[], None]) -> None:
        """Run *step* under the lock, and hand what it delivered to the server without it."""
        self.acquire()
        try:
            step()
        except Exception:  # noqa: BLE001 - logging must never fail the application
            self._metrics.dropped.labels("error").inc()
        finally:
            outgoing, self._outgoing = self._outgoing, []
            self.release()
        # The exporter has locks of its own, and may log while it holds one.
        for record, event in outgoing:
            self._ship(record, event)

    def _take(self, record: logging.LogRecord) -> None:
        self._tell_suppressed()
        if self._limit is None or self._limit.admit(record.name, record.levelno):
            self._deliver(record)
        else:
            self._metrics.dropped.labels("rate_limited").inc()

    def _deliver(self, record: logging.LogRecord) -> None:
        event, redacted, truncated = self._scrubber.scrub(read_record(record))
        line = self._encoder.encode(event) + b"\n"
        if len(line) > self._max_record_bytes:
            truncated = True
            line = self._encoder.encode(_head(event)) + b"\n"
        if redacted:
            self._metrics.redacted.inc(redacted)
        if truncated:
            self._metrics.truncated.inc()
        self._metrics.records.labels(event["level"]).inc()
        self._write(line)
        self._show(event, line)
        if self._server is not None:
            self._outgoing.append((record, event))

    def _write(self, line: bytes) -> None:
        try:
            self._file.append(line)
        except OSError as error:
            self._metrics.dropped.labels(failure_reason(error)).inc()
            self._lost += 1
            if self._lost == 1:
                self._say(
                    logging.ERROR,
                    "log file cannot be written",
                    path=str(self._file.path),
                    reason=str(error),
                )
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self._say(
                logging.WARNING,
                "log file is written again",
                path=str(self._file.path),
                lost_records=lost,
            )

    def _show(self, event: Mapping[str, Any], line: bytes) -> None:
        if self._console is None:
            return
        try:
            self._console.write(event, line)
        except (OSError, ValueError):
            self._metrics.dropped.labels("console_error").inc()

    def _ship(self, record: logging.LogRecord, event: Mapping[str, Any]) -> None:
        if self._server is None:
            return
        try:
            self._server.send(record, event)
        except Exception:  # noqa: BLE001 - a broken exporter must not cost the other records
            self._metrics.dropped.labels("ship_error").inc()

    def _tell_suppressed(self, *, at_once: bool = False) -> None:
        if self._limit is None:
            return
        for logger, levelno, count in self._limit.take_suppressed(at_once=at_once):
            self._say(
                logging.WARNING,
                f"suppressed {count} records",
                suppressed_logger=logger,
                suppressed_level=level_name(levelno),
                suppressed=count,
            )

    def _say(self, levelno: int, message: str, **fields: object) -> None:
        """Deliver a record of the handler's own."""
        self._deliver(
            logging.makeLogRecord(
                {
                    "name": _OWN_LOGGER,
                    "levelno": levelno,
                    "msg": message,
                    "created": time.time(),
                    **fields,
                }
            )
        )


def _head(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record must keep, of one that even cut values did not make small enough."""
    head = {name: str(event[name])[:_HEAD_CHARS] for name in _HEAD if name in event}
    return {**head, "truncated": True}
