"""
What templates compute with: Go's values, as far as templates meet them.

A bool, int, float, str or None is itself; a sequence is a slice, a mapping a map. Templates reach
what is declared here and nothing else: no attribute of a Python object is ever looked up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

Value: TypeAlias = Any
"""
One of: None, bool, int, float, str, a Mapping, a Sequence, `Record`, `GoTime`, `GoDuration`.

Anything else prints as its type's name and has no fields. It is `Any` because the compiler cannot
follow what a template does.
"""
Method: TypeAlias = Callable[..., Value]

NO_METHODS: Final[Mapping[str, Method]] = {}


class Record:
    """
    A struct: *fields* in their order, and *methods* that `.Name` calls with its arguments.

    *type_name* is what error messages and `%T` call it.
    """

    __slots__ = ("fields", "methods", "type_name")

    def __init__(
        self,
        fields: Mapping[str, Value],
        methods: Mapping[str, Method] = NO_METHODS,
        type_name: str = "struct",
    ) -> None:
        self.fields = dict(fields)
        self.methods = methods
        self.type_name = type_name


class Listing(Sequence[Value]):
    """A slice whose type has *methods*, like Alertmanager's `.Alerts.Firing`."""

    __slots__ = ("items", "methods", "type_name")

    def __init__(
        self,
        items: Sequence[Value],
        methods: Mapping[str, Method] = NO_METHODS,
        type_name: str = "[]interface {}",
    ) -> None:
        self.items = tuple(items)
        self.methods = methods
        self.type_name = type_name

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


class StringMap(Mapping[str, str]):
    """Go's `map[string]string`: a key that is missing has the value `""`."""

    __slots__ = ("_pairs",)
    type_name = "map[string]string"

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._pairs = dict(sorted(pairs.items()))

    def __getitem__(self, key: str) -> str:
        return self._pairs[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


class KeyValues(StringMap):
    """Alertmanager's `KV`: labels or annotations, with methods that win over keys of their name."""

    __slots__ = ()
    type_name = "template.KV"

    def sorted_pairs(self) -> Listing:
        """Return the pairs by name, `alertname` first."""
        first = [name for name in self if name == "alertname"]
        names = first + [name for name in self if name != "alertname"]
        pairs = [
            Record({"Name": name, "Value": self[name]}, type_name="template.Pair") for name in names
        ]
        return Listing(
            pairs,
            {"Names": self.names, "Values": self.values_of},
            "template.Pairs",
        )

    def names(self) -> list[str]:
        """Return the names, in the order of `sorted_pairs`."""
        return [pair.fields["Name"] for pair in self.sorted_pairs()]

    def values_of(self) -> list[str]:
        """Return the values, in the order of `sorted_pairs`."""
        return [pair.fields["Value"] for pair in self.sorted_pairs()]

    def remove(self, names: Sequence[str]) -> "KeyValues":
        """Return the pairs whose name is not among *names*."""
        return KeyValues({name: value for name, value in self.items() if name not in names})


class SafeHtml(str):
    """Text that is HTML already: it is not escaped again where HTML may stand."""

    __slots__ = ()
    type_name = "template.HTML"


class SafeUrl(str):
    """A URL of a scheme that the template's author vouches for."""

    __slots__ = ()
    type_name = "template.URL"


_TYPE_NAMES: Final = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (Mapping, "map[string]interface {}"),
    (Sequence, "[]string"),
)


def type_name(value: Value) -> str:
    """Return what Go calls the type of *value*."""
    if value is None:
        return "<nil>"
    if isinstance(declared := getattr(value, "type_name", None), str):
        return declared
    for type_, name in _TYPE_NAMES:
        if isinstance(value, type_):
            return name
    return type(value).__name__


def is_true(value: Value) -> bool:
    """Whether *value* is neither empty, nor zero, nor nil; a struct always is true."""
    if isinstance(value, float):
        return value != 0  # NaN is true
    if isinstance(value, bool | int | str | Mapping | Sequence):
        return bool(value)
    return value is not None
