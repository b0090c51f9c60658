"""
The grammar of alert conditions: text to tree, and nothing is ever run as code.

    condition  = condition "or" condition | condition "and" condition | "not" condition
               | sum (("<" | "<=" | ">" | ">=" | "==" | "!=") sum)*        a chain, as in Python
    sum        = sum ("+" | "-" | "*" | "/" | "%") sum | ("+" | "-") sum | value
    value      = number [unit] | "text" | name | `any name` | true | false
               | function "(" condition ("," condition)* ")" | "(" condition ")"

Precedence is Python's; `&&`, `||` and `!` are other spellings of `and`, `or` and `not`.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from veriscope.signals import ByteSize, Duration, InvalidInputError

MAX_CHARACTERS: Final = 4096
"""Longest condition."""
MAX_DEPTH: Final = 64
"""Deepest nesting of a condition's tree, which bounds the stack that evaluating it takes."""
FUNCTIONS: Final = {"abs": (1, 1), "avg": (1, None), "max": (1, None), "min": (1, None)}
"""Functions, with the least and the greatest number of arguments."""


class ConditionError(InvalidInputError):
    """A condition cannot be read; *position* counts its characters from 0."""

    def __init__(self, message: str, text: str, position: int) -> None:
        before, after = text[:position].split("\n"), text[position:].split("\n")
        line, column = before[-1] + after[0], len(before[-1])
        place = f"line {len(before)}, column" if len(before) > 1 else "column"
        super().__init__(f"condition, {place} {column + 1}: {message}\n  {line}\n  {' ' * column}^")
        self.position = position


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text or a truth value."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Name:
    """The value of a metric."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """`-`, `+` or `not` before *operand*."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two operands and one of `+ - * / %`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A chain: `operands[i] operators[i] operands[i + 1]` for every *i*."""

    operators: tuple[str, ...]
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Logical:
    """Two or more operands joined by `and` or by `or`."""

    operator: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Node", ...]


Node: TypeAlias = Literal | Name | Unary | Arithmetic | Comparison | Logical | Call


def parse(text: str) -> Node:
    """Read *text*; raises `ConditionError`, which says where it stops making sense."""
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(
            f"longer than {MAX_CHARACTERS} characters", text[:MAX_CHARACTERS], MAX_CHARACTERS
        )
    return _Parser(text).condition()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


# A `%` right behind a number is "per cent" where no operand can follow it; else a remainder.
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[A-Za-z]+|%(?=\s|[),<>=!&|]|$))?
      | (?P<name>[^\W\d]\w*(?:[.:]\w+)*)
      | `(?P<quoted>[^`]*)`
      | "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)'
      | (?P<operator><=|>=|==|!=|&&|\|\||[-+*/%<>!(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: Final = frozenset({"and", "or", "not", "true", "false", "True", "False"})
_SPELLINGS: Final = {"&&": "and", "||": "or", "!": "not"}
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">=", "==", "!="})
_ARITHMETIC: Final = {"+": 40, "-": 40, "*": 50, "/": 50, "%": 50}
_OR, _AND, _NOT, _COMPARE, _SIGN = 5, 10, 20, 30, 60
_END: Final = "end"


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or found.end() == position:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise ConditionError(_unreadable(text, start), text, start)
        tokens.append(_token(found, text))
        position = found.end()
    return [*tokens, _Token(_END, "", end)]


def _unreadable(text: str, position: int) -> str:
    if text[position] in "\"'`":
        return f"{text[position]} is never closed"
    if text[position] == "=":
        return "= is no operator; write == to compare"
    return f"{text[position]!r} is not understood here"


def _token(found: re.Match[str], text: str) -> _Token:
    kind = str(found.lastgroup)
    if kind == "unit":
        kind = "number"
    position = found.start(kind) - (kind in {"quoted", "double", "single"})
    spelled = found[kind]
    if kind == "number":
        _number(found, text)
        spelled += found["unit"] or ""
    elif kind in {"double", "single"}:
        kind, spelled = "text", re.sub(r"\\(.)", r"\1", spelled, flags=re.DOTALL)
    elif kind == "quoted":
        kind = "metric"
    elif kind == "operator" or spelled in _WORDS:
        kind, spelled = "operator", _SPELLINGS.get(spelled, spelled)
    return _Token(kind, spelled, position)


def _number(found: re.Match[str], text: str) -> float:
    digits, unit = found["number"], found["unit"]
    value = float(digits) if set(digits) & set(".eE") else int(digits)
    if unit is None:
        return value
    if unit not in _UNITS:
        raise ConditionError(
            f"{unit!r} is no unit; there are {', '.join(_UNITS)}", text, found.start("unit")
        )
    return value * _UNITS[unit]


