"""Attribute values: from the text that the store keeps back to what was sent."""

from base64 import b64decode
from collections.abc import Callable
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

AttributeValue: TypeAlias = (
    "str | bool | int | float | bytes | list[AttributeValue] | dict[str, AttributeValue] | None"
)
"""An OTLP `AnyValue` as Python has it; None where it holds nothing."""


def read_value(kind: str, text: str) -> AttributeValue:
    """
    Return the value that the store keeps as *text* of the type *kind*.

    *kind* is a name of the schema's enumeration: `none`, `string`, `bool`, `int`, `double`,
    `array`, `map` or `bytes`. Nobody has looked into an array or a map before: one that is
    malformed, or nests deeper than protobuf reads, stays the base64 that the store has.
    """
    try:
        return _READERS.get(kind, str)(text)
    except DecodeError:
        return text


def _to_python(value: AnyValue) -> AttributeValue:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_to_python(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _to_python(pair.value) for pair in value.kvlist_value.values}
        case name:
            plain: AttributeValue = getattr(value, name)
            return plain


def _read_array(text: str) -> AttributeValue:
    return [_to_python(item) for item in ArrayValue.FromString(b64decode(text)).values]


def _read_map(text: str) -> AttributeValue:
    pairs = KeyValueList.FromString(b64decode(text)).values
    return {pair.key: _to_python(pair.value) for pair in pairs}


_READERS: Final[dict[str, Callable[[str], AttributeValue]]] = {
    "none": lambda _: None,
    "bool": lambda text: text == "true",
    "int": int,
    "double": float,
    "bytes": b64decode,
    "array": _read_array,
    "map": _read_map,
}
