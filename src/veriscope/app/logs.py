"""The server's own log: structured records on standard error."""

import logging
import sys
from typing import Final

import structlog

from veriscope.app.config import ConfigError, LogOptions

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_logs(options: LogOptions) -> None:
    """Send every record of this process, the libraries' too, through one renderer."""
    if options.level not in _LEVELS:
        raise ConfigError(f"log.level {options.level!r} is none of {', '.join(_LEVELS)}")
    if options.format not in ("auto", "json", "console"):
        raise ConfigError(f"log.format {options.format!r} is none of auto, json, console")
    console = options.format == "console" or (options.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[options.level])
    # Its start and stop are told by the server that runs it.
    logging.getLogger("uvicorn.error").setLevel(max(_LEVELS[options.level], logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[options.level]),
        cache_logger_on_first_use=True,
    )
