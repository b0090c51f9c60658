"""The PromQL expression tree: frozen, hashable, and checked by the parser."""

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from veriscope.signals import Matcher

Span: TypeAlias = tuple[int, int]
"""Where a node stands in its text: the offset of its first character, and that after its last."""
_NOWHERE: Final = (0, 0)


class ValueType(StrEnum):
    """The four types of a PromQL value, as error texts name them."""

    SCALAR = "scalar"
    STRING = "string"
    VECTOR = "instant vector"
    MATRIX = "range vector"


class AtBound(Enum):
    """The two ends of the query that `@` can name."""

    START = "start()"
    END = "end()"


At: TypeAlias = int | AtBound | None
"""An `@` modifier: Unix milliseconds, an end of the query, or none."""


class Edges(StrEnum):
    """What a selector takes at the edges of its range: samples as they lie, or made to fit."""

    PLAIN = ""
    ANCHORED = "anchored"
    SMOOTHED = "smoothed"


class Cardinality(Enum):
    """How many series of each side of a binary operator may meet."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number, also where it was written as a duration (in seconds)."""

    value: float
    is_duration: bool = field(default=False, compare=False)
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string; where what is written is no UTF-8, *value* has replacement characters for it."""

    value: str
    is_utf8: bool = True
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DurationExpr:
    """
    A duration that is computed, in seconds: `left op right`, `op right`, `step()` or `range()`.

    `op` is one of `+ - * / % ^ min_of max_of step range`; both sides are absent for the last two,
    and the left one for a sign.
    """

    op: str
    left: "DurationNode | None" = None
    right: "DurationNode | None" = None
    wrapped: bool = field(default=False, compare=False)
    """Whether it stood in parentheses."""
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


DurationNode: TypeAlias = NumberLiteral | DurationExpr


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """
    `name{matchers} offset … @ …`; the name is one of the matchers.

    `offset_ms` is 0 where there is an `offset_expr`, which depends on the query.
    """

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: At = None
    edges: Edges = Edges.PLAIN
    offset_expr: DurationExpr | None = None
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """`selector[range]`; `range_ms` is 0 where there is a `range_expr`."""

    selector: VectorSelector
    range_ms: int
    range_expr: DurationExpr | None = None
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    """
    `expr[range:step] offset … @ …`; `step_ms` is None where none was written.

    A number is 0 where its expression is given.
    """

    expr: "Expr"
    range_ms: int
    step_ms: int | None
    offset_ms: int = 0
    at: At = None
    range_expr: DurationExpr | None = None
    step_expr: DurationExpr | None = None
    offset_expr: DurationExpr | None = None
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; the number and types of its arguments are right."""

    function: str
    args: tuple["Expr", ...]
    returns: ValueType
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Grouping:
    """`by (names)` or `without (names)`; `by ()` where nothing was written."""

    names: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`op grouping (param, expr)`."""

    op: str
    expr: "Expr"
    param: "Expr | None" = None
    grouping: Grouping = Grouping()
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Matching:
    """How series of two vectors find each other: `on`/`ignoring` and `group_left`/`group_right`."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    names: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right`; `matching` matters only where both are vectors."""

    op: str
    left: "Expr"
    right: "Expr"
    return_bool: bool = False
    matching: Matching = Matching()
    returns: ValueType = field(default=ValueType.VECTOR, compare=False)
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-expr` or `+expr`."""

    expr: "Expr"
    op: str = "-"
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Paren:
    """`(expr)`."""

    expr: "Expr"
    span: Span = field(default=_NOWHERE, compare=False, repr=False)


Expr: TypeAlias = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregate
    | Binary
    | Unary
    | Paren
)

SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})


def value_type(expr: Expr) -> ValueType:
    """Return the type of what *expr* evaluates to."""
    match expr:
        case NumberLiteral():
            return ValueType.SCALAR
        case StringLiteral():
            return ValueType.STRING
        case MatrixSelector() | Subquery():
            return ValueType.MATRIX
        case VectorSelector() | Aggregate():
            return ValueType.VECTOR
        case Call(returns=returns) | Binary(returns=returns):
            return returns
        case Unary(expr=inner) | Paren(expr=inner):
            return value_type(inner)


def left_chain(expr: Binary) -> list[Binary]:
    """
    Return *expr*, the operator at its left, the one at the left of that, and so on.

    What is generated has thousands of them: `a or b or …` is no reason for recursion.
    """
    chain = [expr]
    while isinstance(left := chain[-1].left, Binary):
        chain.append(left)
    return chain


def unwrap(expr: Expr) -> Expr:
    """Return *expr* without the parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr
