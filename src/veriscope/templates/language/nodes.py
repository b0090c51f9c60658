"""
What a template is made of, each part with its place; Go's parse tree.

`start` and `end` say which text a node is. The `place` of fields is the one that Go names in
errors: that of the first name which follows another.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from veriscope.templates.constants import quote
from veriscope.templates.values import Value


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A bool, string, number or nil as the template spells it."""

    start: int
    end: int
    value: Value
    is_rune: bool = False


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of a function."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class FieldOf:
    """`.A.B` of the dot."""

    start: int
    end: int
    place: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name.A.B`."""

    start: int
    end: int
    place: int
    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`.A.B` of what *of* gives, such as a pipeline in parentheses."""

    start: int
    end: int
    place: int
    of: "Operand"
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A function or method with its arguments, or one operand."""

    start: int
    end: int
    operands: tuple["Operand", ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """Commands, each given the result of the one before, and the variables that take the last."""

    start: int
    end: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = Dot | Constant | Identifier | FieldOf | Variable | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    """What is written as it is."""

    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipe}}`."""

    start: int
    pipe: Pipe


@dataclass(frozen=True, slots=True)
class Branch:
    """`{{if}}`, `{{with}}` or `{{range}}`, as *kind* says."""

    start: int
    kind: str
    pipe: Pipe
    body: "Body"
    otherwise: "Body | None"


@dataclass(frozen=True, slots=True)
class Invocation:
    """`{{template "name" pipe}}`, and what `{{block}}` leaves in its place."""

    start: int
    end: int
    name: str
    pipe: Pipe | None


@dataclass(frozen=True, slots=True)
class Leave:
    """`{{break}}` or `{{continue}}`, as *kind* says."""

    start: int
    kind: str


Node: TypeAlias = Text | Action | Branch | Invocation | Leave
Body: TypeAlias = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A named body, and the text that its places are in."""

    name: str
    body: Body
    source_name: str = ""
    source: str = field(default="", repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but space in it: such a definition replaces no other."""
        return all(isinstance(node, Text) and not node.text.strip() for node in self.body)


def spell(node: Operand | Command | Invocation, source: str) -> str:
    """Return *node* as Go prints it, its parts taken from *source*."""
    match node:
        case Pipe():
            stages = " | ".join(spell(command, source) for command in node.commands)
            sign = "=" if node.assigns else ":="
            return f"{', '.join(node.variables)} {sign} {stages}" if node.variables else stages
        case Command():
            return " ".join(_within(operand, source) for operand in node.operands)
        case Chain():
            return f"{_within(node.of, source)}.{'.'.join(node.names)}"
        case Invocation():
            pipe = "" if node.pipe is None else f" {spell(node.pipe, source)}"
            return f"{{{{template {quote(node.name)}{pipe}}}}}"
    return source[node.start : node.end]


def _within(operand: Operand, source: str) -> str:
    spelled = spell(operand, source)
    return f"({spelled})" if isinstance(operand, Pipe) else spelled
