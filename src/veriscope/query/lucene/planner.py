"""Lucene's tree to a predicate: operators here, values of fields in `values`."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from luqum.tree import (
    AndOperation,
    BaseGroup,
    Boost,
    From,
    Fuzzy,
    Item,
    Not,
    OrOperation,
    Phrase,
    Plus,
    Prohibit,
    Proximity,
    Range,
    Regex,
    SearchField,
    To,
    UnknownOperation,
    Word,
)

from veriscope.query.errors import ParseError
from veriscope.query.lucene.fields import KnownField, Schema
from veriscope.query.lucene.patterns import unescape
from veriscope.query.lucene.syntax import parse_tree
from veriscope.query.lucene.values import ValueReader
from veriscope.signals.predicates import AllOf, AnyOf, Negation, Predicate

MAX_DEPTH: Final = 50
MAX_TERMS: Final = 500

_OTHER_OPERATORS: Final = {"&&": "AND", "||": "OR", "!": "NOT"}


def plan(text: str, schema: Schema) -> Predicate:
    """Return the predicate that *text* stands for; raises `ParseError` with the position."""
    return _Planner(text, schema).visit(parse_tree(text), None, 0)


class _Planner:
    """Walks one tree. *field* is the field that a part was written behind, None for none."""

    def __init__(self, text: str, schema: Schema) -> None:
        self._text = text
        self._schema = schema
        self._values = ValueReader(text)
        self._terms = 0

    def visit(self, node: Item, field: KnownField | None, depth: int) -> Predicate:
        if depth > MAX_DEPTH:
            raise self._at(node, f"nested more than {MAX_DEPTH} deep; take parentheses away")
        depth += 1
        found: Predicate
        match node:
            case AndOperation():
                found = AllOf(self._all(node.children, field, depth))
            case OrOperation():
                found = AnyOf(self._all(node.children, field, depth))
            case UnknownOperation():
                found = self._implicit(node.children, field, depth)
            case Not() | Prohibit():
                found = Negation(self.visit(node.a, field, depth))
            case Plus():
                found = self.visit(node.a, field, depth)
            case BaseGroup() | Boost():
                found = self.visit(node.expr, field, depth)
            case SearchField():
                found = self._search_field(node, field, depth)
            case _:
                found = self._term(node, field)
        return found

    def _all(
        self, parts: Sequence[Item], field: KnownField | None, depth: int
    ) -> tuple[Predicate, ...]:
        return tuple(self.visit(part, field, depth) for part in parts)

    def _implicit(self, parts: Sequence[Item], field: KnownField | None, depth: int) -> Predicate:
        """Combine *parts* without an operator between them, as Lucene does."""
        self._check_neighbours(parts)
        required, optional, forbidden = [], [], []
        for part in parts:
            if isinstance(part, Plus):
                required.append(self.visit(part, field, depth))
            elif isinstance(part, Not | Prohibit):
                forbidden.append(self.visit(part, field, depth))
            else:
                optional.append(self.visit(part, field, depth))
        # What is optional beside what is required would only change the order of an answer.
        if not required and optional:
            required = [AnyOf(tuple(optional)) if len(optional) > 1 else optional[0]]
        return AllOf((*required, *forbidden))

    def _check_neighbours(self, parts: Sequence[Item]) -> None:
        for left, right in pairwise(parts):
            if isinstance(right, Word) and right.value in _OTHER_OPERATORS:
                raise self._at(right, f"write {_OTHER_OPERATORS[right.value]} for {right.value}")
            last = left.expr if isinstance(left, SearchField) else left
            if isinstance(last, Regex) and not last.tail and not right.head:
                raise self._at(
                    last, "a regular expression ends where a word goes on; put a path in quotes"
                )

    def _search_field(self, node: SearchField, field: KnownField | None, depth: int) -> Predicate:
        name = unescape(node.name)
        if field is not None:
            raise self._at(node, f'a field behind a field; put "{node}" in quotes')
        if name == "*" and isinstance(node.expr, Word) and node.expr.value == "*":
            return AllOf(())
        if "*" in name or "?" in name:
            raise self._at(node, f"the field {name!r} has a wildcard; name one field")
        if name == "_exists_":
            return self._exists(node)
        expr = node.expr
        # A minus before a value is part of it: there is nothing that could be left out.
        if isinstance(expr, Prohibit) and isinstance(expr.a, Word):
            return self._term(Word(f"-{expr.a.value}", pos=expr.pos), self._schema.find(name))
        return self.visit(expr, self._schema.find(name), depth)

    def _exists(self, node: SearchField) -> Predicate:
        if not isinstance(node.expr, Word | Phrase):
            raise self._at(node, "_exists_ is followed by the name of a field")
        name = unescape(node.expr.value.strip('"'))
        return self._values.exists(self._schema.find(name))

    def _term(self, node: Item, field: KnownField | None) -> Predicate:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._at(node, f"more than {MAX_TERMS} terms; search for fewer at once")
        known = field or self._schema.unnamed
        match node:
            case Word():
                if field is None and node.value == "*":
                    return AllOf(())
                if node.value[0] == "!":
                    raise self._at(node, "write NOT for !, or \\! for the character itself")
                return self._values.word(known, node.value, node.pos)
            case Phrase():
                return self._values.phrase(known, unescape(node.value[1:-1]), node.pos)
            case Regex():
                return self._values.regex(known, node.value[1:-1], node.pos)
            case Range() | From() | To():
                return self._values.between(known, node)
            case Fuzzy() | Proximity():
                raise self._at(node, "what is similar (~) cannot be searched; use wildcards")
            case _:  # pragma: no cover - luqum has no other
                raise self._at(node, f"{node} cannot be searched")

    def _at(self, node: Item, message: str) -> ParseError:
        return ParseError(message, text=self._text, position=node.pos)
