"""`eq`, `ne`, `lt`, `le`, `gt`, `ge`, with Go's rules of what compares with what."""

from collections.abc import Mapping, Sequence
from typing import Final

from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.functions.printing import text_of
from veriscope.templates.values import Value, type_name


def _basic(value: Value) -> str | None:
    """Return the basic kind of *value*: values of two kinds do not compare."""
    for type_, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, type_):
            return name
    return None


def equal(first: Value, *others: Value) -> bool:
    """Whether *first* equals any of *others*."""
    if not others:
        raise CallError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(first: Value, second: Value) -> bool:
    kinds = _basic(first), _basic(second)
    if first is None or second is None:
        return first is None and second is None
    if kinds[0] != kinds[1]:
        raise CallError("incompatible types for comparison")
    for value in (first, second):
        if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
            raise CallError(f"non-comparable type {text_of(value)}: {type_name(value)}")
    return bool(first == second)


def less(first: Value, second: Value) -> bool:
    """Whether *first* comes before *second*."""
    kinds = _basic(first), _basic(second)
    if None in kinds or ("bool" in kinds and kinds[0] == kinds[1]):
        raise CallError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise CallError("incompatible types for comparison")
    if isinstance(first, str):
        return first.encode("utf-8", "replace") < str(second).encode("utf-8", "replace")
    return bool(first < second)


def _at_most(first: Value, second: Value) -> bool:
    return less(first, second) or _same(first, second)


def _greater(first: Value, second: Value) -> bool:
    return not _at_most(first, second)


_TWO: Final = (Kind.ANY, Kind.ANY)
COMPARISONS: Final[Mapping[str, Function]] = {
    "eq": Function(equal, (Kind.ANY,), Kind.ANY),
    "ne": Function(lambda first, second: not _same(first, second), _TWO),
    "lt": Function(less, _TWO),
    "le": Function(_at_most, _TWO),
    "gt": Function(_greater, _TWO),
    "ge": Function(lambda first, second: not less(first, second), _TWO),
}
