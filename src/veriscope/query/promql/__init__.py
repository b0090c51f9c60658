"""PromQL: parse, plan, fetch, combine whole arrays, answer."""

from veriscope.query.promql.answer import encode
from veriscope.query.promql.ast import Expr, ValueType, value_type
from veriscope.query.promql.engine import PromqlEngine, QueryResult, QueryStats, ResultKind
from veriscope.query.promql.parse import parse
from veriscope.query.promql.selector import parse_matchers
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
