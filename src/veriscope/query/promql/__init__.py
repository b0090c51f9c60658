"""
PromQL: parse, plan, fetch, combine whole arrays, answer.

Each name is loaded when it is first used: who only parses needs no compiled kernels.
"""

from typing import TYPE_CHECKING, Final

from veriscope.signals.lazy import lazy_names

if TYPE_CHECKING:
    from veriscope.query.promql.ast import Expr, ValueType, value_type
    from veriscope.query.promql.encoding import encode
    from veriscope.query.promql.engine import PromqlEngine
    from veriscope.query.promql.matchers import parse_matchers
    from veriscope.query.promql.parser import parse
    from veriscope.query.promql.result import QueryResult, QueryStats, ResultKind
    from veriscope.query.promql.source import SeriesSource

__all__ = [
    "Expr",
    "PromqlEngine",
    "QueryResult",
    "QueryStats",
    "ResultKind",
    "SeriesSource",
    "ValueType",
    "encode",
    "parse",
    "parse_matchers",
    "value_type",
]

_HOMES: Final = {
    "Expr": ".ast",
    "PromqlEngine": ".engine",
    "QueryResult": ".result",
    "QueryStats": ".result",
    "ResultKind": ".result",
    "SeriesSource": ".source",
    "ValueType": ".ast",
    "encode": ".encoding",
    "parse": ".parser",
    "parse_matchers": ".matchers",
    "value_type": ".ast",
}

__getattr__ = lazy_names(__name__, _HOMES)
