"""Whether two servers gave the same answer: the same series, times and values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from veriscope.signals import METRIC_NAME

EXACT: Final = 1e-9
"""How far values may differ, relative to the larger: room for the order of additions only."""

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of a series: Unix milliseconds and values."""

    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]


Answer: TypeAlias = Mapping[str, Points | None]
"""An answer by its series, each written as sorted JSON; what is only listed has no points."""


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Result(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Envelope(msgspec.Struct):
    status: str
    data: msgspec.Raw


def read(body: bytes) -> Answer:
    """Read the answer of a query, or of one of the listings (`series`, `labels`, label values)."""
    data = msgspec.json.decode(body, type=_Envelope).data
    if bytes(data).lstrip().startswith(b"["):
        listed: list[Any] = msgspec.json.decode(data)
        return {json.dumps(each, sort_keys=True): None for each in listed}
    result = msgspec.json.decode(data, type=_Result)
    if result.result_type == "scalar":
        value = msgspec.json.decode(result.result, type=tuple[float, str])
        return {"scalar": _points([value])}
    return {
        json.dumps(series.metric, sort_keys=True): _points(
            series.values if series.value is None else [series.value]
        )
        for series in msgspec.json.decode(result.result, type=list[_Series])
    }


def points_in(answer: Answer) -> int:
    """Count the points of all series."""
    return sum(0 if points is None else len(points.values) for points in answer.values())


def differences(expected: Answer, found: Answer, relative: float = EXACT) -> list[str]:
    """
    Say how *found* differs from *expected*, in a few words each; nothing where they agree.

    A value agrees with another within *relative* times the larger of both; NaN agrees with NaN, an
    infinity with itself. Times agree to the millisecond. The order of series is not compared.
    """
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    told = [
        f"{len(keys)} series {what}, such as {min(keys)}"
        for what, keys in (("missing", missing), ("too many", extra))
        if keys
    ]
    return told + _of_points(expected, found, sorted(expected.keys() & found.keys()), relative)


def without_names(answer: Answer) -> Answer:
    """Return *answer* with its metrics' names dropped."""
    return {
        json.dumps({k: v for k, v in json.loads(key).items() if k != METRIC_NAME}): points
        for key, points in answer.items()
    }


def by_rank(answer: Answer) -> Answer:
    """
    Return the values of *answer* at each time, largest first, whichever series has them.

    Of series with equal values any may take the last place of a `topk`, as Prometheus' may.
    """
    points = [each for each in answer.values() if each is not None]
    times = np.concatenate([each.times_ms for each in points])
    values = np.concatenate([each.values for each in points])
    order = np.lexsort((-values, times))
    return {"ranks": Points(times[order], values[order])}


def _of_points(
    expected: Answer, found: Answer, series: Sequence[str], relative: float
) -> list[str]:
    wrong = [
        (key, reason)
        for key in series
        if (reason := _difference(expected[key], found[key], relative)) is not None
    ]
    if not wrong:
        return []
    told = [f"{key}: {reason}" for key, reason in wrong[:_SHOWN]]
    return [f"{len(wrong)} of {len(series)} series differ", *told]


def _difference(expected: Points | None, found: Points | None, relative: float) -> str | None:
    if expected is None or found is None:
        return None if expected is found else "points where none are expected, or the reverse"
    if not np.array_equal(expected.times_ms, found.times_ms):
        return f"{len(found.values)} points, not the {len(expected.values)} times expected"
    off = ~_close(expected.values, found.values, relative)
    if not off.any():
        return None
    at = int(off.argmax())
    return (
        f"{float(found.values[at])!r}, not {float(expected.values[at])!r},"
        f" at {int(expected.times_ms[at]) / 1000}"
    )


def _close(
    expected: NDArray[np.float64], found: NDArray[np.float64], relative: float
) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        room = relative * np.maximum(np.abs(expected), np.abs(found))
        # Only finite numbers can be near each other: within infinite room is no agreement.
        near = np.isfinite(room) & (np.abs(expected - found) <= room)
    agreed: NDArray[np.bool_] = near | (expected == found) | (np.isnan(expected) & np.isnan(found))
    return agreed


def _points(pairs: Sequence[tuple[float, str]]) -> Points:
    times = np.array([time for time, _ in pairs], dtype=np.float64)
    return Points(
        np.rint(times * 1000).astype(np.int64),
        np.array([float(value) for _, value in pairs], dtype=np.float64),
    )
