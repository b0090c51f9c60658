"""Events made safe to write: secrets replaced, sizes bounded, every value fit for JSON."""

import datetime as dt
import enum
import numbers
import os
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import re2

from veriscope.instrument.encodable import encodable
from veriscope.instrument.logs.options import LoggingOptions
from veriscope.instrument.secret_shapes import secret_patterns

REDACTED: Final = "[redacted]"
"""What stands where a secret stood."""

_MAX_ITEMS: Final = 256
_MAX_KEY_CHARS: Final = 256
_MAX_CACHED_KEYS: Final = 4096
_SHORTEST_SECRET: Final = 8
# Text is cut before it is searched, so that a record of megabytes costs little, but not so
# near to the limit that the cut could hide a secret from its pattern.
_MARGIN_CHARS: Final = 4096
_INT_RANGE: Final = range(-(2**63), 2**64)

_CAMEL: Final = re2.compile(r"([a-z0-9])([A-Z])")


class _Walk:
    """What is left to spend on one event, and what was done to it."""

    __slots__ = ("left", "redacted", "truncated")

    def __init__(self, left: int) -> None:
        self.left = left
        self.redacted = 0
        self.truncated = False


class Scrubber:
    """
    Copies events into plain values: `None`, bool, int, float, str, lists and dicts of these.

    The value of a field whose name ends with a word of `redact` is replaced, unless it is a
    flag, a fraction or nothing: `token` and `accessToken` are secrets, `token_count` is none.
    Secrets in text are found by their shape, in field values, messages and stack traces alike.
    """

    def __init__(self, options: LoggingOptions) -> None:
        words = "|".join(re2.escape(_snake(word)) for word in options.redact)
        self._secret_key = re2.compile(rf"(?:^|_)(?:{words})\d*$") if words else None
        patterns = (
            *secret_patterns(REDACTED),
            *((pattern, REDACTED) for pattern in options.redact_patterns),
        )
        self._patterns = [(re2.compile(pattern), by) for pattern, by in patterns]
        self._any = re2.compile("|".join(f"(?:{pattern})" for pattern, _ in patterns))
        self._max_chars = options.max_value_chars
        self._max_depth = options.max_depth
        self._budget = options.max_record_bytes
        self._secret_keys: dict[str, bool] = {}

    def scrub(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], int, bool]:
        """Return *event* made safe, how many secrets were replaced, and whether it was cut."""
        walk = _Walk(self._budget)
        clean = self._mapping(event, walk, self._max_depth + 1)
        return clean, walk.redacted, walk.truncated

    def _value(self, value: Any, walk: _Walk, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool or kind is float:
            walk.left -= 8
            return value
        if kind is str:
            return self._text(value, walk)
        if kind is int:
            walk.left -= 8
            return value if value in _INT_RANGE else self._text(_show(value), walk)
        if isinstance(value, Mapping):
            return self._mapping(value, walk, depth) if depth else _deep(value, walk)
        if isinstance(value, list | tuple | AbstractSet):
            return self._items(value, walk, depth) if depth else _deep(value, walk)
        return self._other(value, walk, depth)

    def _mapping(self, mapping: Mapping[Any, Any], walk: _Walk, depth: int) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        for key, value in mapping.items():
            if walk.left <= 0 or len(clean) >= _MAX_ITEMS:
                walk.truncated = True
                break
            name = encodable(
                (key if type(key) is str else _show(key))[:_MAX_KEY_CHARS], "backslashreplace"
            )
            walk.left -= len(name)
            if self._is_secret(name) and not (value is None or isinstance(value, bool | float)):
                walk.redacted += 1
                clean[name] = REDACTED
            else:
                clean[name] = self._value(value, walk, depth - 1)
        return clean

    def _items(self, items: Any, walk: _Walk, depth: int) -> list[Any]:
        clean: list[Any] = []
        for item in items:
            if walk.left <= 0 or len(clean) >= _MAX_ITEMS:
                walk.truncated = True
                break
            clean.append(self._value(item, walk, depth - 1))
        return clean

    def _other(self, value: Any, walk: _Walk, depth: int) -> Any:
        """Return what JSON can hold of a value of a less usual type."""
        if isinstance(value, enum.Enum):
            return self._value(value.value, walk, depth - 1) if depth else _deep(value, walk)
        if isinstance(value, numbers.Integral):
            return self._value(int(value), walk, depth)
        if isinstance(value, numbers.Real):
            return self._value(float(value), walk, depth)
        return self._text(self._spell(value), walk)

    def _spell(self, value: Any) -> str:
        if isinstance(value, dt.datetime | dt.date | dt.time):
            return value.isoformat()
        if isinstance(value, bytes | bytearray):
            return bytes(value[: self._max_chars]).decode(errors="replace")
        if isinstance(value, str | os.PathLike | uuid.UUID | BaseException):
            return _show(value)
        return _show(value, repr)

    def _text(self, text: str, walk: _Walk) -> str:
        limit = min(self._max_chars, max(walk.left, 0))
        whole = len(text)
        if whole > limit + _MARGIN_CHARS:
            text = text[: limit + _MARGIN_CHARS]
        text = encodable(text, "backslashreplace")
        if len(text) >= _SHORTEST_SECRET and self._any.search(text):
            for pattern, by in self._patterns:
                text, count = pattern.subn(by, text)
                walk.redacted += count
        if whole > limit + _MARGIN_CHARS or len(text) > limit:
            walk.truncated = True
            text = f"{text[:limit]}… [{max(whole - limit, 1)} more characters]"
        walk.left -= len(text)
        return text

    def _is_secret(self, name: str) -> bool:
        known = self._secret_keys.get(name)
        if known is None:
            known = self._secret_key is not None and bool(self._secret_key.search(_snake(name)))
            if len(self._secret_keys) < _MAX_CACHED_KEYS:
                self._secret_keys[name] = known
        return known


def _snake(name: str) -> str:
    """Spell `apiKey`, `API-Key` and `api.key` alike."""
    spaced: str = _CAMEL.sub(r"\1_\2", name)
    return spaced.lower().replace("-", "_").replace(".", "_").replace(" ", "_")


def _deep(value: Any, walk: _Walk) -> str:
    walk.truncated = True
    return f"[{type(value).__name__}]"


def _show(value: Any, how: Any = str) -> str:
    """Return *value* as text; the application's own `__str__` may raise."""
    try:
        return str.__str__(how(value))
    except Exception as error:  # noqa: BLE001 - whatever it raises, the record has to go on
        return f"[{type(value).__name__} that cannot be shown: {type(error).__name__}]"
