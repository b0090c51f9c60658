"""The console: what standard error shows of an event."""

import sys
from collections.abc import Mapping
from typing import Any

from structlog.dev import ConsoleRenderer, plain_traceback


class ConsoleSink:
    """
    Writes to whatever `sys.stderr` is at the time: JSON lines, or text for people.

    Raises `OSError` or `ValueError` where standard error is closed or gone.
    """

    def __init__(self, style: str) -> None:
        self._style = style
        self._renderers = {
            colors: ConsoleRenderer(
                colors=colors, event_key="message", exception_formatter=plain_traceback
            )
            for colors in (False, True)
        }

    def write(self, event: Mapping[str, Any], line: bytes) -> None:
        """Show *event*, of which *line* is the JSON."""
        stream = sys.stderr
        if stream is None:
            return
        terminal = stream.isatty()
        if self._style == "json" or (self._style == "auto" and not terminal):
            stream.write(line.decode())
        else:
            stream.write(self._text(event, colors=terminal) + "\n")
        stream.flush()

    def _text(self, event: Mapping[str, Any], *, colors: bool) -> str:
        shown = dict(event)
        shown["level"] = str(shown["level"]).lower()
        raised = shown.get("exception")
        if isinstance(raised, dict):
            shown["exception"] = str(raised.get("stacktrace", "")).rstrip()
        return str(self._renderers[colors](None, "", shown))
