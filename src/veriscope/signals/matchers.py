"""Matchers: predicates on one label, as PromQL selectors and APIs spell them."""

from dataclasses import dataclass
from enum import StrEnum


class MatchOp(StrEnum):
    """How a matcher compares. Regular expressions are RE2 and match the whole value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on label `name`; an absent label has the value `""`."""

    name: str
    op: MatchOp
    value: str

    def __str__(self) -> str:
        """Spell the matcher as PromQL does."""
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op}"{value}"'
