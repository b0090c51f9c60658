"""Labels and annotations of rules, expanded as Prometheus expands them."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from veriscope.signals import InvalidInputError, Labels
from veriscope.templates.errors import TemplateError
from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.functions.limits import Budget
from veriscope.templates.functions.prometheus import FUNCTIONS
from veriscope.templates.language.evaluate import Execution
from veriscope.templates.language.nodes import Template
from veriscope.templates.language.parser import parse
from veriscope.templates.language.writers import TextWriter
from veriscope.templates.values import Listing, Record, StringMap, Value

Query: TypeAlias = Callable[[str], Sequence[tuple[Labels, float]]]
"""Runs PromQL at the time of the evaluation; raises `InvalidInputError` on what is no query."""

_DEFINITIONS: Final = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
_NAMES: Final = frozenset({*FUNCTIONS, "query", "tmpl", "now", "pathPrefix", "externalURL"})


class RuleTemplates:
    """Expands the texts of rules; safe to use from several threads."""

    def __init__(self, external_labels: Mapping[str, str], external_url: str) -> None:
        self._external_labels = StringMap(external_labels)
        self._external_url = external_url
        self._path = urlsplit(external_url).path

    def expand(
        self,
        text: str,
        *,
        labels: Mapping[str, str],
        value: float,
        query: Query,
        name: str,
        time_ms: int,
    ) -> str:
        """
        Return *text* with its actions carried out for one alert of the rule *name*.

        *time_ms* is the time of the evaluation, which `now` gives. Raises `TemplateError`.
        """
        if "{{" not in text:
            return text
        templates = _parse(f"__alert_{name}", text)
        writer, budget = TextWriter(), Budget()
        functions: dict[str, Function] = {
            **FUNCTIONS,
            "query": Function(lambda expr: _samples(query, expr), (Kind.STRING,)),
            "now": Function(lambda: time_ms / 1000),
            "pathPrefix": Function(lambda: self._path),
            "externalURL": Function(lambda: self._external_url),
        }
        execution = Execution(templates, functions, writer, budget)
        functions["tmpl"] = Function(execution.written_by, (Kind.STRING, Kind.ANY))
        try:
            execution.run_safely(f"__alert_{name}", self._data(labels, value))
        except TemplateError as error:
            raise TemplateError(f"error executing template __alert_{name}: {error}") from error
        return str(writer)

    def check(self, text: str, name: str) -> None:
        """Parse *text* only; raises `TemplateError`."""
        _parse(f"__alert_{name}", text)

    def _data(self, labels: Mapping[str, str], value: float) -> Record:
        return Record(
            {
                "Labels": StringMap(labels),
                "ExternalLabels": self._external_labels,
                "ExternalURL": self._external_url,
                "Value": value,
            },
            type_name="struct { Labels map[string]string; ExternalLabels map[string]string;"
            " ExternalURL string; Value float64 }",
        )


@lru_cache(4096)
def _parse(name: str, text: str) -> Mapping[str, Template]:
    try:
        return parse(name, _DEFINITIONS + text, _NAMES)
    except TemplateError as error:
        raise TemplateError(f"error parsing template {name}: {error}") from error


def _samples(query: Query, expr: str) -> Listing:
    try:
        found = query(expr)
    except InvalidInputError as error:
        raise CallError(str(error)) from error
    samples: list[Value] = [
        Record({"Labels": StringMap(dict(labels)), "Value": float(value)}, type_name=Kind.SAMPLE)
        for labels, value in found
    ]
    return Listing(samples, type_name=Kind.VECTOR)
