"""Which fields a search may name, and how their values are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veriscope.signals import InvalidInputError
from veriscope.signals.predicates import Field, Place

_ATTRIBUTE: Final = "attributes."
_RESOURCE: Final = "resource."
_NOT_IN_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")


class FieldKind(StrEnum):
    """How the value of a field is read."""

    TEXT = "text"
    """Letter for letter, as a whole; compared as a number with a number."""
    WORDS = "words"
    """Word by word, see `HasWords`."""
    ID = "id"
    """Hexadecimal digits."""
    CHOICE = "choice"
    """One of a few words."""
    NUMBER = "number"
    DURATION = "duration"
    """A number with a unit."""
    LEVEL = "level"
    """The severity of a record, by name or by number."""


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field that a search may name."""

    kind: FieldKind
    field: Field
    choices: tuple[str, ...] = ()
    """What a `CHOICE` is one of."""
    digits: int = 0
    """How many digits an `ID` has."""

    @classmethod
    def column(cls, kind: FieldKind, name: str, **more: object) -> "KnownField":
        """Return the field that is column *name*."""
        return cls(kind, Field(Place.COLUMN, name), **more)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Schema:
    """Fields by name; any other name is that of an attribute."""

    names: Mapping[str, KnownField]
    unnamed: KnownField
    """Where words without a field are looked for."""

    def find(self, name: str) -> KnownField:
        """
        Return the field called *name*.

        `attributes.X` and `resource.X` are attributes, and so is `X` where no field has that name.
        """
        if known := self.names.get(name):
            return known
        for prefix, place in ((_RESOURCE, Place.RESOURCE), (_ATTRIBUTE, Place.ATTRIBUTE)):
            if name.startswith(prefix) and name != prefix:
                return KnownField(FieldKind.TEXT, Field(place, name.removeprefix(prefix)))
        return KnownField(FieldKind.TEXT, Field(Place.ATTRIBUTE, name))

    def group_field(self, name: str) -> tuple[Field, str]:
        """
        Return the field to group by that is called *name*, and the label that its texts become.

        Characters that a label's name cannot have are `_` there. Raises `InvalidInputError` for
        what many values would make many groups of.
        """
        if not name:
            raise InvalidInputError("`by` has an empty name; take it out")
        known = self.find(name)
        if known.kind in {FieldKind.WORDS, FieldKind.ID, FieldKind.DURATION}:
            raise InvalidInputError(
                f"field {name!r} has too many values to group by; take it out of `by`"
            )
        label = _NOT_IN_A_LABEL.sub("_", name)
        label = f"_{label}" if label[0].isdigit() else label
        if label.startswith("__"):
            raise InvalidInputError(f"label {label!r} is reserved; take {name!r} out of `by`")
        if known.kind is FieldKind.LEVEL:
            return Field(Place.COLUMN, "level"), label
        return known.field, label
