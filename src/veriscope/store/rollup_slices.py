"""Samples in slices, so that what one statement rolls up takes a bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Final

from veriscope.store.engine import Engine

SAMPLES_AT_ONCE: Final = 2_000_000
"""
Samples of a slice, more or less. A statement sorts them, some 20 bytes each, and groups them with
states of some 400 bytes for each series and five minutes: 110 MB where a series has a sample each
ten seconds.
"""
IN_SLICE: Final = (
    "metric BETWEEN {first:String} AND {last:String}"
    " AND id BETWEEN {least:UInt64} AND {most:UInt64}"
)
"""The condition on a row of a slice."""

_IDS: Final = 1 << 64
_COUNTS: Final = """
SELECT CAST(metric, 'String') AS name, count() AS samples FROM samples
WHERE ts > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
    AND ts <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')
GROUP BY metric ORDER BY name
"""


def slices(engine: Engine, after_ms: int, until_ms: int) -> Iterator[dict[str, str | int]]:
    """
    Yield the parameters of `IN_SLICE` for slices that hold every sample of `(after_ms, until_ms]`.

    What is written meanwhile may be in none of them.
    """
    counted = engine.query(_COUNTS, {"after": after_ms, "until": until_ms})
    return bounds(counted["name"].to_pylist(), counted["samples"].to_pylist())


def bounds(metrics: Sequence[str], samples: Sequence[int]) -> Iterator[dict[str, str | int]]:
    """
    Yield the bounds of slices: whole *metrics*, which are sorted, or some of the series of one.

    Ids are hashes, so equal ranges of them hold about as many series.
    """
    first, held = 0, 0
    for place, (metric, count) in enumerate(zip(metrics, samples, strict=True)):
        held += count
        if held >= SAMPLES_AT_ONCE or place == len(metrics) - 1:
            parts = -(-held // SAMPLES_AT_ONCE)
            for part in range(parts):
                least, most = _IDS * part // parts, _IDS * (part + 1) // parts - 1
                yield {"first": metrics[first], "last": metric, "least": least, "most": most}
            first, held = place + 1, 0
