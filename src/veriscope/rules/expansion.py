"""The texts of a rule: its labels and annotations, templates of Go, filled in for one element."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import structlog

from veriscope.query.promql import QueryResult, ResultKind
from veriscope.rules.alerting import ALERT_NAME, Found
from veriscope.rules.errors import RuleError
from veriscope.rules.files import Rule
from veriscope.signals import METRIC_NAME, Labels, LabelSets, Matrix, to_labels
from veriscope.templates import TemplateError
from veriscope.templates.prometheus import RuleTemplates

_log = structlog.get_logger(__name__)
_ACTION: Final = "{{"
_QUERY: Final = "query"

Query: TypeAlias = Callable[[str, int], QueryResult]
"""Gives the value of an expression at a time in Unix milliseconds; blocks."""


class Expander:
    """Fills in the texts of rules; *query* answers what they ask for at the evaluation's time."""

    def __init__(self, templates: RuleTemplates, query: Query) -> None:
        self._templates = templates
        self._query = query

    def expand(
        self, text: str, labels: Mapping[str, str], value: float, at: tuple[str, int]
    ) -> str:
        """
        Return *text* for an element with *labels* and *value*; *at* is the rule's name and time.

        A text that fails becomes what is wrong with it, as in Prometheus: an alert goes out all
        the same. May ask questions, so call it in a thread.
        """
        if _ACTION not in text:
            return text
        name, time_ms = at
        try:
            return self._templates.expand(
                text,
                labels=labels,
                value=value,
                query=lambda expr: elements(as_vector(self._query(expr, time_ms), expr)),
                name=name,
                time_ms=time_ms,
            )
        except TemplateError as error:
            _log.warning("alert_template_failed", alert=name, error=str(error))
            return f"<error expanding template: {error}>"


class RuleTexts:
    """The labels and annotations of one alerting rule."""

    def __init__(self, rule: Rule, group_labels: Mapping[str, str], expander: Expander) -> None:
        self._name = rule.alert
        self._labels = sorted({**group_labels, **rule.labels}.items())
        self._annotations = sorted(rule.annotations.items())
        self._expander = expander
        texts = [text for _, text in (*self._labels, *self._annotations)]
        actions = [text for text in texts if _ACTION in text]
        self.has_templates = bool(actions)
        """Whether any text is more than itself."""
        self.asks = any(_QUERY in text for text in actions)
        """Whether any text may ask a question, which must not hold up others."""

    def found(self, labels: Labels, value: float, time_ms: int) -> Found:
        """Return the alert that an element of the rule's vector is; may ask questions."""
        own = dict(labels)
        at = (self._name, time_ms)
        expand = self._expander.expand
        given = {name: value for name, value in own.items() if name != METRIC_NAME}
        given |= {name: expand(text, own, value, at) for name, text in self._labels}
        given[ALERT_NAME] = self._name
        texts = {name: expand(text, own, value, at) for name, text in self._annotations}
        # Unlike a label, an annotation may be empty.
        return Found(to_labels(given), tuple(sorted(texts.items())), value)


def as_vector(result: QueryResult, name: str) -> Matrix:
    """Return what the rule *name* gives as a vector; raises `RuleError` where it is neither."""
    value = result.value
    if isinstance(value, Matrix) and result.kind is ResultKind.VECTOR:
        return value
    if result.kind is not ResultKind.SCALAR:
        raise RuleError(f"{name} gives a {result.kind}; a rule takes a vector or a scalar")
    values = np.asarray(value, dtype=np.float64).reshape(1, 1)
    return Matrix(LabelSets(((),)), result.grid, values, np.ones((1, 1), dtype=np.bool_))


def elements(vector: Matrix) -> list[tuple[Labels, float]]:
    """Return labels and value of each element; a native histogram counts as zero."""
    values = vector.values[:, 0]
    if vector.histograms is not None:
        values = values.copy()
        values[vector.histograms.rows] = 0.0
    return list(zip(vector.labels, values.tolist(), strict=True))
