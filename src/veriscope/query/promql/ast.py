"""The PromQL expression tree: frozen, hashable, and checked by the parser."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from veriscope.signals import Matcher


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


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """`name{matchers} offset … @ …`; the name is one of the matchers."""

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: At = None


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """`selector[range]`."""

    selector: VectorSelector
    range_ms: int


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expr[range:step] offset … @ …`; `step_ms` is None where none was written."""

    expr: "Expr"
    range_ms: int
    step_ms: int | None
    offset_ms: int = 0
    at: At = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; the number and types of its arguments are right."""

    function: str
    args: tuple["Expr", ...]
    returns: ValueType


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


@dataclass(frozen=True, slots=True)
class Negation:
    """`-expr`."""

    expr: "Expr"


@dataclass(frozen=True, slots=True)
class Paren:
    """`(expr)`."""

    expr: "Expr"


Expr: TypeAlias = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregate
    | Binary
    | Negation
    | Paren
)

SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})


def value_type(expr: Expr) -> ValueType:  # noqa: PLR0911 - one arm for each kind of node
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
        case Call(returns=returns):
            return returns
        case Binary(left=left, right=right):
            sides = {value_type(left), value_type(right)}
            return ValueType.SCALAR if sides == {ValueType.SCALAR} else ValueType.VECTOR
        case Negation(expr=inner) | Paren(expr=inner):
            return value_type(inner)


def unwrap(expr: Expr) -> Expr:
    """Return *expr* without the parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr
