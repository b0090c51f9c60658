"""Texts and mails of notifications, expanded as Alertmanager expands them."""

from collections.abc import Sequence

from veriscope.templates.values import Record


class NotificationTemplates:
    """
    The templates of *files*, pairs of name and text, over those that come with Veriscope.

    A template that a file defines wins over one of the same name that was there before. Raises
    `TemplateError` where a file does not parse. Safe to use from several threads.
    """

    def __init__(self, files: Sequence[tuple[str, str]], external_url: str) -> None:
        self._files = tuple(files)
        self._external_url = external_url

    def text(self, text: str, data: Record) -> str:
        """Carry out *text* on *data*; raises `TemplateError`."""
        raise NotImplementedError

    def html(self, text: str, data: Record) -> str:
        """Carry out *text* on *data*, each value escaped for its place in the HTML."""
        raise NotImplementedError

    def check(self, text: str, name: str) -> None:
        """Parse *text* only; raises `TemplateError`."""
        raise NotImplementedError
