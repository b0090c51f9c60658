"""Series as tests spell them: `up{job="api"}` and `1 _ stale 0+10x5`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from veriscope.query import ParseError
from veriscope.query.promql.histograms.arithmetic import add, scaled
from veriscope.query.promql.lexer import number
from veriscope.query.promql.parser import parse_selector
from veriscope.rules.unit_tests.histogram_literals import parse_histogram
from veriscope.signals import STALE_NAN, Labels, MatchOp, to_labels
from veriscope.signals.histograms import Histograms

_DIGITS: Final = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FLOAT: Final = re.compile(
    rf"(?P<start>[+-]?{_DIGITS}|(?i:[+-]?(?:inf|nan))(?!x)|stale(?!x))"
    rf"(?:(?P<step>[+-]{_DIGITS})?x(?P<times>\d+))?"
)
_GAP: Final = re.compile(r"_(?:x(?P<times>\d+))?")
_HISTOGRAM: Final = re.compile(
    r"(?P<start>\{\{[^}]*\}\})(?:(?:(?P<sign>[+-])(?P<step>\{\{[^}]*\}\}))?x(?P<times>\d+))?"
)
_WORD: Final = re.compile(r"(?:\{\{[^}]*\}\}|\S)+")
_MAX_POINTS: Final = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SeriesValues:
    """
    What a series holds: `values[i]` at place `slots[i]`, `native` *i* at place `native_slots[i]`.

    Places count from 0, one an interval; there may be nothing at a place.
    """

    slots: NDArray[np.int64]
    values: NDArray[np.float64]
    native_slots: NDArray[np.int64]
    native: Histograms


def parse_series(text: str) -> Labels:
    """Return the labels that *text* spells; raises `ParseError`."""
    matchers = parse_selector(text).matchers
    for matcher in matchers:
        if matcher.op is not MatchOp.EQUAL:
            raise ParseError(f'a series\' label is given with "=", not "{matcher.op}"', text=text)
    names = sorted(matcher.name for matcher in matchers)
    if twice := next((name for name, after in pairwise(names) if name == after), None):
        raise ParseError(f'label name "{twice}" is not unique', text=text)
    return to_labels((matcher.name, matcher.value) for matcher in matchers)


@lru_cache(maxsize=1_000)
def parse_values(text: str) -> SeriesValues:
    """
    Return the samples that *text* spells; raises `ParseError`.

    `_` is no sample and `stale` the end of the series. `a+bxn` is a, a+b, … and n more than one
    sample in all; `axn` is a n+1 times, `_xn` no sample n times. A native histogram is spelled
    `{{schema:0 count:3 sum:4 buckets:[1 2]}}` and may be repeated and added up likewise.
    """
    slots, values = _Column(), []
    native_slots, native = _Column(), []
    place = 0
    for word in _WORD.finditer(text):
        spelled = word[0]
        if found := _GAP.fullmatch(spelled):
            place += 1 if found["times"] is None else int(found["times"])
        elif found := _FLOAT.fullmatch(spelled):
            run = _floats(found)
            values.append(run)
            slots.append(place, len(run))
            place += len(run)
        elif found := _HISTOGRAM.fullmatch(spelled):
            many = list(_histograms(found, text, word.start()))
            native += many
            native_slots.append(place, len(many))
            place += len(many)
        else:
            raise ParseError(
                f"{spelled!r} is no value; write 1, 0+10x5, 3x4, _, _x4, stale, Inf, NaN or a"
                " histogram {{count:1 …}}",
                text=text,
                position=word.start(),
            )
        _check_size(place, text)
    return SeriesValues(
        slots.array(),
        np.concatenate([np.empty(0), *values]),
        native_slots.array(),
        Histograms.concatenate(native),
    )


class _Column:
    """Places of runs of samples."""

    def __init__(self) -> None:
        self._runs = [np.empty(0, dtype=np.int64)]

    def append(self, first: int, count: int) -> None:
        self._runs.append(np.arange(first, first + count, dtype=np.int64))

    def array(self) -> NDArray[np.int64]:
        return np.concatenate(self._runs)


def _check_size(points: int, text: str) -> None:
    if points > _MAX_POINTS:
        raise ParseError(f"more than {_MAX_POINTS:,} samples; shorten the series", text=text)


def _floats(found: re.Match[str]) -> NDArray[np.float64]:
    start = STALE_NAN if found["start"] == "stale" else _number(found["start"])
    more = int(found["times"] or 0)
    _check_size(more, found[0])
    # Steps are added one after the other, as promtool does: 0.1+0.1x10 ends below 1.1.
    steps = np.full(more + 1, _number(found["step"]) if found["step"] else 0.0)
    steps[0] = start
    return np.add.accumulate(steps) if found["step"] else np.full(more + 1, start)


def _number(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * number(text.lstrip("+-"))


def _histograms(found: re.Match[str], text: str, position: int) -> Iterator[Histograms]:
    value = parse_histogram(found["start"], text, position)
    yield value
    more = int(found["times"] or 0)
    _check_size(more, text)
    step = None
    if found["step"]:
        step = parse_histogram(found["step"], text, position + found.start("step"))
        if found["sign"] == "-":
            step = scaled(step, np.array([-1.0]))
    for _ in range(more):
        value = add(value, step).values if step is not None else value
        yield value
