"""Texts and mails of notifications, expanded as Alertmanager expands them."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final

from veriscope.signals import Clock, SystemClock
from veriscope.templates.functions.alertmanager import FUNCTIONS, HTML_FUNCTIONS, functions
from veriscope.templates.functions.calls import Function
from veriscope.templates.functions.limits import Budget
from veriscope.templates.html.writer import HtmlWriter
from veriscope.templates.language.evaluate import Execution
from veriscope.templates.language.nodes import Template
from veriscope.templates.language.parser import parse
from veriscope.templates.language.writers import TextWriter, Writer
from veriscope.templates.times import GoTime
from veriscope.templates.values import Record

_NAMES: Final = frozenset({*FUNCTIONS, "since"})
_DEFAULTS: Final = ("default.tmpl", "mail.tmpl")
_CACHED: Final = 1_000


class NotificationTemplates:
    """
    The templates of *files*, pairs of name and text, over those that come with Veriscope.

    A template that a file defines wins over one of the same name that was there before. Raises
    `TemplateError` where a file does not parse. Safe to use from several threads.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, str]],
        external_url: str,
        clock: Clock | None = None,
    ) -> None:
        self.external_url = external_url
        self._clock = clock or SystemClock()
        self._templates = dict(_defaults())
        self._parsed: dict[str, Mapping[str, Template]] = {}
        for name, text in files:
            self._define(parse(name, text, _NAMES))

    def text(self, text: str, data: Record) -> str:
        """Carry out *text* on *data*; raises `TemplateError`."""
        return text if "{{" not in text else self._run(text, data, TextWriter(), {})

    def html(self, text: str, data: Record) -> str:
        """
        Carry out *text* on *data*, each value escaped for its place in the HTML.

        Raises `TemplateError`, also where a value stands where no escaping makes it safe: inside
        `<script>` and in attributes that hold scripts.
        """
        return self._run(text, data, HtmlWriter(), HTML_FUNCTIONS)

    def check(self, text: str, name: str) -> None:
        """Parse *text* only; raises `TemplateError`."""
        parse(name, text, _NAMES)

    def _run(self, text: str, data: Record, writer: Writer, instead: Mapping[str, Function]) -> str:
        templates = {**self._templates, **self._parse(text)}
        now = GoTime.of_ms(self._clock.now_ms())
        budget = Budget()
        Execution(templates, {**functions(now), **instead}, writer, budget).run_safely("", data)
        return str(writer)

    def _parse(self, text: str) -> Mapping[str, Template]:
        parsed = self._parsed.get(text)
        if parsed is None:
            if len(self._parsed) >= _CACHED:
                self._parsed.clear()
            parsed = self._parsed[text] = parse("", text, _NAMES)
        return parsed

    def _define(self, templates: Mapping[str, Template]) -> None:
        for name, template in templates.items():
            if name not in self._templates or not template.is_empty:
                self._templates[name] = template


@cache
def _defaults() -> Mapping[str, Template]:
    """Return the templates that come with Veriscope."""
    found: dict[str, Template] = {}
    for name in _DEFAULTS:
        text = resources.files("veriscope.templates").joinpath("defaults", name).read_text("utf-8")
        found.update(parse(name, text, _NAMES))
    return found