_UNITS: Final[dict[str, float]] = {
    "%": 0.01,
    **{unit: Duration.parse(f"1{unit}") / 1000 for unit in ("ms", "s", "m", "h", "d", "w")},
    **{
        f"{prefix}{suffix}": int(ByteSize.parse(f"1{prefix}{suffix}"))
        for prefix in "KMGT"
        for suffix in ("B", "iB")
    },
}


class _Parser:
    """A Pratt parser: each operator binds as strongly as its number is large."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def condition(self) -> Node:
        node = self._expression(0, 0)
        if self._peek().kind != _END:
            raise self._unexpected("an operator")
        return node

    def _expression(self, binding: int, depth: int) -> Node:
        left = self._prefix(depth + 1)
        while (operator := self._infix(binding)) is not None:
            depth += operator in _ARITHMETIC  # a chain of these leans to the left, level by level
            if operator in _ARITHMETIC:
                self._next += 1
                right = self._expression(_ARITHMETIC[operator], depth + 1)
                left = Arithmetic(operator, left, right)
            elif operator in _COMPARISONS:
                left = self._comparison(left, depth)
            else:
                left = self._logical(operator, left, depth)
        return left

    def _infix(self, binding: int) -> str | None:
        token = self._peek()
        if token.kind != "operator" or _binding(token.text) <= binding:
            return None
        return token.text

    def _comparison(self, left: Node, depth: int) -> Node:
        operators, operands = [], [left]
        while (token := self._peek()).kind == "operator" and token.text in _COMPARISONS:
            self._next += 1
            operators.append(token.text)
            operands.append(self._expression(_COMPARE, depth + 1))
        return Comparison(tuple(operators), tuple(operands))

    def _logical(self, operator: str, left: Node, depth: int) -> Node:
        operands = [left]
        while (token := self._peek()).kind == "operator" and token.text == operator:
            self._next += 1
            operands.append(self._expression(_binding(operator), depth + 1))
        return Logical(operator, tuple(operands))

    def _prefix(self, depth: int) -> Node:
        token = self._peek()
        if depth > MAX_DEPTH:
            raise ConditionError(f"nested deeper than {MAX_DEPTH}", self._text, token.position)
        self._next += 1
        if token.kind == "number":
            found = _TOKEN.match(self._text, token.position)
            return Literal(_number(found, self._text) if found else 0)
        if token.kind == "text":
            return Literal(token.text)
        if token.kind == "metric":
            return Name(token.text)
        if token.kind == "name":
            return self._name(token, depth)
        return self._operator(token, depth)

    def _operator(self, token: _Token, depth: int) -> Node:
        match token.text:
            case "true" | "True" | "false" | "False":
                return Literal(token.text.lower() == "true")
            case "-" | "+":
                return Unary(token.text, self._expression(_SIGN, depth))
            case "not":
                return Unary("not", self._expression(_NOT, depth))
            case "(":
                node = self._expression(0, depth)
                self._close()
                return node
        self._next -= 1
        raise self._unexpected("a number, a metric or a parenthesis")

    def _name(self, token: _Token, depth: int) -> Node:
        if self._peek().text != "(" or self._peek().kind != "operator":
            return Name(token.text)
        if token.text not in FUNCTIONS:
            raise ConditionError(
                f"{token.text!r} is no function; there are {', '.join(FUNCTIONS)}",
                self._text,
                token.position,
            )
        self._next += 1
        arguments = [self._expression(0, depth)]
        while self._peek().kind == "operator" and self._peek().text == ",":
            self._next += 1
            arguments.append(self._expression(0, depth))
        self._close()
        most = FUNCTIONS[token.text][1]
        if most is not None and len(arguments) > most:
            raise ConditionError(f"{token.text} takes {most} argument", self._text, token.position)
        return Call(token.text, tuple(arguments))

    def _close(self) -> None:
        if self._peek().text != ")" or self._peek().kind != "operator":
            raise self._unexpected(")")
        self._next += 1

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _unexpected(self, wanted: str) -> ConditionError:
        token = self._peek()
        found = "the end" if token.kind == _END else repr(token.text)
        return ConditionError(f"{wanted} is needed here, not {found}", self._text, token.position)


def _binding(operator: str) -> int:
    """Return how strongly infix *operator* binds; 0 for what is none."""
    if operator in _COMPARISONS:
        return _COMPARE
    return {"or": _OR, "and": _AND, **_ARITHMETIC}.get(operator, 0)
