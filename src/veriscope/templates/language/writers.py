"""Where templates write, and those for plain text."""

from typing import Protocol

from veriscope.templates.functions.limits import Output
from veriscope.templates.functions.printing import text_of
from veriscope.templates.values import Value


class Writer(Protocol):
    """Takes what a template writes."""

    def text(self, text: str) -> None:
        """Take the template's own *text*."""

    def value(self, value: Value) -> None:
        """Take what an action gave."""


class TextWriter(Output):
    """Takes text and values as they are."""

    def text(self, text: str) -> None:
        """Append the template's own *text*."""
        self.add(text)

    def value(self, value: Value) -> None:
        """Append what an action gave."""
        self.add(text_of(value))
