"""Native histograms as tests spell them: `{{schema:1 count:3 sum:4 buckets:[1 2]}}`."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from veriscope.query import ParseError
from veriscope.signals import InvalidInputError
from veriscope.signals.histograms import Buckets, Histograms, ResetHint, Runs

_FIELD: Final = re.compile(r"(?P<name>\w+)\s*:\s*(?P<value>\[[^\]]*\]|[^\s\[\]]+)")
_SPACE: Final = re.compile(r"\s*")
_NUMBERS: Final = ("count", "sum", "z_bucket", "z_bucket_w")
_WHOLE: Final = ("schema", "offset", "n_offset")
_LISTS: Final = ("buckets", "n_buckets", "custom_values")
_HINTS: Final = {
    "unknown": ResetHint.UNKNOWN,
    "reset": ResetHint.YES,
    "not_reset": ResetHint.NO,
    "gauge": ResetHint.GAUGE,
}


def parse_histogram(literal: str, text: str, position: int) -> Histograms:
    """
    Return the one histogram that *literal* spells, which stands at *position* of *text*.

    Raises `ParseError`, also where the fields do not make a histogram.
    """
    fields = _fields(literal[2:-2], text, position)
    try:
        histogram = _built(fields)
        histogram.check()
    except (ValueError, KeyError, OverflowError, InvalidInputError) as error:
        raise ParseError(
            f"{literal} is no histogram: {error}", text=text, position=position
        ) from error
    return histogram


def _fields(body: str, text: str, position: int) -> dict[str, str]:
    found: dict[str, str] = {}
    at = _SPACE.match(body).end()  # type: ignore[union-attr] # it matches nothing, too
    while at < len(body):
        field = _FIELD.match(body, at)
        name = field["name"] if field else body[at:].split(maxsplit=1)[0]
        if field is None or name not in {*_NUMBERS, *_WHOLE, *_LISTS, "counter_reset_hint"}:
            raise ParseError(f"unknown field {name!r} of a histogram", text=text, position=position)
        if name in found:
            raise ParseError(f"field {name!r} is given twice", text=text, position=position)
        found[name] = field["value"]
        at = _SPACE.match(body, field.end()).end()  # type: ignore[union-attr]
    return found


def _built(fields: dict[str, str]) -> Histograms:
    numbers = {name: np.array([float(fields.get(name, "0"))]) for name in _NUMBERS}
    whole = {name: int(fields.get(name, "0")) for name in _WHOLE}
    lists = {name: _list(fields.get(name, "[]")) for name in _LISTS}
    hint = _HINTS[fields.get("counter_reset_hint", "unknown")]
    bounds = lists["custom_values"]
    return Histograms(
        schema=np.array([whole["schema"]], dtype=np.int8),
        reset_hint=np.array([hint], dtype=np.int8),
        count=numbers["count"],
        sum=numbers["sum"],
        zero_threshold=numbers["z_bucket_w"],
        zero_count=numbers["z_bucket"],
        positive=_buckets(whole["offset"], lists["buckets"]),
        negative=_buckets(whole["n_offset"], lists["n_buckets"]),
        bounds=Runs(np.array([0, len(bounds)], dtype=np.int64), np.array(bounds)),
    )


def _list(text: str) -> list[float]:
    if not text.startswith("["):
        raise ValueError(f"{text} is not a list; write [1 2 3]")
    return [float(word) for word in text[1:-1].split()]


def _buckets(first: int, counts: Sequence[float]) -> Buckets:
    index = np.arange(first, first + len(counts), dtype=np.int32)
    return Buckets(np.array([0, len(counts)], dtype=np.int64), index, np.array(counts, dtype=float))
