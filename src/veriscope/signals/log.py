"""A log that fits into any host program: the library must not decide where its records go."""

import logging
from typing import Any

import structlog


class Log:
    """
    Events with key-values, under *name*.

    They go to structlog where the program has configured it, and to the standard library's
    logging elsewhere; structlog's own default would print them on the program's standard output.
    """

    def __init__(self, name: str) -> None:
        self._standard = logging.getLogger(name)
        self._structured = structlog.get_logger(name)

    def debug(self, event: str, **values: Any) -> None:
        """Record what helps in finding a fault."""
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, **values: Any) -> None:
        """Record what went as it should."""
        self._write(logging.INFO, event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Record what somebody should look at."""
        self._write(logging.WARNING, event, values)

    def error(self, event: str, **values: Any) -> None:
        """Record a failure."""
        self._write(logging.ERROR, event, values)

    def exception(self, event: str, **values: Any) -> None:
        """Record a failure with the exception that is being handled."""
        self._write(logging.ERROR, event, {"exc_info": True, **values})

    def _write(self, level: int, event: str, values: dict[str, Any]) -> None:
        if structlog.is_configured():
            # `log` of an unbound lazy proxy would freeze today's configuration.
            self._structured.bind().log(level, event, **values)
            return
        exc_info = values.pop("exc_info", None)
        said = " ".join(f"{key}={value!r}" for key, value in values.items())
        text = f"{event} {said}" if said else event
        self._standard.log(level, "%s", text, exc_info=exc_info, stacklevel=3)


def get_log(name: str) -> Log:
    """Return the log of the module *name*."""
    return Log(name)
