"""Evaluates the conditions of rules on log records and on spans."""

import operator
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from veriscope.query import logs, traces
from veriscope.query.promql import QueryResult, QueryStats, ResultKind
from veriscope.query.promql.vectors import rows
from veriscope.rules.conditions import LogCondition, TraceCondition, parse_threshold
from veriscope.rules.files import Rule
from veriscope.signals import FetchLimits, Grid, LabelSets, Matrix, to_labels
from veriscope.signals.searches import Figure, Search, Tally, TallySource

_Passes: TypeAlias = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]

_PASSES: Final[Mapping[str, _Passes]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class ConditionSearch:
    """Searches *records* and *spans*, each held to *limits*; from any thread, calls block."""

    def __init__(self, records: TallySource, spans: TallySource, limits: FetchLimits) -> None:
        self._records = records
        self._spans = spans
        self._limits = limits

    def search(self, rule: Rule, time_ms: int) -> QueryResult:
        """
        Return what the condition of *rule* gives at *time_ms*, as an instant vector.

        Where there is a threshold only the values that pass it are there. Raises `VeriscopeError`.
        """
        source = rule.source
        if source is None:
            raise ValueError(f"rule {rule.name} has an expression, and no condition to search")
        vector = self._vector(source, time_ms)
        if rule.threshold:
            threshold = parse_threshold(rule.threshold, source.value)
            kept = _PASSES[threshold.op](vector.values[:, 0], threshold.number)
            vector = rows(vector, np.flatnonzero(kept))
        return QueryResult(ResultKind.VECTOR, vector.grid, vector, (), (), QueryStats(0.0))

    def _vector(self, source: LogCondition | TraceCondition, time_ms: int) -> Matrix:
        if isinstance(source, LogCondition):
            asked, language = self._records, (logs.parse, logs.group_field)
        else:
            asked, language = self._spans, (traces.parse, traces.group_field)
        parse, group_field = language
        search = Search(parse(source.query), time_ms - source.window, time_ms)
        fields = tuple(group_field(name) for name in source.by)
        rate = source.value == "rate"
        figure = Figure.COUNT if rate else Figure(source.value)
        tally = Tally(search, figure, tuple(field for field, _ in fields))
        groups = asked.tally(tally, self._limits)
        names = [label for _, label in fields]
        labels = LabelSets(to_labels(zip(names, key, strict=True)) for key in groups.keys)
        values = groups.values / source.window.seconds if rate else groups.values
        present = np.ones((len(labels), 1), dtype=np.bool_)
        return Matrix(labels, Grid.instant(time_ms), values.reshape(-1, 1), present)
