"""The panel that reads a collector's sensors: one that breaks costs its own series, no more."""

from collections.abc import Sequence

from veriscope.collect.assembly import BatchAssembly
from veriscope.collect.health import Health
from veriscope.collect.sensors import Readings, Sensor, SourceLostError, gauge, series
from veriscope.signals import MetricMetadata, SampleBatch

_PANEL_METADATA = (
    gauge("veriscope_collector_up", "Whether the collector gives any readings (1) or none (0)."),
    gauge("veriscope_collector_sensor_up", "Whether the sensor could be read (1) or not (0)."),
)
_NOTHING = Readings((), ())


class SensorPanel:
    """Reads *sensors* at their own cadence and never fails for one of them."""

    def __init__(self, collector: str, sensors: Sequence[Sensor], health: Health) -> None:
        self._health = health
        self._up = (series("veriscope_collector_up", collector=collector),)
        self._assembly = BatchAssembly()
        self._readings: dict[str, Readings] = {}
        self._faulty: dict[str, set[str]] = {}
        self._sensors: tuple[Sensor, ...] = ()
        self._tick = 0
        self._metadata: tuple[MetricMetadata, ...] = ()
        self.install(sensors)

    def install(self, sensors: Sequence[Sensor]) -> None:
        """Read *sensors* from now on; series that no sensor gives any more end."""
        names = {sensor.name for sensor in sensors}
        for gone in {sensor.name for sensor in self._sensors} - names:
            self._health.down(gone)
            self._readings.pop(gone, None)
        self._sensors = tuple(sensors)

    def collect(self, now_ms: int) -> SampleBatch:
        """Read what is due; the samples carry *now_ms* (Unix milliseconds)."""
        fresh = [i for i, sensor in enumerate(self._sensors) if self._read(sensor, now_ms)]
        self._tick += 1
        held = [self._readings.get(sensor.name, _NOTHING) for sensor in self._sensors]
        # A source that was lost half-way takes the readings of its first sensors with it.
        fresh = [i for i in fresh if held[i] is not _NOTHING]
        up = Readings(self._up, (1.0 if self._readings else 0.0,))
        count = len(held)
        return self._assembly.batch(
            [*held, up, self._health.readings()],
            [*fresh, count, count + 1],
            now_ms,
            self._describe(),
        )

    def _read(self, sensor: Sensor, now_ms: int) -> bool:
        """Read *sensor* if it is due; tell whether it answered."""
        if self._tick % sensor.every and sensor.name in self._readings:
            return False
        if not (self._health.is_up(sensor.source) and self._health.is_due(sensor.name)):
            return False
        try:
            self._readings[sensor.name] = readings = sensor.read(now_ms)
        except SourceLostError as error:
            self._lose(sensor.source, error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever one sensor does, the others go on
            self._readings.pop(sensor.name, None)
            self._health.failed(sensor.name, error)
            return False
        self._health.ok(sensor.name)
        self._note_parts(sensor.name, readings)
        return True

    def _lose(self, source: str, error: SourceLostError) -> None:
        self._health.failed(source, error)
        for sensor in self._sensors:
            if sensor.source == source:
                self._readings.pop(sensor.name, None)
                self._health.down(sensor.name)

    def _note_parts(self, name: str, readings: Readings) -> None:
        known = self._faulty.get(name, set())
        if not (readings.faults or known):
            return
        faulty = {f"{name}/{part}": error for part, error in readings.faults}
        for part, error in faulty.items():
            self._health.failed(part, error)
        mending = {part for part in known - faulty.keys() if not self._health.mend(part)}
        self._faulty[name] = mending | faulty.keys()

    def _describe(self) -> tuple[MetricMetadata, ...]:
        """Return the metadata of all sensors; the same object while nothing is new."""
        found = {m.name: m for s in self._sensors for m in s.metadata}
        described = (*found.values(), *_PANEL_METADATA)
        if described != self._metadata:
            self._metadata = described
        return self._metadata
