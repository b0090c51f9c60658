"""Values of attributes and bounds of buckets as the texts that labels hold."""

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_PLAIN_FROM: Final = 1e-6
_PLAIN_BELOW: Final = 1e21
# Two line ends that JSON may hold and JavaScript may not; Go writes them so.
_ESCAPES: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})


def value_text(value: "AnyValue") -> str:
    """
    Return *value* as the text that Prometheus makes of it.

    Numbers as in JSON, bytes as base64, lists and maps as compact JSON with sorted keys, and the
    empty text where there is no value, or where JSON has no spelling for a number in a list or a
    map. Source: OpenTelemetry Collector, pcommon.Value.AsString.
    """
    match value.WhichOneof("value"):
        case None:
            text = ""
        case "bytes_value":
            text = b64encode(value.bytes_value).decode()
        case "array_value" | "kvlist_value":
            text = _json_or_nothing(value)
        case "bool_value":
            text = "true" if value.bool_value else "false"
        case "double_value":
            text = _double(value.double_value)
        case name:
            text = str(getattr(value, name))
    return text


def bound_text(bound: float) -> str:
    """Return *bound* as a value of `le` or `quantile`: the shortest digits, never an exponent."""
    if math.isinf(bound):
        return "+Inf" if bound > 0 else "-Inf"
    return "NaN" if math.isnan(bound) else np.format_float_positional(bound, trim="-")


def _double(number: float) -> str:
    """Return *number* as JavaScript, and so JSON, writes it."""
    if not math.isfinite(number):
        return f"json: unsupported value: {bound_text(number)}"
    if number and not _PLAIN_FROM <= abs(number) < _PLAIN_BELOW:
        digits, _, exponent = np.format_float_scientific(number, trim="-").partition("e")
        return f"{digits}e{int(exponent):+d}"
    return bound_text(number)


def _json_or_nothing(value: "AnyValue") -> str:
    try:
        return _json(value)
    except OverflowError:
        return ""


def _json(value: "AnyValue") -> str:
    match value.WhichOneof("value"):
        case "array_value":
            return f"[{','.join(map(_json, value.array_value.values))}]"
        case "kvlist_value":
            pairs = sorted({pair.key: pair.value for pair in value.kvlist_value.values}.items())
            return f"{{{','.join(f'{_string(key)}:{_json(item)}' for key, item in pairs)}}}"
        case "string_value":
            return _string(value.string_value)
        case "bytes_value":
            return _string(value_text(value))
        case "double_value" if not math.isfinite(value.double_value):
            raise OverflowError("JSON has no such number")
        case None:
            return "null"
        case _:
            return value_text(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPES)
