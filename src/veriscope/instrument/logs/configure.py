"""`configure_logging`: one call that sets a process' logging up."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypedDict, Unpack

import structlog
from msgspec.structs import replace
from prometheus_client import REGISTRY, CollectorRegistry

from veriscope.instrument.delivery import suggest_service_name
from veriscope.instrument.forking import ForkLock
from veriscope.instrument.logs.console import ConsoleSink
from veriscope.instrument.logs.files import SharedLogFile
from veriscope.instrument.logs.handler import PipelineHandler
from veriscope.instrument.logs.metrics import LogMetrics, metrics_of
from veriscope.instrument.logs.options import LoggingOptions
from veriscope.instrument.logs.rate import RateLimit
from veriscope.instrument.logs.scrub import Scrubber
from veriscope.instrument.logs.shipping import ServerSink
from veriscope.signals import InvalidInputError


class LoggingSettings(TypedDict, total=False):
    """The fields of `LoggingOptions`, as keyword arguments of `configure_logging`."""

    level: str
    directory: str | Path
    console: Literal["auto", "json", "console", "off"]
    max_bytes: int
    backups: int
    file_mode: int
    security_file_mode: int
    capture_root: bool
    rate_limit: float
    error_rate_limit: float
    redact: tuple[str, ...]
    redact_patterns: tuple[str, ...]
    max_value_chars: int
    max_record_bytes: int
    max_depth: int
    ship: bool


class _Takeover:
    """A logger that was given one of our handlers, and how it was before."""

    def __init__(
        self, logger: logging.Logger, handler: PipelineHandler, level: int, *, alone: bool
    ) -> None:
        self._logger = logger
        self._handler = handler
        self._level = logger.level
        self._propagate = logger.propagate
        self._replaced = list(logger.handlers) if alone else []
        logger.handlers[:] = [handler] if alone else [*logger.handlers, handler]
        logger.setLevel(level)
        logger.propagate = logger.propagate and not alone

    def undo(self) -> None:
        """Put the logger back, with the handlers that it got meanwhile."""
        others = [handler for handler in self._logger.handlers if handler is not self._handler]
        self._logger.handlers[:] = [*self._replaced, *others]
        self._logger.setLevel(self._level)
        self._logger.propagate = self._propagate


class LoggingHandle:
    """What `configure_logging` set up."""

    def __init__(
        self,
        path: Path,
        security_path: Path,
        handlers: Sequence[PipelineHandler],
        taken: Sequence[_Takeover],
    ) -> None:
        self.path = path
        """Where records go."""
        self.security_path = security_path
        """Where the records of `<service>.security` go."""
        self._handlers = handlers
        self._taken = taken
        self._structlog_before = structlog.get_config() if structlog.is_configured() else None
        self._is_in_force = True

    def flush(self) -> None:
        """Write what is known of suppressed records now."""
        for handler in self._handlers:
            handler.flush()

    def reset(self) -> None:
        """Put loggers and structlog back as they were; does nothing the second time."""
        with _lock:
            self._undo()

    def _undo(self) -> None:
        if not self._is_in_force:
            return
        self._is_in_force = False
        for logger in self._taken:
            logger.undo()
        if self._structlog_before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**self._structlog_before)
        for handler in self._handlers:
            handler.close()


_lock: Final = ForkLock()
_handles: Final[list[LoggingHandle]] = []
"""The one that is in force, if any."""


def configure_logging(
    service_name: str = "genrf",
    *,
    options: LoggingOptions | None = None,
    registry: CollectorRegistry = REGISTRY,
    **settings: Unpack[LoggingSettings],
) -> LoggingHandle:
    """
    Send the records of structlog and of `logging` through one pipeline.

    *settings* are fields of `LoggingOptions`, over those of *options*. Records go to
    `<directory>/<service_name>.log` as JSON lines, to standard error, and to the server where
    `veriscope.configure` has one. The logger `<service_name>.security` has a file of its own,
    `<service_name>-security.log`, takes every level, and appears nowhere else.

    A second call replaces what the first one set up. Raises `InvalidInputError` where a setting
    or the name is wrong; a directory that cannot be written is reported on the console and
    tried again with each record.
    """
    if not service_name or "/" in service_name or service_name.startswith("."):
        raise InvalidInputError(f"{service_name!r} cannot be a file's name; use letters and dashes")
    try:
        chosen = replace(options or LoggingOptions(), **settings)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInputError(f"configure_logging: {error}") from error
    suggest_service_name(service_name)
    with _lock:
        for former in _handles:
            former._undo()  # noqa: SLF001 - `reset` would take the lock again
        _handles[:] = [_apply(service_name, chosen, metrics_of(registry))]
        return _handles[0]


def _apply(service_name: str, options: LoggingOptions, metrics: LogMetrics) -> LoggingHandle:
    directory = Path(options.directory).absolute()
    path = directory / f"{service_name}.log"
    security_path = directory / f"{service_name}-security.log"
    everything = _handler(path, options.file_mode, options, metrics, everywhere=True)
    guarded = _handler(
        security_path, options.security_file_mode, options, metrics, everywhere=False
    )
    taken = [
        _Takeover(logging.getLogger(name), handler, level, alone=True)
        for name, handler, level in (
            (service_name, everything, options.levelno),
            (f"{service_name}.security", guarded, logging.DEBUG),
        )
    ]
    if options.capture_root:
        taken.append(_Takeover(logging.getLogger(), everything, options.levelno, alone=False))
    handle = LoggingHandle(path, security_path, (everything, guarded), taken)
    _configure_structlog()
    return handle


def _handler(
    path: Path, mode: int, options: LoggingOptions, metrics: LogMetrics, *, everywhere: bool
) -> PipelineHandler:
    """Return a handler of *path*; only one for *everywhere* shows, ships and limits records."""
    limited = everywhere and (options.rate_limit or options.error_rate_limit)
    return PipelineHandler(
        file=SharedLogFile(path, max_bytes=options.max_bytes, backups=options.backups, mode=mode),
        console=ConsoleSink(options.console) if everywhere and options.console != "off" else None,
        server=ServerSink() if everywhere and options.ship else None,
        scrubber=Scrubber(options),
        limit=RateLimit(options.rate_limit, options.error_rate_limit, time.monotonic)
        if limited
        else None,
        metrics=metrics,
        max_record_bytes=options.max_record_bytes,
    )


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A module's logger is often made before this call, and a later call may change it.
        cache_logger_on_first_use=False,
    )
