"""The functions of Alertmanager's templates, those of versions after 0.25 too."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote_plus

from veriscope.templates.functions.builtins import BUILTINS, escape_html, escape_query, joined
from veriscope.templates.functions.calls import CallError, Function, Kind
from veriscope.templates.functions.limits import Output, Room
from veriscope.templates.functions.printing import text_of
from veriscope.templates.functions.prometheus import humanize_duration, to_lower, to_upper
from veriscope.templates.functions.regular_expressions import matches, replace_all
from veriscope.templates.times import GoDuration, GoTime, Named
from veriscope.templates.values import Record, SafeHtml, SafeUrl, Value, type_name

_WORD: Final = re.compile(r"\w+(?:['.:\u2019\u00b7]\w+)*")
"""Letters, digits and what may stand between two of them without ending a word."""
_TEXT: Final = (Kind.STRING,)
_DEPTH: Final = 50


def _join(separator: str, texts: Sequence[str]) -> str:
    output = Output()
    for at, text in enumerate(texts):
        output.add(separator + text if at else text)
    return str(output)


def _title(text: str) -> str:
    """Return *text* with one capital a word, its first letter, and all others small."""
    return _WORD.sub(lambda word: _capital(word[0]), text)


def _capital(word: str) -> str:
    at = next((at for at, letter in enumerate(word) if letter.isalpha()), 0)
    return word[:at] + word[at : at + 1].title() + word[at + 1 :].lower()


def _in_zone(zone: str, time: GoTime) -> GoTime:
    try:
        return time.within(zone)
    except KeyError as error:
        raise CallError(str(error.args[0])) from error


def _unescaped(text: str) -> str:
    for at in range(len(text)):
        if text[at] == "%" and not _is_hex(text[at + 1 : at + 3]):
            raise CallError(f'invalid URL escape "{text[at : at + 3]}"')
    return unquote_plus(text)


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)  # noqa: PLR2004


def _to_json(value: Value) -> str:
    document = _document(value, Room())
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _document(value: Value, room: Room) -> Value:
    """Return *value* as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        raise CallError(f"json: unsupported value: {text_of(value)}")
    if isinstance(value, GoTime):
        return value.format("2006-01-02T15:04:05.999999999Z07:00")
    if isinstance(value, GoDuration | Named):
        return int(value)
    if isinstance(value, Record | Mapping | Sequence) and not isinstance(value, str):
        return _nested(value, room)
    room.take(len(value) if isinstance(value, str) else 0)
    return value


def _nested(value: Record | Mapping[str, Value] | Sequence[Value], room: Room) -> Value:
    room.take(0)
    room.depth += 1
    if room.depth > _DEPTH:
        raise CallError("nested too deeply for JSON; make it flatter")
    try:
        if isinstance(value, Record):
            fields = value.fields.items()
            return {_json_name(name): _document(one, room) for name, one in fields}
        if isinstance(value, Mapping):
            return {str(key): _document(value[key], room) for key in sorted(value)}
        return [_document(one, room) for one in value]
    finally:
        room.depth -= 1


def _json_name(name: str) -> str:
    """Return the name that Alertmanager's payload has for a field: `externalURL`."""
    return name if name.isupper() else name[:1].lower() + name[1:]


def _list(*values: Value) -> list[Value]:
    return list(values)


def _append(values: Value, *more: Value) -> list[Value]:
    if isinstance(values, str | Mapping) or not isinstance(values, Sequence):
        raise CallError(f"cannot append to {type_name(values)}")
    return [*values, *more]


def _dict(*pairs: Value) -> dict[str, Value]:
    if len(pairs) % 2:
        raise CallError("dict needs a value for each key")
    keys = pairs[::2]
    if not all(isinstance(key, str) for key in keys):
        raise CallError("dict keys must be strings")
    return dict(zip(keys, pairs[1::2], strict=True))


def functions(now: GoTime) -> Mapping[str, Function]:
    """Return all functions; `since` measures to *now*."""
    since = Function(lambda time: GoDuration.bounded(now.unix_ns - time.unix_ns), (Kind.TIME,))
    return {**FUNCTIONS, "since": since}


FUNCTIONS: Final[Mapping[str, Function]] = {
    **BUILTINS,
    "toUpper": Function(to_upper, _TEXT),
    "toLower": Function(to_lower, _TEXT),
    "title": Function(_title, _TEXT),
    "trimSpace": Function(str.strip, _TEXT),
    "join": Function(_join, (Kind.STRING, Kind.STRINGS)),
    "match": Function(matches, (Kind.STRING, Kind.STRING)),
    "safeHtml": Function(SafeHtml, _TEXT),
    "safeUrl": Function(SafeUrl, _TEXT),
    "urlUnescape": Function(_unescaped, _TEXT),
    "reReplaceAll": Function(replace_all, (Kind.STRING, Kind.STRING, Kind.STRING)),
    "stringSlice": Function(lambda *texts: list(texts), (), Kind.STRING),
    "date": Function(lambda layout, time: time.format(layout), (Kind.STRING, Kind.TIME)),
    "tz": Function(_in_zone, (Kind.STRING, Kind.TIME)),
    "humanizeDuration": Function(humanize_duration, (Kind.ANY,)),
    "toJson": Function(_to_json, (Kind.ANY,)),
    "list": Function(_list, (), Kind.ANY),
    "append": Function(_append, (Kind.ANY,), Kind.ANY),
    "dict": Function(_dict, (), Kind.ANY),
}

HTML_FUNCTIONS: Final[Mapping[str, Function]] = {
    "html": Function(lambda *values: SafeHtml(escape_html(joined(values))), (), Kind.ANY),
    "urlquery": Function(lambda *values: SafeUrl(escape_query(joined(values))), (), Kind.ANY),
}
"""What replaces functions of the same name in HTML: their result is not escaped again."""
