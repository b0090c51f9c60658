"""Range vectors as answers: the samples of one window."""

from typing import Any

import pytest

from veriscope.query.promql import PromqlEngine
from veriscope.signals import STALE_NAN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m[2m]", [(120, 3), (180, 4)]),
        ("m[2m] anchored", [(90, 2), (120, 3), (180, 4), (210, 4)]),
        ("m[90s] anchored", [(120, 3), (180, 4), (210, 4)]),
        ("m[20m] anchored", [(-990, 1), (0, 1), (60, 2), (120, 3), (180, 4), (210, 4)]),
        ("m[2m] smoothed", [(90, 2.5), (120, 3), (180, 4), (210, 4.5)]),
        ("m[2m] smoothed offset -20m", []),
        ("m[1m] anchored offset -2m", []),
        ("m[61s] anchored offset -90s", [(239, 4), (240, 5), (300, 5)]),
    ],
)
def test_a_window_s_samples(
    source: Any, engine: PromqlEngine, text: str, expected: list[tuple[int, float]]
) -> None:
    """The samples of the range; edges that are not plain are points of their own."""
    times_s = (0, 60, 120, 180, 200, 240)
    source.add(
        "m",
        [(s * 1000, v) for s, v in zip(times_s, (1, 2, 3, 4, STALE_NAN, 5.0), strict=True)],
    )
    source.add("old", [(-1000, 1.0)])
    found = engine.instant_query(text, 210_000).value
    points = [
        (time_ms / 1000, value)
        for segment in found.segments
        for start, stop in zip(segment.starts, segment.stops, strict=True)
        for time_ms, value in zip(
            segment.timestamps_ms[start:stop].tolist(),
            segment.values[start:stop].tolist(),
            strict=True,
        )
    ]
    assert points == expected
