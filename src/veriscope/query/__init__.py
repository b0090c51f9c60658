"""Asking: each query language is parsed, planned, fetched and combined here."""

from veriscope.query.errors import (
    ExecutionError,
    ParseError,
    QueryError,
    QueryTimeoutError,
    QueryTooLargeError,
    UnsupportedError,
)
from veriscope.query.options import QueryOptions, RollupUse

__all__ = [
    "ExecutionError",
    "ParseError",
    "QueryError",
    "QueryOptions",
    "QueryTimeoutError",
    "QueryTooLargeError",
    "RollupUse",
    "UnsupportedError",
]
