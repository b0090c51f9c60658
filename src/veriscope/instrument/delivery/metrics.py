"""Metrics on their way: readings, batches and single samples become remote write requests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery.lane import Door, Request
from veriscope.instrument.delivery.names import label_name, metric_name
from veriscope.instrument.delivery.tally import Reason, Signal, Tally
from veriscope.instrument.encodable import encodable
from veriscope.instrument.registry import RegistryCollector
from veriscope.signals import METRIC_NAME, Labels, SampleBatch, to_labels
from veriscope.wire import remote_write

DOOR: Final = Door(
    Signal.METRICS,
    "/api/v1/write",
    {
        "Content-Type": remote_write.CONTENT_TYPE,
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    },
    lambda _answer: (0, ""),
)

_REQUEST_SERIES: Final = 4096
"""Series in one request: encoding it keeps the interpreter busy for some milliseconds."""
_KEPT_SERIES: Final = 1 << 14
_KEPT_STAMPS: Final = 10_000
_MOST_SHIFT_MS: Final = 1000
# One series past these limits of the server would cost all others of its request.
_LABELS: Final = 128
_NAME_BYTES: Final = 1024
_VALUE_BYTES: Final = 65_535


_Message: TypeAlias = tuple[bytes, int]
"""An encoded `WriteRequest` and the number of its samples."""


@dataclass(frozen=True, slots=True)
class LooseSample:
    """One sample as the application handed it over."""

    name: str
    tags: tuple[tuple[object, object], ...]
    value: float
    time_ms: int
    is_now: bool = False
    """Whether the time is that of the call, and need not be kept to the millisecond."""


@dataclass(frozen=True, slots=True)
class _Series:
    """The labels of a batch as they are sent, and which of them the server takes."""

    complete: tuple[Labels, ...]
    fits: NDArray[np.bool_]


class MetricEncoder:
    """
    Turns metrics into requests, with *own* labels added where a series lacks them.

    Samples of series that no server takes, for the number or length of their labels, are dropped
    and counted.
    """

    def __init__(self, registry: CollectorRegistry, own: Mapping[str, str], tally: Tally) -> None:
        self._registry = registry
        self._tally = tally
        # By series, not by reading: a reading that has one more series shares all the others,
        # where a copy of its label sets for each reading would fill the memory.
        self._complete = partial(_complete, to_labels(own))
        self._completed = lru_cache(maxsize=_KEPT_SERIES)(self._complete)
        self._collector = RegistryCollector(registry)
        self._losses = tally.dropped_items(Signal.METRICS)
        self._last_ms = -1
        self._stamps: dict[Labels, int] = {}

    def reading(self, now_ms: int) -> Iterator[Request]:
        """Read the registry; no two readings have the same time. Raises what a collector raises."""
        losses = self._tally.dropped_items(Signal.METRICS)
        if losses != self._losses:  # what metrics mean, told once, may have been lost with them
            self._losses = losses
            self._collector = RegistryCollector(self._registry)
        if now_ms == self._last_ms:
            now_ms += 1
        self._last_ms = now_ms
        return self.batch(self._collector.collect(now_ms))

    def batch(self, batch: SampleBatch) -> Iterator[Request]:
        """Encode *batch*."""
        for message in self._messages(batch, _series(map(self._completed, batch.labels))):
            yield _request([message])

    def _messages(self, batch: SampleBatch, series: _Series) -> Iterator[_Message]:
        labels = series.complete
        fits = series.fits[batch.series]
        self._tally.dropped(Signal.METRICS, Reason.UNENCODABLE, int(np.count_nonzero(~fits)))
        for start in range(0, max(len(labels), 1), _REQUEST_SERIES):
            part = labels[start : start + _REQUEST_SERIES]
            chosen = fits & (batch.series >= start) & (batch.series < start + len(part))
            chosen_batch = SampleBatch(
                part,
                (batch.series[chosen] - np.uint32(start)).astype(np.uint32),
                batch.timestamps_ms[chosen],
                batch.values[chosen],
                batch.metadata if start == 0 else (),
            )
            yield remote_write.encode(chosen_batch), len(chosen_batch)

    def batches(self, batches: Sequence[SampleBatch]) -> Iterator[Request]:
        """Encode *batches*, small ones together: a request costs more than its samples."""
        waiting: list[_Message] = []
        for batch in batches:
            for message in self._messages(batch, _series(map(self._completed, batch.labels))):
                if sum(items for _, items in (*waiting, message)) > _REQUEST_SERIES and waiting:
                    yield _request(waiting)
                    waiting = []
                waiting.append(message)
        if waiting:
            yield _request(waiting)

    def samples(self, samples: Sequence[LooseSample]) -> Iterator[Request]:
        """
        Encode single samples; those that are no numbers are dropped and counted.

        A store keeps one sample of a series for each millisecond. Samples of now that share one
        are moved apart, by a second at most; of any others the last stays.
        """
        numbers: dict[Labels, int] = {}
        values: dict[tuple[int, int], float] = {}
        unencodable = 0
        for sample in samples:
            try:
                labels = _labels(sample.name, tuple((str(k), str(v)) for k, v in sample.tags))
                number = numbers.setdefault(labels, len(numbers))
                value = float(sample.value)
                values[number, self._stamp(labels, sample)] = value
            except (TypeError, ValueError, OverflowError):
                unencodable += 1
        self._tally.dropped(Signal.METRICS, Reason.UNENCODABLE, unencodable)
        replaced = len(samples) - unencodable - len(values)
        self._tally.dropped(Signal.METRICS, Reason.REPLACED, replaced)
        if values:
            series, times = zip(*values, strict=True)
            batch = SampleBatch(
                tuple(numbers),
                np.array(series, dtype=np.uint32),
                np.array(times, dtype=np.int64),
                np.fromiter(values.values(), dtype=np.float64, count=len(values)),
            )
            # Not remembered: an application may have labels that come once.
            for message in self._messages(batch, _series(map(self._complete, batch.labels))):
                yield _request([message])

    def _stamp(self, labels: Labels, sample: LooseSample) -> int:
        time_ms = int(sample.time_ms)
        if not sample.is_now:
            return time_ms
        last_ms = self._stamps.get(labels, -1)
        if time_ms <= last_ms < time_ms + _MOST_SHIFT_MS:
            time_ms = last_ms + 1
        if len(self._stamps) >= _KEPT_STAMPS:
            self._stamps.clear()
        self._stamps[labels] = time_ms
        return time_ms


def _request(messages: Sequence[_Message]) -> Request:
    # Protobuf messages one behind the other are one message with the items of all.
    content = b"".join(content for content, _ in messages)
    return Request(remote_write.compress(content), sum(items for _, items in messages))


@lru_cache(maxsize=4096)
def _labels(name: str, tags: tuple[tuple[str, str], ...]) -> Labels:
    """Return the labels of a series, each name made one that Prometheus takes in any version."""
    pairs = [(label_name(key), value) for key, value in tags]
    return to_labels([*pairs, (METRIC_NAME, metric_name(name))])


def _series(completed: Iterable[tuple[Labels, bool]]) -> _Series:
    found = list(completed)
    fits = np.fromiter((is_taken for _, is_taken in found), dtype=np.bool_, count=len(found))
    return _Series(tuple(complete for complete, _ in found), fits)


def _complete(own: Labels, labels: Labels) -> tuple[Labels, bool]:
    """Return *labels* with those of *own* that they lack, and whether a server takes them."""
    complete = to_labels((encodable(name), encodable(value)) for name, value in (*own, *labels))
    return complete, _is_taken(complete)


def _is_taken(labels: Labels) -> bool:
    return len(labels) <= _LABELS and all(
        len(name.encode()) <= _NAME_BYTES and len(value.encode()) <= _VALUE_BYTES
        for name, value in labels
    )
