"""Functions of templates: what they take, and those that every Go template has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veriscope.templates.times import GoDuration, GoTime
from veriscope.templates.values import Listing, Record, Value, type_name


class CallError(Exception):
    """What a function has against its arguments; becomes a `TemplateError` with the place."""


class Kind(StrEnum):
    """What a parameter takes, by the name of the Go type."""

    ANY = "interface {}"
    BOOL = "bool"
    STRING = "string"
    FLOAT = "float64"
    INT = "int"
    STRINGS = "[]string"
    VECTOR = "template.queryResult"
    SAMPLE = "*template.sample"
    TIME = "time.Time"
    DURATION = "time.Duration"


@dataclass(frozen=True, slots=True)
class Function:
    """Something to call: kinds of its parameters, and of the further ones where it has any."""

    call: Callable[..., Value]
    parameters: Sequence[Kind] = ()
    more: Kind | None = None

    def miscount(self, count: int) -> str | None:
        """Say what is wrong with *count* arguments."""
        least = len(self.parameters)
        if self.more is not None and count < least:
            return f"want at least {least} got {count}"
        if self.more is None and count != least:
            return f"want {least} got {count}"
        return None

    def kind(self, at: int) -> Kind:
        """Return what the parameter *at* takes."""
        if at < len(self.parameters):
            return self.parameters[at]
        return self.more or Kind.ANY


def wrong_type(value: Value, kind: Kind) -> str | None:
    """Say why *value* is no *kind*."""
    if kind is Kind.ANY or _IS[kind](value):
        return None
    if value is None:
        return f"invalid value; expected {kind}"
    return f"wrong type for value; expected {kind}; got {type_name(value)}"


def _is_strings(value: Value) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(one, str) for one in value)
    )


def _is_named(name: str, of: type[Listing] | type[Record]) -> Callable[[Value], bool]:
    return lambda value: isinstance(value, of) and value.type_name == name


_IS: Final[Mapping[Kind, Callable[[Value], bool]]] = {
    Kind.BOOL: lambda value: isinstance(value, bool),
    Kind.STRING: lambda value: type(value) is str,
    Kind.FLOAT: lambda value: isinstance(value, float),
    Kind.INT: lambda value: type(value) is int,
    Kind.STRINGS: _is_strings,
    Kind.VECTOR: _is_named(Kind.VECTOR, Listing),
    Kind.SAMPLE: _is_named(Kind.SAMPLE, Record),
    Kind.TIME: lambda value: isinstance(value, GoTime),
    Kind.DURATION: lambda value: isinstance(value, GoDuration),
}


def constant_as(value: Value, kind: Kind, spelled: str) -> Value:
    """
    Return the constant *value*, *spelled* in a template, as a *kind*; raises `CallError`.

    A constant has no type of its own: 1 is a float where one is wanted, and 1.0 an int.
    """
    if value is None and kind not in _TAKE_NIL:
        raise CallError(f"cannot assign nil to {kind}")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is Kind.FLOAT and is_number:
        return float(value)
    if kind is Kind.INT and is_number and float(value).is_integer():
        return int(value)
    if kind is Kind.DURATION and is_number and float(value).is_integer():
        return GoDuration(value)
    if value is None or wrong_type(value, kind) is None:
        return value
    if kind in _WANTED:
        raise CallError(f"expected {_WANTED[kind]}; found {spelled}")
    raise CallError(f"can't handle {spelled} for arg of type {kind}")


_TAKE_NIL: Final = frozenset({Kind.ANY, Kind.STRINGS, Kind.VECTOR, Kind.SAMPLE})
_WANTED: Final = {
    Kind.STRING: "string",
    Kind.INT: "integer",
    Kind.DURATION: "integer",
    Kind.FLOAT: "float",
    Kind.BOOL: "bool",
}
