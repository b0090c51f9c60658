"""The graph that goes with a notification."""

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from veriscope.insight.axes import time_ticks, value_ticks
from veriscope.insight.graph import Graph, Line, draw_png, fit
from veriscope.insight.units import Unit, format_ticks, format_value, unit_of_name

TIMES = np.arange(0, 3_600_000, 15_000) + 1_763_900_000_000
ONSET = int(TIMES[180])


def graph(values: Any, threshold: float | None = None, count: int = 1) -> Graph:
    """Return a graph of *count* equal series."""
    lines = [Line(f"series {number}", np.asarray(values, float)) for number in range(count)]
    return Graph("a > 1", TIMES, lines, (), Unit.NUMBER, threshold, ONSET)


def pixels(drawn: Graph) -> Any:
    """Return red, green and blue of each pixel."""
    return np.asarray(Image.open(BytesIO(draw_png(drawn))).convert("RGB")).astype(int)


def near(image: Any, colour: tuple[int, int, int]) -> Any:
    """Tell where *image* has that colour."""
    return np.abs(image - np.array(colour)).sum(axis=2) < 24


def test_picture_is_twice_the_size_that_it_is_shown_at() -> None:
    """Mail and chat show 800 by 320; the file has twice as many pixels each way."""
    png = draw_png(graph(np.ones(240)))
    assert struct.unpack(">II", png[16:24]) == (1600, 640)
    assert len(png) < 100_000


def test_time_of_firing_is_shaded_from_the_onset_on() -> None:
    """Three quarters into the graph the background changes, and stays."""
    row = near(pixels(graph(np.zeros(240))), (252, 232, 230))[200]
    shaded = np.flatnonzero(row)
    assert 1180 < shaded[0] < 1220
    assert shaded[-1] > 1560


def test_threshold_is_within_the_picture_though_no_value_is_near_it() -> None:
    """The axis reaches as far as the threshold."""
    with_it = near(pixels(graph(np.ones(240), threshold=50.0)), (180, 35, 35))[68:300, 300:1100]
    without = near(pixels(graph(np.ones(240))), (180, 35, 35))[68:300, 300:1100]
    assert with_it.sum() > 300
    assert without.sum() == 0


def test_gap_is_left_open() -> None:
    """Where there are no values there is no line."""
    values = np.ones(240)
    values[60:120] = np.nan
    image = near(pixels(graph(values, threshold=2.0)), (59, 111, 224))[68:500]
    assert image[:, 250:430].any()
    assert not image[:, 500:790].any()
    assert image[:, 900:1200].any()


@pytest.mark.parametrize(
    "values",
    [np.full(240, np.nan), np.full(240, np.inf), np.zeros(240), np.full(240, 1e300)],
    ids=["nothing", "infinite", "zero", "huge"],
)
def test_whatever_the_values_there_is_a_picture(values: Any) -> None:
    """No value stops a notification's graph."""
    assert draw_png(graph(values, threshold=0.5)).startswith(b"\x89PNG")


def test_more_series_than_colours_are_drawn() -> None:
    """The seventh series is quiet."""
    assert near(pixels(graph(np.arange(240.0), count=7)), (195, 201, 212)).sum() > 0
    assert draw_png(graph([], count=0)).startswith(b"\x89PNG")


def test_long_names_end_in_an_ellipsis() -> None:
    """What does not fit is cut; what the font lacks is a question mark."""
    assert fit("a" * 400, 11, 100).endswith("…")
    assert fit("é µs → 中", 11, 100) == "? us > ?"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (25_255_530_496, Unit.BYTES, "23.5 GiB"),
        (1023.9 * 1024, Unit.BYTES, "1 MiB"),
        (1536, Unit.BYTES_PER_SECOND, "1.5 KiB/s"),
        (0.8975, Unit.RATIO, "89.8 %"),
        (0.0124, Unit.SECONDS, "12.4 ms"),
        (250, Unit.SECONDS, "4 min 10 s"),
        (0, Unit.SECONDS, "0 s"),
        (1234.5, Unit.NUMBER, "1.23k"),
        (-2.5, Unit.NUMBER, "-2.5"),
        (0.000012, Unit.NUMBER, "1.20e-05"),
        (768.2, Unit.PER_SECOND, "768/s"),
        (float("nan"), Unit.BYTES, "-"),
        (float("-inf"), Unit.BYTES, "-inf"),
    ],
)
def test_values_are_spelled_as_on_the_page(value: float, unit: Unit, text: str) -> None:
    """Short, and with a unit."""
    assert format_value(value, unit) == text


def test_ticks_are_round_and_cover_what_is_shown() -> None:
    """Also where bytes are counted in powers of 1024, and where there is but one value."""
    assert value_ticks(0.1, 0.93, 5, binary=False) == [0, 0.2, 0.4, pytest.approx(0.6), 0.8, 1.0]
    mib = 1 << 20
    assert value_ticks(0, 9 * mib, 5, binary=True) == [n * 2 * mib for n in range(6)]
    assert value_ticks(3, 3, 5, binary=False)[0] < 3
    assert format_ticks([1000, 1002, 1004], Unit.NUMBER) == ["1k", "1.002k", "1.004k"]
    moments = time_ticks(1_763_900_000_000, 1_763_903_600_000, 8)
    assert [label for _, label in moments][:2] == ["12:20", "12:30"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("node_memory_MemFree_bytes", Unit.BYTES),
        ("http_request_duration_seconds_bucket", Unit.SECONDS),
        ("node_boot_time_seconds", Unit.NUMBER),
        ("gpu_utilization_ratio", Unit.RATIO),
        ("up", Unit.NUMBER),
    ],
)
def test_names_carry_units(name: str, unit: Unit) -> None:
    """In Prometheus' convention."""
    assert unit_of_name(name) is unit
