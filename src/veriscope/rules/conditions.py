"""Conditions of rules on log records and on spans, in place of a PromQL expression."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import msgspec

from veriscope.query import ParseError, logs, traces
from veriscope.signals import Duration, InvalidInputError

LATENCIES: Final = frozenset({"mean", "p50", "p90", "p95", "p99"})
"""The figures that are seconds."""

_THRESHOLD: Final = re.compile(r"\s*(==|!=|>=|<=|>|<)\s*(.*?)\s*")


class LogCondition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many records a search finds."""

    query: str
    """Which records, in Lucene's syntax."""
    window: Duration = Duration(300_000)
    """How far back they are looked for."""
    by: tuple[str, ...] = ()
    """Fields; there is a value for each of their texts. Without one there is one value."""
    value: Literal["count", "rate"] = "count"
    """`count`: how many there are; `rate`: how many there are a second."""

    def __post_init__(self) -> None:
        _check(self.query, self.window, self.by, logs.parse, logs.group_field)

    def __str__(self) -> str:
        """Spell the condition in one line."""
        return _spell("logs", self.query, self.window, self.by, self.value)


class TraceCondition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the spans that a search finds come to."""

    query: str
    """Which spans, in Lucene's syntax."""
    window: Duration = Duration(300_000)
    """How far back their ends lie."""
    by: tuple[str, ...] = ()
    """Fields; there is a value for each of their texts. Without one there is one value."""
    value: Literal["count", "rate", "error_rate", "mean", "p50", "p90", "p95", "p99"] = "count"
    """`error_rate` is from 0 to 1; `mean` and the percentiles are durations in seconds."""

    def __post_init__(self) -> None:
        _check(self.query, self.window, self.by, traces.parse, traces.group_field)

    def __str__(self) -> str:
        """Spell the condition in one line."""
        return _spell("traces", self.query, self.window, self.by, self.value)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Which values raise an alert."""

    op: Literal["==", "!=", ">=", "<=", ">", "<"]
    number: float


@lru_cache(maxsize=1_000)
def parse_threshold(text: str, value: str) -> Threshold:
    """
    Read `> 10`; `> 2s` where *value* is a duration, `> 5%` where it is a share.

    Raises `InvalidInputError` for anything else.
    """
    match = _THRESHOLD.fullmatch(text)
    number = None if match is None else _number(match[2], value)
    if match is None or number is None:
        example = "> 2s" if value in LATENCIES else "> 5%" if value == "error_rate" else "> 10"
        raise InvalidInputError(
            f"`threshold: {text}` is no comparison with a {value}; write it as '{example}'"
        )
    return Threshold(match[1], number)  # type: ignore[arg-type]  # the pattern allows no other


def _number(text: str, value: str) -> float | None:
    if value == "error_rate" and text.endswith("%"):
        number = _plain_number(text[:-1])
        return None if number is None else number / 100
    if value in LATENCIES and (nanoseconds := traces.parse_duration_ns(text)) is not None:
        return nanoseconds / 1e9
    return _plain_number(text)


def _plain_number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", text) else None


def _check(
    query: str,
    window: Duration,
    by: Sequence[str],
    parse: Callable[[str], object],
    group_field: Callable[[str], tuple[object, str]],
) -> None:
    if window <= 0:
        raise ValueError(f"`window: {window}` is no time to look back; write it as 5m")
    try:
        parse(query)
        labels = [group_field(name)[1] for name in by]
    except ParseError as error:
        raise ValueError(f"`query: {query}`: {error}") from error
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"two fields of `by` are label {twice[0]!r}; take one of them out")


def _spell(signal: str, query: str, window: Duration, by: Sequence[str], value: str) -> str:
    groups = f" by ({', '.join(by)})" if by else ""
    return f"{signal}[{window}] {query} | {value}{groups}"
