"""The functions that every Go template has."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote_plus

from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.functions.comparisons import COMPARISONS
from veriscope.templates.functions.printing import sprint, sprintf, sprintln, text_of
from veriscope.templates.values import StringMap, Value, is_true, type_name

_HTML: Final = str.maketrans(
    {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_JS: Final = {
    "\\": "\\\\", "'": "\\'", '"': '\\"',
    "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D",
}  # fmt: skip


def escape_html(text: str) -> str:
    """Return *text* as HTML that shows it."""
    return text.translate(_HTML)


def escape_js(text: str) -> str:
    """Return *text* as it stands inside a string of JavaScript."""
    return "".join(_JS.get(letter) or _js(letter) for letter in text)


def _js(letter: str) -> str:
    return letter if letter.isprintable() else f"\\u{ord(letter):04X}"


def escape_query(text: str) -> str:
    """Return *text* as it stands in the query of a URL."""
    return quote_plus(text, safe="~", errors="replace")


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        if value is None:
            raise CallError("index of untyped nil")
        if isinstance(value, Mapping):
            if not isinstance(key, str):
                raise CallError(f"value has type {type_name(key)}; should be string")
            value = value.get(key, "" if isinstance(value, StringMap) else None)
        elif isinstance(value, str):
            value = value.encode("utf-8", "replace")[_place(key, len(value.encode()) - 1)]
        elif isinstance(value, Sequence):
            value = value[_place(key, len(value) - 1)]
        else:
            raise CallError(f"can't index item of type {type_name(value)}")
    return value


def _place(key: Value, last: int) -> int:
    if key is None:
        raise CallError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise CallError(f"cannot index slice/array with type {type_name(key)}")
    if not 0 <= key <= last:
        raise CallError(f"index out of range: {int(key)}")
    return int(key)


def _slice(value: Value, *places: Value) -> Value:
    if len(places) > 3:  # noqa: PLR2004 - start, end, capacity
        raise CallError(f"too many slice indexes: {len(places)}")
    if isinstance(value, str):
        if len(places) > 2:  # noqa: PLR2004
            raise CallError("cannot 3-index slice a string")
        raw = value.encode("utf-8", "replace")
        start, end = _range(places, len(raw))
        return raw[start:end].decode("utf-8", "replace")
    if value is None or isinstance(value, Mapping) or not isinstance(value, Sequence):
        raise CallError(f"can't slice item of type {type_name(value)}")
    start, end = _range(places, len(value))
    return list(value)[start:end]


def _range(places: Sequence[Value], size: int) -> tuple[int, int]:
    found = [_place(place, size) for place in places]
    start, end = (found + [0, size][len(found) :])[:2] if len(found) < 2 else found[:2]  # noqa: PLR2004
    if start > end:
        raise CallError(f"invalid slice index: {start} > {end}")
    return start, end


def _len(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, Mapping | Sequence):
        return len(value)
    if value is None:
        raise CallError("len of nil pointer")
    raise CallError(f"len of type {type_name(value)}")


def joined(values: Sequence[Value]) -> str:
    """Return what the escapers escape: as `print` has it, and nil as an action shows it."""
    return sprint([text_of(value) if value is None else value for value in values])


def _call(callee: Value, *_: Value) -> Value:
    """Refuse, as Go does: no value that a template can have is a function."""
    if callee is None:
        raise CallError("call of nil")
    raise CallError(f"non-function of type {type_name(callee)}")


def _decides(*_: Value) -> Value:
    """Stand for `and` and `or`, which the executor itself carries out."""
    raise CallError("evaluated out of order")


def _not(value: Value) -> bool:
    return not is_true(value)


BUILTINS: Final[Mapping[str, Function]] = {
    "and": Function(_decides, (Kind.ANY,), Kind.ANY),
    "or": Function(_decides, (Kind.ANY,), Kind.ANY),
    "not": Function(_not, (Kind.ANY,)),
    "call": Function(_call, (Kind.ANY,), Kind.ANY),
    "len": Function(_len, (Kind.ANY,)),
    "index": Function(_index, (Kind.ANY,), Kind.ANY),
    "slice": Function(_slice, (Kind.ANY,), Kind.ANY),
    "print": Function(lambda *values: sprint(values), (), Kind.ANY),
    "printf": Function(lambda layout, *values: sprintf(layout, values), (Kind.STRING,), Kind.ANY),
    "println": Function(lambda *values: sprintln(values), (), Kind.ANY),
    "html": Function(lambda *values: escape_html(joined(values)), (), Kind.ANY),
    "js": Function(lambda *values: escape_js(joined(values)), (), Kind.ANY),
    "urlquery": Function(lambda *values: escape_query(joined(values)), (), Kind.ANY),
    **COMPARISONS,
}
