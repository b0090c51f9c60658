"""
The errors of a query.

InvalidInputError (signals)
└── QueryError                 the query gave no answer
    ├── ParseError             the text is no expression of the language; carries the position
    ├── ExecutionError         the expression cannot be answered on this data
    │   └── UnsupportedError   ... because Veriscope does not know this part of the language yet
    ├── QueryTooLargeError     an intermediate result passes a limit; carries wanted and limit
    └── QueryTimeoutError      the time allowed has passed; carries the time
"""

from veriscope.signals import InvalidInputError


class QueryError(InvalidInputError):
    """A query gave no answer, and will give none if it is repeated as it is."""


class ParseError(QueryError):
    """The text is no expression; `position` is the 0-based offset of the fault, where known."""

    def __init__(self, message: str, *, text: str, position: int | None = None) -> None:
        where = "" if position is None else f"{line_and_column(text, position)}: "
        super().__init__(f"{where}parse error: {message}")
        self.position = position


class ExecutionError(QueryError):
    """The expression is well-formed but has no answer, such as an ambiguous vector match."""


class UnsupportedError(ExecutionError):
    """The expression is valid PromQL that Veriscope does not evaluate yet."""


class QueryTooLargeError(QueryError):
    """A result on the way would hold more samples than `QueryOptions.max_samples` allows."""

    def __init__(self, *, wanted: int, limit: int) -> None:
        super().__init__(
            "query processing would load too many samples into memory in query execution: "
            f"{wanted:,} wanted, {limit:,} allowed; select fewer series, a shorter range or a "
            "longer step, or raise query.max_samples"
        )
        self.wanted = wanted
        self.limit = limit


class QueryTimeoutError(QueryError):
    """The query ran for longer than `QueryOptions.timeout`."""

    def __init__(self, *, timeout_ms: int) -> None:
        super().__init__(
            f"query timed out after {timeout_ms / 1000:g} s; select fewer series or a shorter "
            "range, or raise query.timeout"
        )
        self.timeout_ms = timeout_ms


def line_and_column(text: str, position: int) -> str:
    """Return `line:column`, both from 1, as Prometheus prints positions (columns in bytes)."""
    before = text[:position]
    column = len(before[before.rfind("\n") + 1 :].encode()) + 1
    return f"{before.count(chr(10)) + 1}:{column}"
