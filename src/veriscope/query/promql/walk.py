"""Walking an expression tree, whatever its nodes are."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from veriscope.query.promql.ast import Expr, VectorSelector
from veriscope.signals import Matcher


def selectors(expr: Expr) -> tuple[tuple[Matcher, ...], ...]:
    """Return the matchers of each selector in *expr*, each set once, in the order of the text."""
    found = [node.matchers for node in nodes(expr) if isinstance(node, VectorSelector)]
    return tuple(dict.fromkeys(found))


def nodes(value: object) -> Iterator[object]:
    """Yield *value* and everything in it, before what follows it, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple):
            waiting += reversed(value)
        elif is_dataclass(value) and not isinstance(value, type):
            yield value
            waiting += [getattr(value, field.name) for field in reversed(fields(value))]
