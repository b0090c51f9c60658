import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from veriscope.collect.health import Health
from veriscope.collect.panel import SensorPanel
from veriscope.collect.sensors import AbsentError, Readings, SeriesTable, series
from veriscope.signals import ManualClock, SampleBatch, is_stale, label_value


class Scripted:
    """A sensor that reads what the test put there: rows of a table, or an exception."""

    source = ""
    metadata = ()

    def __init__(self, name: str, every: int = 1) -> None:
        self.name = name
        self.every = every
        self.rows = ()
        self.error = None
        self.reads = 0
        self._table = SeriesTable(lambda row: (series("reading", sensor=name, row=str(row)),))

    def read(self, now_ms: int) -> Readings:
        """Read what is scripted."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        return Readings(self._table.labels(self.rows), [float(now_ms)] * len(self.rows))


def panel_of(*sensors: Scripted, retry_s: float = 60) -> tuple[SensorPanel, ManualClock]:
    """Return a panel of *sensors* with the clock of its health."""
    clock = ManualClock()
    return SensorPanel("test", sensors, Health("test", clock=clock, retry_s=retry_s)), clock


def rows_of(batch: SampleBatch, sensor: str, *, stale: bool = False) -> set[str]:
    """Return the rows of *sensor* that *batch* has a value for, or ends."""
    return {
        label_value(batch.labels[i], "row")
        for i, ends in zip(batch.series, is_stale(batch.values), strict=True)
        if ends == stale and ("sensor", sensor) in batch.labels[i]
        if label_value(batch.labels[i], "__name__") == "reading"
    }


ROWS = st.lists(st.integers(0, 5), unique=True)


@given(st.lists(st.tuples(ROWS, ROWS), min_size=1), st.integers(1, 3))
def test_live_and_ended_series_follow_the_sensors(
    steps: list[tuple[list[int], list[int]]], every: int
) -> None:
    """Whatever comes and goes: each live series has its sample, each ended one marker, once."""
    first, second = Scripted("a"), Scripted("b", every=every)
    panel, _ = panel_of(first, second)
    live = {"a": set(), "b": set()}
    for tick, (first.rows, second.rows) in enumerate(steps):
        batch = panel.collect(tick)
        assert len(set(batch.labels)) == len(batch.labels)
        assert len(set(batch.series.tolist())) == len(batch.series)
        for sensor in (first, second) if tick % every == 0 else (first,):
            wanted = set(map(str, sensor.rows))
            assert rows_of(batch, sensor.name) == wanted
            assert rows_of(batch, sensor.name, stale=True) == live[sensor.name] - wanted
            live[sensor.name] = wanted


def test_batch_has_one_time() -> None:
    """All samples of a batch carry the tick's time."""
    sensor = Scripted("a")
    sensor.rows = (1, 2)
    batch = panel_of(sensor)[0].collect(42)
    assert set(batch.timestamps_ms.tolist()) == {42}
    assert batch.series.dtype == np.uint32


def test_broken_sensor_is_left_alone_until_its_retry() -> None:
    """A failing sensor is not asked at every tick."""
    sensor = Scripted("a")
    sensor.error = OSError("gone")
    panel, clock = panel_of(sensor, retry_s=10)
    for tick in range(25):
        panel.collect(tick)
        clock.advance(ms=1000)
    assert sensor.reads == 3


def test_flickering_sensor_does_not_fill_the_log() -> None:
    """A sensor that works every other time is logged at most once in the retry time."""
    sensor = Scripted("a")
    panel, clock = panel_of(sensor, retry_s=10)
    with capture_logs() as logs:
        for tick in range(100):
            sensor.error = OSError("flickers") if (tick // 11) % 2 else None
            panel.collect(tick)
            clock.advance(ms=1000)
    assert len([line for line in logs if line["event"] == "sensor unavailable"]) <= 10


def test_sensor_that_stays_down_after_flickering_is_logged() -> None:
    """The last line about a sensor that is down is not that it recovered."""
    sensor = Scripted("a")
    panel, clock = panel_of(sensor, retry_s=10)
    with capture_logs() as logs:
        for tick in range(60):
            sensor.error = OSError("broken") if tick < 9 or tick > 10 else None
            panel.collect(tick)
            clock.advance(ms=1000)
    assert [line["event"] for line in logs] == [
        "sensor unavailable",
        "sensor recovered",
        "sensor unavailable",
    ]


@pytest.mark.parametrize(
    ("error", "level"), [(AbsentError("no such device"), "info"), (OSError("broken"), "warning")]
)
def test_what_is_absent_is_no_warning(error: Exception, level: str) -> None:
    """A device that is not there is information, one that fails a warning."""
    sensor = Scripted("a")
    sensor.error = error
    with capture_logs() as logs:
        panel_of(sensor)[0].collect(0)
    assert [line["log_level"] for line in logs] == [level]


def test_collector_is_down_when_no_sensor_answers() -> None:
    """The collector's own gauge falls with its last sensor."""
    sensor = Scripted("a")
    sensor.error = OSError("broken")
    batch = panel_of(sensor)[0].collect(0)
    names = [label_value(labels, "__name__") for labels in batch.labels]
    assert dict(zip(names, batch.values, strict=True)) == {
        "veriscope_collector_up": 0,
        "veriscope_collector_sensor_up": 0,
    }


def test_error_without_words_is_named() -> None:
    """A log line never has an empty reason."""
    sensor = Scripted("a")
    sensor.error = KeyError()
    with capture_logs() as logs:
        panel_of(sensor)[0].collect(0)
    assert logs[0]["error"] == "KeyError"
