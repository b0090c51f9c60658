"""Alert conditions such as `cpu_usage > 90 and (error_rate > 5% or queue > 10)`."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Self

from veriscope.facade.alerting.syntax import (
    Arithmetic,
    Call,
    Comparison,
    ConditionError,
    Literal,
    Logical,
    Name,
    Node,
    Unary,
    parse,
)

__all__ = ["Condition", "ConditionError", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds; where unknown, *holds* is None and *reason* says why."""

    holds: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The value of what cannot be computed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that has been read and can be evaluated any number of times, by any thread."""

    text: str
    tree: Node

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read *text*; raises `ConditionError` with the position of the fault."""
        return cls(text, parse(text))

    def names(self) -> frozenset[str]:
        """Return the metrics it asks for."""
        return frozenset(_names(self.tree))

    def evaluate(self, metrics: Mapping[str, Any]) -> Verdict:
        """
        Tell whether the condition holds for *metrics*.

        A metric that is missing or None, a division by zero and an operation on values of the
        wrong kind are unknown, and so is what depends on them: `missing > 1 or cpu > 90` still
        holds where `cpu > 90` does. NaN compares as IEEE 754 says: never, except by `!=`; a
        bare NaN is unknown. What is neither true nor false holds where it is not 0 or empty.
        """
        value = _value(self.tree, metrics)
        if isinstance(value, _Unknown):
            return Verdict(None, value.reason)
        if isinstance(value, float) and math.isnan(value):
            return Verdict(None, "the condition is not a number")
        return Verdict(bool(value))


def _names(node: Node) -> Iterable[str]:
    match node:
        case Name(name):
            yield name
        case Unary(_, operand):
            yield from _names(operand)
        case Arithmetic(_, left, right):
            yield from _names(left)
            yield from _names(right)
        case Comparison(_, nodes) | Logical(_, nodes) | Call(_, nodes):
            for each in nodes:
                yield from _names(each)


def _value(node: Node, metrics: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one per kind
    """Return the value of *node*: a number, a text, a sequence of such, or `_Unknown`."""
    match node:
        case Literal(value):
            return value
        case Name(name):
            return _metric(name, metrics)
        case Unary(sign, operand):
            return _unary(sign, _value(operand, metrics))
        case Arithmetic(sign, left, right):
            return _arithmetic(sign, _value(left, metrics), _value(right, metrics))
        case Comparison(operators, operands):
            return _chain(operators, [_value(each, metrics) for each in operands])
        case Logical(word, operands):
            return _logical(word, operands, metrics)
        case Call(function, arguments):
            return _call(function, [_value(each, metrics) for each in arguments])


def _metric(name: str, metrics: Mapping[str, Any]) -> Any:
    """Look *name* up as it is, then, where it has dots, step by step."""
    found: Any = metrics.get(name)
    if found is None and "." in name:
        found = metrics
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if found is None:
        return _Unknown(f"metric {name!r} is missing")
    if isinstance(found, str | bool | int | float):
        return found
    if isinstance(found, Sequence):
        return [_plain(each, name) for each in found]
    return _plain(found, name)


def _plain(value: Any, name: str) -> Any:
    """Turn numbers of foreign types, such as NumPy's, into Python's."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Real) or hasattr(value, "__float__"):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError) as error:
            return _Unknown(f"metric {name!r} is no number: {error}")
    return _Unknown(f"metric {name!r} is of type {type(value).__name__}, which cannot be compared")


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _unary(sign: str, value: Any) -> Any:
    if isinstance(value, _Unknown):
        return value
    if sign == "not":
        return not value
    if not isinstance(value, int | float):
        return _Unknown(f"{sign} needs a number, not {_shown(value)}")
    return -value if sign == "-" else +value


def _arithmetic(sign: str, left: Any, right: Any) -> Any:
    for value in (left, right):
        if isinstance(value, _Unknown):
            return value
        # No repetition or formatting of texts: `"a" * 1000000000` must not be possible.
        if not isinstance(value, int | float):
            return _Unknown(f"{sign} needs numbers, not {_shown(value)}")
    try:
        return _ARITHMETIC[sign](left, right)
    except ZeroDivisionError:
        return _Unknown(f"{left} {sign} 0 has no value")
    except OverflowError:
        return _Unknown(f"{sign} gives a number that is too large")


def _chain(operators: Sequence[str], values: Sequence[Any]) -> Any:
    unknown = None
    for sign, left, right in zip(operators, values, values[1:], strict=False):
        holds = _compare(sign, left, right)
        if isinstance(holds, _Unknown):
            unknown = unknown or holds
        elif not holds:
            return False
    return True if unknown is None else unknown


def _compare(sign: str, left: Any, right: Any) -> Any:
    for value in (left, right):
        if isinstance(value, _Unknown):
            return value
    try:
        return _COMPARISONS[sign](left, right)
    except TypeError:
        return _Unknown(f"{_shown(left)} {sign} {_shown(right)} cannot be compared")


def _logical(word: str, operands: Sequence[Node], metrics: Mapping[str, Any]) -> Any:
    """Return the operand that decides, as Python does; an unknown one only where none decides."""
    unknown, value = None, None
    for each in operands:
        value = _value(each, metrics)
        if isinstance(value, _Unknown):
            unknown = unknown or value
        elif bool(value) is (word == "or"):
            return value
    return unknown or value


def _call(function: str, arguments: Sequence[Any]) -> Any:
    values = [value for each in arguments for value in (each if isinstance(each, list) else [each])]
    for value in values:
        if isinstance(value, _Unknown):
            return value
        if not isinstance(value, int | float):
            return _Unknown(f"{function} needs numbers, not {_shown(value)}")
    if not values or (function == "abs" and len(values) > 1):
        return _Unknown(f"{function} of {len(values)} values has no value")
    try:
        return _FUNCTIONS[function](values)
    except OverflowError:
        return _Unknown(f"{function} gives a number that is too large")


def _extreme(choose: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    """Return *choose*, but NaN where one of the values is, wherever it stands."""
    return lambda values: math.nan if any(map(math.isnan, values)) else choose(values)


_FUNCTIONS: Final[dict[str, Callable[[Sequence[Any]], Any]]] = {
    "abs": lambda values: abs(values[0]),
    "avg": lambda values: sum(values) / len(values),
    "max": _extreme(max),
    "min": _extreme(min),
}


def _shown(value: Any) -> str:
    return "a list" if isinstance(value, list) else repr(value)[:50]
