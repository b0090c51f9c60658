"""Metrics on their way: readings, batches and single samples become remote write requests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry

from veriscope.instrument.delivery.lane import Door, Request
from veriscope.instrument.delivery.tally import Reason, Signal, Tally
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
_KEPT_LABEL_SETS: Final = 64
_KEPT_STAMPS: Final = 10_000
_MOST_SHIFT_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class LooseSample:
    """One sample as the application handed it over."""

    name: str
    tags: tuple[tuple[object, object], ...]
    value: float
    time_ms: int
    is_now: bool = False
    """Whether the time is that of the call, and need not be kept to the millisecond."""


class MetricEncoder:
    """Turns metrics into requests, with *own* labels added where a series lacks them."""

    def __init__(self, registry: CollectorRegistry, own: Mapping[str, str], tally: Tally) -> None:
        self._registry = registry
        self._own = dict(own)
        self._tally = tally
        self._collector = RegistryCollector(registry)
        self._losses = tally.dropped_items(Signal.METRICS)
        self._last_ms = -1
        self._stamps: dict[Labels, int] = {}
        # By identity: collectors hand over the same tuple while their series stay the same. The
        # tuple is kept beside, so that its identity cannot pass to another.
        self._completed: dict[int, tuple[tuple[Labels, ...], tuple[Labels, ...]]] = {}

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
        labels = self._complete(batch.labels)
        for start in range(0, max(len(labels), 1), _REQUEST_SERIES):
            part = labels[start : start + _REQUEST_SERIES]
            chosen = (batch.series >= start) & (batch.series < start + len(part))
            yield self._request(
                SampleBatch(
                    part,
                    (batch.series[chosen] - np.uint32(start)).astype(np.uint32),
                    batch.timestamps_ms[chosen],
                    batch.values[chosen],
                    batch.metadata if start == 0 else (),
                )
            )

    def batches(self, batches: Sequence[SampleBatch]) -> Iterator[Request]:
        """Encode *batches*."""
        for batch in batches:
            yield from self.batch(batch)

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
            yield from self.batch(
                SampleBatch(
                    tuple(numbers),
                    np.array(series, dtype=np.uint32),
                    np.array(times, dtype=np.int64),
                    np.fromiter(values.values(), dtype=np.float64, count=len(values)),
                )
            )

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

    def _complete(self, labels: tuple[Labels, ...]) -> tuple[Labels, ...]:
        known = self._completed.get(id(labels))
        if known is None:
            if len(self._completed) >= _KEPT_LABEL_SETS:
                self._completed.clear()
            complete = tuple(
                to_labels(
                    (_text(name), _text(value)) for name, value in (*self._own.items(), *each)
                )
                for each in labels
            )
            known = self._completed[id(labels)] = (labels, complete)
        return known[1]

    def _request(self, batch: SampleBatch) -> Request:
        message = remote_write.encode(batch)
        return Request(remote_write.compress(message), len(batch))


@lru_cache(maxsize=4096)
def _labels(name: str, tags: tuple[tuple[str, str], ...]) -> Labels:
    """Return the labels of a series, each name made one that Prometheus takes in any version."""
    pairs = [(_label_name(key), value) for key, value in tags]
    return to_labels([*pairs, (METRIC_NAME, _metric_name(name))])


def _metric_name(name: str) -> str:
    valid = re.sub(r"[^a-zA-Z0-9_:]", "_", name)
    return f"_{valid}" if not valid or valid[0].isdecimal() else valid


def _label_name(name: str) -> str:
    valid = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    if valid.startswith("__"):  # reserved
        valid = f"_{valid.lstrip('_')}"
    return f"_{valid}" if not valid or valid[0].isdecimal() else valid


def _text(text: str) -> str:
    """Return *text* with what UTF-8 cannot spell replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()
